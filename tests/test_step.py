"""The step on simulated mosaics: levels, methods, metadata, kinds of input, products."""

import gc
import hashlib
import json
import os
import sys
import weakref
from pathlib import Path

import asdf
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from astropy.wcs import WCS
from helpers import absolute, read_levels, rootname, run
from jwst.associations.asn_from_list import asn_from_list
from jwst.datamodels import ModelContainer, ModelLibrary
from matplotlib.figure import Figure
from stdatamodels.jwst.datamodels import ImageModel, dqflags
from stdatamodels.jwst.datamodels import open as open_model
from threadpoolctl import threadpool_info, threadpool_limits

from jwst_mosaic_simulation import FILTERS, simulate_models, two_by_three
from jwst_mosaic_skymatch import PixelSkyMatchStep

SKIES = np.array([100.0, 120.0, 105.0, 110.0, 105.0, 115.0])
# The simulated sky itself, on which levels are put.
PEDESTAL = FILTERS["F770W"].sky


@pytest.fixture(scope="module")
def perfect_models():
    """Models of the documented six-image example; tests copy them."""
    return simulate_models(two_by_three(levels=SKIES - PEDESTAL, binning=16))


@pytest.fixture
def models(perfect_models):
    return [model.copy() for model in perfect_models]


def each(library, function):
    return list(library.map_function(lambda model, _: function(model), modify=False))


def levels_of(library):
    """Give the level of each exposure, NaN for none; the status agrees."""
    levels = each(library, lambda m: m.meta.background.level)
    statuses = each(library, lambda m: m.meta.cal_step.skymatch)
    assert statuses == ["SKIPPED" if level is None else "COMPLETE" for level in levels]
    return np.array(levels, dtype=float)


def medians_of(library):
    return each(library, lambda m: np.nanmedian(m.data))


def digest(directory):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in directory.iterdir()}


# --- Levels ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"skymethod": "local"}, SKIES),
        ({"skymethod": "local", "grouping": "none"}, SKIES),
        ({"skymethod": "global", "grouping": "exposure"}, np.full(6, 100.0)),
        ({}, SKIES - 100.0),
        ({"match_down": False}, SKIES - 120.0),
        ({"skymethod": "global+match", "grouping": "exposure"}, SKIES),
        ({"skymethod": "global+match", "grouping": "none"}, SKIES),
    ],
    ids=str,
)
def test_documented_example_of_six_images(models, parameters, expected):
    library = run(models, **parameters)
    np.testing.assert_allclose(levels_of(library), expected, atol=2e-5)
    assert set(each(library, lambda m: m.meta.background.subtracted)) == {False}
    np.testing.assert_allclose(medians_of(library), SKIES, atol=1e-4)


def exceed_limits(model, k):
    model.data[::2, ::3] = 1e4 + k
    model.data[1::4, ::5] = -1e4 * k - 1.0


def saturate(model, k):
    model.data[::3] += 50.0 * k
    model.dq[::3] |= dqflags.pixel["SATURATED"]


@pytest.mark.parametrize(
    ("spoil", "parameters"),
    [
        # Few cells are without a bad pixel.
        (exceed_limits, {"lower": 0.0, "upper": 1e3, "pixel_scale_ratio": 1.0}),
        (saturate, {"dqbits": "~SATURATED+DO_NOT_USE", "pixel_scale_ratio": 0.6}),
    ],
)
def test_bad_pixels_do_not_count(models, spoil, parameters):
    for k, model in enumerate(models):
        spoil(model, k)
    actual = levels_of(run(models, offset_stat="median", nclip=0, **parameters))
    np.testing.assert_allclose(actual, SKIES - 100.0, atol=2e-5)


@pytest.mark.parametrize(
    ("skymethod", "bad"),
    [("match", [3]), ("match", range(6)), ("global+match", [3]), ("local", [3]), ("global", [3])],
)
def test_exposures_without_a_good_pixel_are_skipped(models, caplog, skymethod, bad):
    for k in bad:
        models[k].dq[...] = dqflags.pixel["DO_NOT_USE"]
    levels = levels_of(run(models, skymethod=skymethod))
    assert np.flatnonzero(np.isnan(levels)).tolist() == list(bad)
    assert f"No level could be measured for {len(bad)} of 6 exposures" in caplog.text
    if skymethod == "match":
        good = np.isfinite(levels)
        np.testing.assert_allclose(levels[good], SKIES[good] - 100.0, atol=2e-5)


