"""Two runs side by side."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from jwst.skymatch import SkyMatchStep
from made_up import make_result, save_result
from page_parser import Page

from jwst_mosaic_skymatch import PixelSkyMatchStep
from jwst_mosaic_skymatch.report.compare import Run, compare_runs, read_run, with_levels
from jwst_mosaic_skymatch.report.comparison_page import describe_comparison, render_comparison


@pytest.fixture(scope="module")
def runs(mosaic, tmp_path_factory):
    """Run our step and the stock step on the same files; where each has saved."""
    directory = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STPIPE_DISABLE_CRDS_STEPPARS", "true")
        ours, stock = directory / "ours", directory / "stock"
        PixelSkyMatchStep(save_diagnostics=True, save_results=True, output_dir=str(ours)).run(
            str(mosaic.association)
        )
        stock.mkdir()
        SkyMatchStep(save_results=True, output_dir=str(stock), suffix="skymatch").run(
            str(mosaic.association)
        )
    return ours, stock


def test_ours_against_the_stock_step(runs, mosaic):
    ours, stock = read_run(runs[0] / "stephans-quintet"), read_run(runs[1])
    truth = [mosaic.levels[name] for name in ours.levels]
    for run in (ours, stock):
        assert set(run.levels) == set(mosaic.levels)
    comparison = compare_runs(ours, stock)
    error = np.array([stock.levels[name] for name in ours.levels]) - truth
    assert comparison.rms == pytest.approx(np.std(error), rel=0.02)
    lines = describe_comparison(comparison)
    assert lines[0].startswith("Levels of 8 exposures differ by ")
    # What the stock step leaves is what the pairs see of its errors.
    left = [np.abs(r.pairs["residual"].value).max() for r in comparison.results]
    assert left[1] > 5 * left[0]
    Page(render_comparison(comparison))
    turned = compare_runs(stock, ours)
    np.testing.assert_allclose(turned.differences, -comparison.differences)


@pytest.mark.parametrize("which", ["association", "directory", "files"])
def test_all_that_a_step_saves_tells_its_levels(runs, which):
    table = read_run(runs[0] / "stephans-quintet").levels
    if which == "files":
        levels = {}
        for path in sorted(runs[0].glob("*_skymatch.fits")):
            levels |= read_run(path).levels
    else:
        where = runs[0] / ("stephans-quintet_skymatch_asn.json" if which == "association" else "")
        levels = read_run(where).levels
    assert levels == pytest.approx(table)


def test_other_levels_leave_other_seams(result):
    levels = result.levels["level"].value.copy()
    levels[:4] += 0.25
    other = with_levels(result, levels, "other")
    change = other.pairs["residual"].value - result.pairs["residual"].value
    groups = {"group0000": 0.25, "group0001": 0.0}
    for k, pair in enumerate(result.pairs):
        expected = 0.0
        if pair["stage"] == "between stacks":
            expected = groups[pair["second"]] - groups[pair["first"]]
        assert change[k] == pytest.approx(expected, abs=1e-12)
    assert np.isnan(other.levels["level_error"].value).all()
    # Of the first nothing has changed.
    assert np.isfinite(result.levels["level_error"].value).all()
    levels[0] = np.nan
    lacking = with_levels(result, levels, "other")
    assert lacking.levels["status"][0] == "SKIPPED"
    assert not lacking.pairs["used"][result.find_pair(0, 1)]


def test_mosaics_of_both_are_shown(tmp_path):
    first, second = make_result(8), replace(make_result(8, seed=2), product="second")
    runs = [read_run(save_result(one, tmp_path)) for one in (first, second)]
    text = render_comparison(compare_runs(*runs))
    Page(text)
    for name in ("made-up", "second"):
        assert f"{name}: mosaic" in text


def test_names_are_harmless(tmp_path):
    script = "<script>alert(1)"
    result = make_result(4, name=script + "_{k}_cal.fits")
    levels = dict.fromkeys([f"{script}_{k}" for k in range(4)], 1.0)
    runs = Run(script, levels, result), Run("b", levels)
    assert script not in render_comparison(compare_runs(*runs))


def write_exposure(path, level=None):
    header = fits.Header({"FILENAME": "x_cal.fits"})
    if level is not None:
        header["BKGLEVEL"] = level
    fits.PrimaryHDU(header=header).writeto(path)
    return path


def test_exposures_without_numbers_go_by_their_file_name(tmp_path):
    assert read_run(write_exposure(tmp_path / "other_skymatch.fits", 2.5)).levels == {"x": 2.5}


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda d: d / "none", FileNotFoundError, "no such product, file, or directory"),
        (lambda d: d, FileNotFoundError, r"holds no \*_skymatch.fits"),
        (lambda d: write_exposure(d / "a.fits"), ValueError, "no exposure has a level"),
        (lambda d: write(d / "a.json", "{}"), ValueError, "is no association"),
        (lambda d: write(d / "a.fits", "x"), ValueError, "cannot be read"),
        (
            lambda d: write(d / "a.json", '{"products": [{"members": [{"expname": "b.fits"}]}]}'),
            ValueError,
            "b.fits: cannot be read",
        ),
    ],
)
def test_bad_input_is_named(tmp_path, make, error, message):
    with pytest.raises(error, match=message) as caught:
        read_run(make(tmp_path))
    assert "save_diagnostics=True" in str(caught.value)


def write(path, text):
    path.write_text(text)
    return path


def test_runs_that_cannot_be_compared(result):
    with pytest.raises(ValueError, match="none of them has saved tables"):
        compare_runs(Run("a", {"x": 1.0}), Run("b", {"x": 1.0}))
    with pytest.raises(ValueError, match="no exposure in common"):
        compare_runs(Run("a", {"jw00000": 1.0}, result), Run("b", {"y": 1.0}))


def test_differences_are_about_the_mean_of_each_component(result):
    levels = result.levels.copy()
    levels["component"] = [0] * 4 + [1] * 3 + [-1]
    names = [f"jw{k:05d}" for k in range(8)]
    values = levels["level"].value
    known = dict(zip(names, values, strict=True))
    other = dict(zip(names, values + np.array([1, 1, 1, 1, 5, 5, 8, 0]), strict=True))
    found = compare_runs(Run("a", known, replace(result, levels=levels)), Run("b", other))
    np.testing.assert_allclose(found.differences[:7], [0, 0, 0, 0, -1, -1, 2], atol=1e-12)
    assert np.isnan(found.differences[7])
