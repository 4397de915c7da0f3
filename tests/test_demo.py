"""The demo runs from end to end, and the step helps in it."""

import re
import sys
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import pytest

from jwst_mosaic_skymatch import demo

SMALL = ["--binning", "8", "--exposures", "8"]


def printed_number(label, text):
    """Find the number that follows a label in what was printed."""
    return float(re.search(rf"^{re.escape(label)} ([\d.]+)", text, re.MULTILINE)[1])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Run the demo once, on small detectors; keep where and what it printed."""
    directory = tmp_path_factory.mktemp("demo") / "results"
    with redirect_stdout(StringIO()) as printed:
        code = demo.main([str(directory), *SMALL])
    return code, directory, printed.getvalue()


def test_finds_the_levels_better_than_the_stock_step(finished):
    code, _, text = finished
    ours = printed_number("rms error of PixelSkyMatchStep:", text)
    stock = printed_number("rms error of SkyMatchStep:", text)
    ratio = printed_number("ratio:", text)
    assert code == 0
    # With so few pixels 0.002 and 60 are reached; the true levels scatter by 0.6.
    assert 0 < ours < 0.005
    assert ratio > 20
    assert ratio == pytest.approx(stock / ours, rel=0.1)


def test_table_agrees_with_the_printed_rms(finished):
    _, _, text = finished
    rows = re.findall(r"^(?:jw\d+)? +\d+ +(.*)$", text, re.MULTILINE)
    true, ours, error, stock, stock_error = np.array([row.split() for row in rows], dtype=float).T
    assert len(rows) == 8
    np.testing.assert_allclose(ours - true, error, atol=2e-4)
    np.testing.assert_allclose(stock - true, stock_error, atol=2e-4)
    rms = printed_number("rms error of SkyMatchStep:", text)
    assert np.sqrt(np.mean(stock_error**2)) == pytest.approx(rms, rel=0.1)


def test_writes_files_and_one_picture(finished):
    _, directory, _ = finished
    names = sorted(path.name for path in directory.iterdir() if not path.name.startswith("jw"))
    assert names == [
        "skymatch-demo.png",
        "stephans-quintet_asn.json",
        "stephans-quintet_skymatch_asn.json",
    ]
    assert len(list(directory.glob("*_skymatch.fits"))) == 8
    picture = directory / "skymatch-demo.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert 50_000 < picture.stat().st_size < 2_000_000


def test_says_what_to_install_without_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(SystemExit, match="pip install matplotlib"):
        demo.main([str(tmp_path / "none")])
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--binning", "0"], "--binning must be between 1 and 16"),
        (["--exposures", "1"], "--exposures must be between 2 and 32"),
        (["--seed", "-1"], "--seed must not be negative"),
        (["--full", "--binning", "2"], "not allowed with argument"),
    ],
)
def test_refuses_bad_arguments(arguments, message, capsys):
    with pytest.raises(SystemExit):
        demo.main(arguments)
    assert message in capsys.readouterr().err


def test_shows_the_log_of_a_command_that_fails():
    with pytest.raises(SystemExit, match=r"(?s)what it said.*This failed"):
        demo._run([sys.executable, "-c", "import sys; sys.exit('what it said')"])
