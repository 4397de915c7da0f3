"""The demo from end to end, and its errors."""

import re
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from jwst_mosaic_simulation import Simulation, demo

NUMBER = r"([\d.]*\d)"


@pytest.mark.slow
def test_demo(tmp_path, capsys):
    """With so few pixels 0.002 and a ratio of 60 are reached; the true levels scatter by 0.6."""
    directory = tmp_path / "results"
    assert demo.main([str(directory), "--binning", "8", "--exposures", "8"]) == 0
    text = capsys.readouterr().out
    rows = re.findall(r"^(?:jw\d+)? +\d+ +(.*)$", text, re.MULTILINE)
    true, ours, error, stock, stock_error = np.array([row.split() for row in rows], dtype=float).T
    assert len(rows) == 8
    np.testing.assert_allclose(ours - true, error, atol=2e-4)
    np.testing.assert_allclose(stock - true, stock_error, atol=2e-4)
    numbers = rf"Step: {NUMBER} .*Step: {NUMBER} .*ratio: {NUMBER}\n"
    first, second, ratio = map(float, re.search(numbers, text, re.DOTALL).groups())
    assert first == pytest.approx(np.sqrt(np.mean(error**2)), rel=0.1)
    assert second == pytest.approx(np.sqrt(np.mean(stock_error**2)), rel=0.1)
    assert ratio == pytest.approx(second / first, rel=0.1)
    assert first < 0.005
    assert ratio > 20
    assert len(list(directory.glob("*_skymatch.fits"))) == 8
    picture = matplotlib.image.imread(directory / "skymatch-demo.png")[..., :3]
    # Two maps of 256 colours each, and black on white.
    assert np.unique((255 * picture).astype(int) @ (65536, 256, 1)).size > 300
    report = text.splitlines()[-1].rpartition(" ")[2]
    assert "Matched: 8 of 8 exposures" in Path(report).read_text()


def test_refuses_bad_arguments(capsys):
    with pytest.raises(SystemExit):
        demo.main(["--binning", "0"])
    assert "--binning must be between 1 and 16" in capsys.readouterr().err


def test_shows_what_a_step_says_that_fails(tmp_path, monkeypatch):
    nothing = Simulation(association=tmp_path / "none_asn.json", files=(), levels={})
    monkeypatch.setattr(demo, "simulate_mosaic", lambda *_: nothing)
    with pytest.raises(SystemExit, match=r"(?s)none_asn\.json.*\nThis failed: \S*strun pixel_sky"):
        demo.main([str(tmp_path)])
