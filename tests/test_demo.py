"""The demo runs from end to end, and the step helps in it."""

import re
import sys
from contextlib import redirect_stdout
from io import StringIO

import matplotlib.image
import numpy as np
import pytest

from jwst_mosaic_simulation import Simulation, demo

SMALL = ["--binning", "8", "--exposures", "8"]


def printed_number(label, text):
    """Find the number that follows a label in what was printed."""
    return float(re.search(rf"^{re.escape(label)} ([\d.]*\d)", text, re.MULTILINE)[1])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Run the demo once, on small detectors; keep where and what it printed."""
    directory = tmp_path_factory.mktemp("demo") / "results"
    with redirect_stdout(StringIO()) as printed:
        code = demo.main([str(directory), *SMALL])
    assert code == 0
    return directory, printed.getvalue()


@pytest.mark.slow
def test_levels_are_better_than_those_of_the_stock_step(finished):
    """With so few pixels 0.002 and 60 are reached; the true levels scatter by 0.6."""
    _, text = finished
    ours = printed_number("rms error of PixelSkyMatchStep:", text)
    stock = printed_number("rms error of SkyMatchStep:", text)
    assert 0 < ours < 0.005
    assert stock > 20 * ours
    assert printed_number("ratio:", text) == pytest.approx(stock / ours, rel=0.1)
    # Without the strips.
    numbers = re.search(r"errors are ([\d.]+) and\s([\d.]+) MJy/sr, ratio (\d+)", text).groups()
    ours, without, ratio = map(float, numbers)
    assert 0 < ours < 0.005
    assert ratio == pytest.approx(without / ours, rel=0.1)
    factor = printed_number("the strips multiply the error of SkyMatchStep by", text)
    assert factor == pytest.approx(stock / without, rel=0.1)
    assert factor > 3


@pytest.mark.slow
def test_table_agrees_with_the_printed_rms(finished):
    _, text = finished
    rows = re.findall(r"^(?:jw\d+)? +\d+ +(.*)$", text, re.MULTILINE)
    true, ours, error, stock, stock_error = np.array([row.split() for row in rows], dtype=float).T
    assert len(rows) == 8
    np.testing.assert_allclose(ours - true, error, atol=2e-4)
    np.testing.assert_allclose(stock - true, stock_error, atol=2e-4)
    rms = printed_number("rms error of SkyMatchStep:", text)
    assert np.sqrt(np.mean(stock_error**2)) == pytest.approx(rms, rel=0.1)


@pytest.mark.slow
def test_writes_files_a_picture_and_the_report(finished):
    directory, text = finished
    names = {path.name for path in directory.iterdir() if not path.name.startswith("jw")}
    product = "stephans-quintet"
    outputs = ("asn.json", "levels.ecsv", "pairs.ecsv", "report.html")
    assert names == {
        "skymatch-demo.png",
        f"{product}_asn.json",
        f"{product}_skylist.txt",
        *(f"{product}_skymatch_{name}" for name in outputs),
    }
    assert len(list(directory.glob("*_skymatch.fits"))) == 8
    picture = matplotlib.image.imread(directory / "skymatch-demo.png")[..., :3]
    assert picture.shape == (902, 1650, 3)
    # Two maps of 256 colours each, and black on white.
    assert np.unique((255 * picture).astype(int) @ (65536, 256, 1)).size > 300
    path = directory / f"{product}_skymatch_report.html"
    assert text.splitlines()[-1] == f"The report, to be opened in a browser: {path}"
    assert "Matched: 8 of 8 exposures" in path.read_text()


@pytest.mark.parametrize("missing", ["matplotlib.figure", "jinja2"])
def test_says_what_to_install(tmp_path, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SystemExit, match=f"{missing} is missing: pip install matplotlib jinja2"):
        demo.main([str(tmp_path / "none")])
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--binning", "0"], "--binning must be between 1 and 16"),
        (["--exposures", "1"], "--exposures must be between 2 and 32"),
        (["--seed", "-1"], "--seed must be between 0 and"),
        (["--full", "--binning", "2"], "not allowed with argument"),
    ],
)
def test_refuses_bad_arguments(arguments, message, capsys):
    with pytest.raises(SystemExit):
        demo.main(arguments)
    assert message in capsys.readouterr().err


def test_shows_what_a_step_says_that_fails(tmp_path, monkeypatch):
    def simulate_nothing(scene, directory):
        return Simulation(association=directory / "none_asn.json", files=(), levels={})

    monkeypatch.setattr(demo, "simulate_mosaic", simulate_nothing)
    with pytest.raises(SystemExit, match=r"(?s)none_asn\.json.*\nThis failed: \S*strun pixel_sky"):
        demo.main([str(tmp_path)])