# --- Inputs ------------------------------------------------------------------


KINDS = {
    "association": lambda mosaic: mosaic.association,
    "mapping": absolute,
    "object": lambda mosaic: asn_from_list(mosaic.files, product_name="small"),
    "library": lambda mosaic: ModelLibrary(mosaic.association),
    "library on disk": lambda mosaic: ModelLibrary(mosaic.association, on_disk=True),
    "container": lambda mosaic: ModelContainer(str(mosaic.association)),
    "names, reversed": lambda mosaic: [str(path) for path in mosaic.files[::-1]],
    "generator": lambda mosaic: (path for path in mosaic.files),
    "models": lambda mosaic: tuple(open_model(path) for path in mosaic.files),
    "mixed": lambda mosaic: [open_model(mosaic.files[0]), *mosaic.files[1:]],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("in_memory", [True, False])
def test_inputs(small, small_levels, tmp_path, monkeypatch, kind, in_memory):
    """Levels do not depend on the kind, and neither files nor models of the caller change."""
    monkeypatch.chdir(tmp_path)
    before = digest(small.association.parent)
    inputs = KINDS[kind](small)
    library = PixelSkyMatchStep(subtract=True, in_memory=in_memory).run(inputs)
    assert read_levels(library) == small_levels
    for name, data in each(library, lambda m: (m.meta.filename, m.data.copy())):
        with open_model(small.association.parent / name) as original:
            expected = original.data - small_levels[rootname(name)]
            np.testing.assert_allclose(data, expected, atol=1e-4)
    assert digest(small.association.parent) == before
    # Models of the caller are copied, but for those of a library.
    if kind in ("container", "models", "mixed"):
        models = [model for model in inputs if isinstance(model, ImageModel)]
        assert {model.meta.background.level for model in models} == {None}
    del library, inputs
    assert [p for p in tmp_path.iterdir() if not p.name.startswith("tmp")] == []


def test_levels_on_disk_are_there_before_the_step_ends(small, small_levels):
    step = PixelSkyMatchStep(in_memory=False)
    assert read_levels(step.process(str(small.association))) == small_levels


def state():
    """Give open files, and the settings of this process that the step changes while it runs."""
    files = {os.readlink(path) for path in Path("/proc/self/fd").glob("*") if path.is_symlink()}
    threads = {info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"}
    validates = asdf.get_config().validate_on_read
    frozen = gc.get_freeze_count() > 10_000
    return gc.get_threshold(), gc.isenabled(), frozen, validates, threads, files


@pytest.mark.filterwarnings("ignore:File may have been truncated")
@pytest.mark.parametrize("in_memory", [True, False])
def test_run_leaves_nothing_behind(small, tmp_path, monkeypatch, in_memory):
    """Temporary copies go with the library; objects that the caller has frozen stay so."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cut_cal.fits").write_bytes(small.files[0].read_bytes()[:25_000])
    step = PixelSkyMatchStep(in_memory=in_memory)
    gc.freeze()
    try:
        with threadpool_limits(2, user_api="blas"):
            before = state()
            library = weakref.ref(step.run(str(small.association)))
            assert state()[:-1] == before[:-1]
            with pytest.raises(OSError, match="cannot be read"):
                step.run([*small.files, "cut_cal.fits"])
            gc.collect()
            assert state() == before
            assert step.result is None
    finally:
        gc.unfreeze()
    gc.collect()
    assert library() is None
    assert [path.name for path in tmp_path.iterdir()] == ["cut_cal.fits"]


# --- Products ----------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(mosaic, tmp_path_factory):
    """Run with all products once; give the result and the directory of its files."""
    directory = tmp_path_factory.mktemp("saved")
    step = PixelSkyMatchStep(save_diagnostics=True, output_dir=str(directory))
    step.run(str(mosaic.association))
    return step.result, directory


def test_saved_tables_are_those_of_the_result(saved):
    result, directory = saved
    levels = QTable.read(directory / "stephans-quintet_skymatch_levels.ecsv")
    pairs = QTable.read(directory / "stephans-quintet_skymatch_pairs.ecsv")
    np.testing.assert_array_equal(levels["level"], result.levels["level"])
    np.testing.assert_array_equal(pairs["residual"], result.pairs["residual"])
    assert result.verdict.headline.startswith("Matched: 8 of 8 exposures in 1 component")
    assert [corners.shape for corners in result.footprints] == [(4, 2)] * 8
    assert result.provenance["versions"]["jwst"]


def test_saved_tiles_have_the_sky_of_the_exposures(mosaic, saved):
    tiles = sorted(saved[1].glob("*_skytile.fits"))
    visits = {"02732002001", "02732002002", "02732006001", "02732006002"}
    assert {t.name.split("_")[0][2:] for t in tiles} == visits
    places = np.array([[0.0, 0.0], [0.0, 50.0], [50.0, 0.0], [25.0, 25.0]])
    with open_model(tiles[0]) as tile, open_model(mosaic.files[0]) as exposure:
        assert (tile.wht > 0).sum() == np.isfinite(tile.data).sum() > 1000
        sky = np.stack(tile.meta.wcs(*places.T, with_bounding_box=False), axis=1)
        np.testing.assert_allclose(sky[-1], exposure.meta.wcs(64.0, 64.0), atol=0.01)  # degrees
    # As DS9 sees it.
    actual = WCS(fits.getheader(tiles[0], "SCI")).all_world2pix(sky, 0)
    np.testing.assert_allclose(actual, places, atol=0.05)


def test_models_can_be_saved_after_the_run(small, tmp_path):
    """A background is neither matched nor saved, but stays in the association."""
    association = absolute(small)
    members = association["products"][0]["members"]
    background = members[0] | {"exptype": "background"}
    members[:2] = [background, members[1] | {"exptype": "SCIENCE"}]
    step = PixelSkyMatchStep(output_dir=str(tmp_path))
    library = step.run(association)
    assert not list(tmp_path.iterdir())
    assert step.save_model(library) is None  # not asked to
    paths = step.save_model(library, suffix="mine", force=True)
    expected = [str(tmp_path / f"{rootname(m['expname'])}_mine.fits") for m in members[1:]]
    assert sorted(paths) == sorted(expected)
    listed = json.loads(next(tmp_path.glob("*_asn.json")).read_text())["products"][0]["members"]
    assert [m["exptype"] for m in listed] == ["science"] * len(paths) + ["background"]
    assert listed[-1]["expname"] == background["expname"]


def test_without_plots_all_else_is_saved(small, tmp_path, monkeypatch, caplog):
    monkeypatch.delitem(sys.modules, "jwst_mosaic_skymatch.report.figures", raising=False)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    caplog.set_level("INFO", "stpipe")
    run(str(small.association), save_diagnostics=True, output_dir=str(tmp_path))
    (line,) = [text for text in caplog.messages if text.startswith("No report is saved")]
    assert "as jinja2 is missing" in line
    assert 'pip install "jwst-mosaic-skymatch[plots]"' in line
    assert len(list(tmp_path.glob("*_skymatch_levels.ecsv"))) == 1
    assert not list(tmp_path.glob("*_report.html"))


def test_result_where_nothing_is_matched(small, tmp_path, caplog):
    """Levels have no errors, and there are no pairs."""
    step = PixelSkyMatchStep(save_diagnostics=True, skymethod="local", output_dir=str(tmp_path))
    caplog.set_level("INFO", "stpipe")
    step.run(str(small.association))
    levels, pairs = step.result.levels, step.result.pairs
    assert (step.levels_table, len(pairs)) == (None, 0)
    assert np.isfinite(levels["level"]).all()
    assert np.isnan(levels["level_error"]).all()
    assert "Not matched (skymethod=local): 4 of 4 exposures have a level." in caplog.messages
    assert step.result.plot_levels(Figure().add_subplot()).has_data()
    step.result.plot_pairs(Figure().add_subplot())
    assert not list(tmp_path.iterdir())
