"""The step on simulated mosaics: levels, methods, metadata, kinds of input, products."""

import gc
import hashlib
import json
import shutil
import subprocess
import sys
import weakref
from dataclasses import replace

import asdf
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from astropy.wcs import WCS
from helpers import level_errors, read_levels, rms, rootname
from jwst.datamodels import ModelContainer, ModelLibrary
from matplotlib.figure import Figure
from stdatamodels.jwst.datamodels import ImageModel, dqflags
from stdatamodels.jwst.datamodels import open as open_model
from threadpoolctl import threadpool_info, threadpool_limits

from jwst_mosaic_simulation import (
    FILTERS,
    Imperfections,
    mosaic_pointings,
    nircam_mosaic,
    pointing_error,
    simulate_models,
    stephans_quintet,
    two_by_three,
)
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


def run(inputs, **parameters):
    return PixelSkyMatchStep.call(inputs, configure_log=False, **parameters)


def each(library, function):
    return list(library.map_function(lambda model, _: function(model), modify=False))


def levels_of(library):
    """Give the level of each exposure, NaN for none, after a look at the status."""
    levels = each(library, lambda m: m.meta.background.level)
    statuses = each(library, lambda m: m.meta.cal_step.skymatch)
    assert statuses == ["SKIPPED" if level is None else "COMPLETE" for level in levels]
    return np.array(levels, dtype=float)


def digest(directory):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in directory.iterdir()}


# --- Levels ------------------------------------------------------------------


@pytest.mark.parametrize("offset_stat", ["biweight", "median"])
def test_levels_of_a_noisy_mosaic(mosaic, offset_stat):
    errors = level_errors(
        read_levels(run(str(mosaic.association), offset_stat=offset_stat)), mosaic.levels
    )
    # Noise per pixel is 0.03 MJy/sr.
    assert rms(errors) < 0.002


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
    medians = each(library, lambda m: np.nanmedian(m.data))
    np.testing.assert_allclose(medians, SKIES, atol=1e-4)


def test_documented_example_of_two_mosaics(caplog):
    """Four images and three images that do not overlap the four."""
    skies = np.array([100.0, 120.0, 105.0, 110.0, 95.0, 90.0, 100.0])
    ra, dec = 150.0, 2.2
    near = mosaic_pointings(2, 2, overlap=0.15, center=(ra, dec), visit_per_tile=True)
    far = mosaic_pointings(
        3, 1, overlap=0.15, center=(ra + 0.2, dec), visit_per_tile=True, program="08888"
    )
    pointings = (*near, *far)
    levels = dict(zip([p.rootname for p in pointings], skies - PEDESTAL, strict=True))
    models = simulate_models(replace(two_by_three(binning=16), pointings=pointings, levels=levels))
    for method, expected in {
        "match": [0, 20, 5, 10, 8.75, 3.75, 13.75],
        "global+match": [86.25, 106.25, 91.25, 96.25, 95, 90, 100],
    }.items():
        caplog.clear()
        np.testing.assert_allclose(levels_of(run(models, skymethod=method)), expected, atol=2e-5)
        assert "2 components" in caplog.text
        assert all(p.visit_id in caplog.text for p in pointings)


def flag_at_random(model, k):
    rng = np.random.default_rng(k)
    bad = rng.random(model.data.shape) < 0.1
    model.data[bad] = 1e6 * rng.standard_normal(bad.sum())
    model.dq[bad] |= dqflags.pixel["DO_NOT_USE"]
    model.data[:3] = np.nan


def exceed_limits(model, k):
    model.data[::2, ::3] = 1e4 + k
    model.data[1::4, ::5] = -1e4 * k - 1.0


def saturate(model, k):
    model.data[::3] += 50.0 * k
    model.dq[::3] |= dqflags.pixel["SATURATED"]


@pytest.mark.parametrize(
    ("spoil", "parameters"),
    [
        (flag_at_random, {}),
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


@pytest.mark.parametrize("skymethod", ["match", "global+match", "local", "global"])
def test_exposure_without_a_good_pixel_is_skipped(models, caplog, skymethod):
    models[3].dq[...] = dqflags.pixel["DO_NOT_USE"]
    levels = levels_of(run(models, skymethod=skymethod))
    assert np.flatnonzero(np.isnan(levels)).tolist() == [3]
    assert "No level could be measured for 1 of 6 exposures" in caplog.text
    if skymethod == "match":
        np.testing.assert_allclose(np.delete(levels - SKIES + 100.0, 3), 0.0, atol=2e-5)


@pytest.mark.parametrize("chosen", [[0], [0, 5], []])
def test_match_without_any_overlap_skips_all(models, caplog, chosen):
    for model in models[:0] if chosen else models:
        model.dq[...] = dqflags.pixel["DO_NOT_USE"]
    library = run([models[k] for k in chosen or range(6)])
    assert np.isnan(levels_of(library)).all()
    assert models[0].meta.filename in caplog.text


def test_subtraction_and_rerun_add_up(models):
    library = run(models, subtract=True)
    with library:
        for k in range(6):
            model = library.borrow(k)
            assert model.meta.background.subtracted is True
            assert np.nanmedian(model.data) == pytest.approx(100.0, abs=1e-4)
            # Between the runs one image is lowered by 3.
            model.data = model.data - (3.0 if k == 2 else 0.0)
            library.shelve(model, k)
    step = PixelSkyMatchStep(subtract=True)
    actual = levels_of(step.run(library))
    expected = SKIES - 100.0 + 3.0
    expected[2] -= 3.0
    np.testing.assert_allclose(actual, expected, atol=1e-4)
    assert step.levels_table["level"].value.tolist() == actual.tolist()


def test_unmatched_exposure_of_a_second_run_has_no_level(models):
    """Resample would subtract the first."""
    library = run(models)
    with library:
        model = library.borrow(3)
        model.dq[...] = dqflags.pixel["DO_NOT_USE"]
        library.shelve(model, 3)
    background = each(run(library), lambda m: m.meta.background)[3]
    assert (background.level, background.subtracted, background.method) == (None, None, None)


@pytest.mark.slow
@pytest.mark.parametrize(("grouping", "scatter"), [("exposure", 0.0), ("visit", 0.3)])
def test_detectors_of_nircam(grouping, scatter):
    scene = nircam_mosaic(binning=16, detector_scatter=scatter)
    levels = read_levels(run(simulate_models(scene), grouping=grouping))
    exposures = {}
    for name, level in levels.items():
        exposures.setdefault(name.rsplit("_", 1)[0], set()).add(level)
    n_levels = {len(actual) for actual in exposures.values()}
    assert n_levels == {1 if grouping == "exposure" else len(levels) // len(exposures)}
    assert rms(level_errors(levels, scene.levels)) < 0.02


# --- Inputs ------------------------------------------------------------------


def absolute(mosaic, *, reverse=False):
    """Give the association as a mapping with absolute paths."""
    association = json.loads(mosaic.association.read_text())
    members = association["products"][0]["members"]
    for member in members:
        member["expname"] = str(mosaic.association.parent / member["expname"])
    if reverse:
        members.reverse()
    return association


KINDS = {
    "association": lambda mosaic: mosaic.association,
    "reversed mapping": lambda mosaic: absolute(mosaic, reverse=True),
    "library": lambda mosaic: ModelLibrary(mosaic.association),
    "library on disk": lambda mosaic: ModelLibrary(mosaic.association, on_disk=True),
    "container": lambda mosaic: ModelContainer(str(mosaic.association)),
    "names": lambda mosaic: [str(path) for path in mosaic.files],
    "generator": lambda mosaic: (path for path in mosaic.files),
    "models": lambda mosaic: tuple(open_model(path) for path in mosaic.files),
    "mixed": lambda mosaic: [open_model(mosaic.files[0]), *mosaic.files[1:]],
}


@pytest.mark.parametrize(
    ("kind", "in_memory"),
    [(kind, (k + j) % 2 == 0) for j in (0, 1) for k, kind in enumerate(KINDS)],
)
def test_inputs(small, small_levels, tmp_path, monkeypatch, kind, in_memory):
    monkeypatch.chdir(tmp_path)
    before = digest(small.association.parent)
    inputs = KINDS[kind](small)
    library = PixelSkyMatchStep(subtract=True, in_memory=in_memory).run(inputs)
    actual = read_levels(library)
    assert actual == small_levels
    with library:
        for model in library:
            assert model.meta.background.subtracted
            with open_model(small.association.parent / model.meta.filename) as original:
                level = actual[rootname(model.meta.filename)]
                np.testing.assert_allclose(model.data, original.data - level, atol=1e-4)
            library.shelve(model, modify=False)
    assert digest(small.association.parent) == before
    # Models of the caller are copied, but for those of a library.
    if kind in ("container", "models", "mixed"):
        for model in inputs:
            assert not isinstance(model, ImageModel) or model.meta.background.level is None
    del library, inputs
    assert [p for p in tmp_path.iterdir() if not p.name.startswith("tmp")] == []


def settings():
    """Give the settings of this process that the step changes while it runs."""
    threads = {info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"}
    validates = asdf.get_config().validate_on_read
    return gc.get_threshold(), gc.isenabled(), gc.get_freeze_count() > 10_000, validates, threads


@pytest.mark.parametrize("in_memory", [True, False])
def test_run_leaves_settings_and_library_alone(small, tmp_path, monkeypatch, in_memory):
    """Temporary copies go with the library; objects that the caller has frozen stay so."""
    monkeypatch.chdir(tmp_path)
    step = PixelSkyMatchStep(in_memory=in_memory)
    gc.freeze()
    try:
        with threadpool_limits(2, user_api="blas"):
            before = settings()
            library = weakref.ref(step.run(str(small.association)))
            assert settings() == before
            with pytest.raises(FileNotFoundError):
                step.run("no_such_asn.json")
            assert settings() == before
            assert step.result is None
    finally:
        gc.unfreeze()
    gc.collect()
    assert library() is None


def test_unit_that_astropy_does_not_know(models, tmp_path):
    for model in models:
        model.meta.bunit_data = "counts/s"
    step = PixelSkyMatchStep(save_diagnostics=True, output_dir=str(tmp_path))
    np.testing.assert_allclose(levels_of(step.run(models)), SKIES - 100.0, atol=2e-5)
    assert step.result.unit == "counts/s"
    assert list(tmp_path.glob("*_report.html"))


def test_background_members_are_left_alone(mosaic, tmp_path):
    association = absolute(mosaic)
    members = association["products"][0]["members"]
    members[0]["exptype"], members[1]["exptype"] = "background", "SCIENCE"
    members[5]["exptype"] = "target_acquisition"
    for name, inputs in (("a", association), ("b", ModelLibrary(association))):
        library = run(inputs, save_results=True, output_dir=str(tmp_path / name))
        levels = read_levels(library)
        assert sum(level is not None for level in levels.values()) == 6
        assert len(levels) == (6 if inputs is association else 8)
        assert len(list(tmp_path.glob(f"{name}/*_skymatch.fits"))) == 6
        (table,) = tmp_path.glob(f"{name}/*_asn.json")
        listed = json.loads(table.read_text())["products"][0]["members"]
        assert [m["exptype"].lower() for m in listed].count("science") == 6
        others = [m["expname"] for m in listed if m["exptype"] == "background"]
        assert others == [str(mosaic.files[0])]


# --- Products ----------------------------------------------------------------


def test_renamed_files_get_their_levels(small, small_levels, tmp_path, monkeypatch):
    """Their headers hold the names from before."""
    monkeypatch.chdir(tmp_path)
    names = [f"{number}_{file.name}" for number, file in enumerate(small.files)]
    for name, file in zip(names, small.files, strict=True):
        shutil.copy(file, tmp_path / name)
    library = run(names, in_memory=False, save_results=True, output_dir="out")
    actual = read_levels(library)
    assert {name[2:]: level for name, level in actual.items()} == pytest.approx(small_levels)
    saved = {path.name for path in (tmp_path / "out").glob("*.fits")}
    assert saved == {name.replace("_cal", "_skymatch") for name in names}


def test_models_can_be_saved_after_the_run(mosaic, tmp_path):
    association = absolute(mosaic)
    association["products"][0]["members"][0]["exptype"] = "background"
    step = PixelSkyMatchStep(output_dir=str(tmp_path))
    library = step.run(association)
    assert not list(tmp_path.iterdir())
    assert step.save_model(library) is None  # not asked to
    paths = step.save_model(library, suffix="mine", force=True)
    expected = [str(tmp_path / f"{rootname(file.name)}_mine.fits") for file in mosaic.files[1:]]
    assert sorted(paths) == expected
    members = json.loads(next(tmp_path.glob("*_asn.json")).read_text())["products"][0]["members"]
    assert [m["exptype"] for m in members] == ["science"] * len(paths) + ["background"]
    assert members[-1]["expname"] == str(mosaic.files[0])


def test_save_tiles(mosaic, tmp_path):
    run(str(mosaic.association), save_diagnostics=True, output_dir=str(tmp_path))
    tiles = sorted(tmp_path.glob("*_skytile.fits"))
    visits = {"02732002001", "02732002002", "02732006001", "02732006002"}
    assert {t.name.split("_")[0][2:] for t in tiles} == visits
    with open_model(tiles[0]) as tile:
        assert isinstance(tile, ImageModel)
        assert tile.wht.shape == tile.data.shape
        assert (tile.wht > 0).sum() == np.isfinite(tile.data).sum() > 1000
        y, x = np.argwhere(tile.wht > 0)[0]
        sky = tile.meta.wcs(float(x), float(y))
        with open_model(mosaic.files[0]) as exposure:
            centre = exposure.meta.wcs(64.0, 64.0)
        assert np.hypot(*(np.array(sky) - centre)) < 0.05  # degrees: the same field
        # As DS9 sees it.
        corners = np.array([[0.0, 0.0], [0.0, tile.data.shape[0]], [tile.data.shape[1], 0.0]])
        actual = WCS(fits.getheader(tiles[0], "SCI")).all_world2pix(
            np.stack(tile.meta.wcs(*corners.T, with_bounding_box=False), axis=1), 0
        )
    np.testing.assert_allclose(actual, corners, atol=0.05)


def test_displaced_exposures_are_named(caplog):
    scene = stephans_quintet(8, binning=4, seed=3, imperfections=Imperfections(pointing_rms=0.15))
    step = PixelSkyMatchStep()
    step.run(simulate_models(scene))
    table = step.result.levels
    actual = np.stack([table["shift_ra"].to_value("arcsec"), table["shift_dec"].value], axis=1)
    truth = np.array([-pointing_error(scene, p) for p in scene.pointings])
    error = (actual - actual.mean(axis=0)) - (truth - truth.mean(axis=0))
    assert np.sqrt(np.mean(error**2)) < 0.1 * 0.15
    (finding,) = [finding for finding in step.result.findings if finding.kind == "displaced"]
    assert [m for m in caplog.messages if "tweakreg" in m and "look at" not in m] == [str(finding)]
    far = np.hypot(*(truth - truth.mean(axis=0)).T) > 0.15 * 4 * 0.11
    for name in np.asarray(table["filename"])[far]:
        assert name in "".join(finding.details)


def test_nothing_is_imported_without_a_report(mosaic):
    code = (
        "import sys\n"
        "import jwst.datamodels, jwst.skymatch\n"
        "before = set(sys.modules)\n"
        "from jwst_mosaic_skymatch import PixelSkyMatchStep\n"
        f"PixelSkyMatchStep().run({str(mosaic.association)!r})\n"
        "heavy = {'matplotlib', 'jinja2', 'PIL', 'markupsafe'}\n"
        "print(sorted(heavy & (set(sys.modules) - before)))\n"
        "print(sorted(n for n in sys.modules if n.endswith(('report.page', 'report.figures'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["[]", "[]"]


@pytest.mark.parametrize("missing", ["matplotlib", "jinja2"])
def test_without_plots_all_else_is_saved(mosaic, tmp_path, monkeypatch, caplog, missing):
    for name in [n for n in sys.modules if n.startswith("jwst_mosaic_skymatch.report.")]:
        if name.endswith(("figures", "page")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    caplog.set_level("INFO", "stpipe")
    run(str(mosaic.association), save_diagnostics=True, output_dir=str(tmp_path))
    (line,) = [text for text in caplog.messages if text.startswith("No report is saved")]
    assert f"as {missing} is missing" in line
    assert 'pip install "jwst-mosaic-skymatch[plots]"' in line
    names = {path.name for path in tmp_path.iterdir()}
    assert "stephans-quintet_skymatch_levels.ecsv" in names
    assert "stephans-quintet_skymatch_report.html" not in names


def test_saved_tables_are_those_of_the_result(mosaic, tmp_path):
    step = PixelSkyMatchStep(save_diagnostics=True, output_dir=str(tmp_path))
    step.run(str(mosaic.association))
    tiles = set(tmp_path.glob("*_skytile.fits"))
    assert {p.name for p in set(tmp_path.iterdir()) - tiles} == {
        "stephans-quintet_skymatch_levels.ecsv",
        "stephans-quintet_skymatch_pairs.ecsv",
        "stephans-quintet_skylist.txt",
        "stephans-quintet_skymatch_report.html",
    }
    levels = QTable.read(tmp_path / "stephans-quintet_skymatch_levels.ecsv")
    truth = np.array([mosaic.levels[rootname(name)] for name in levels["filename"]])
    error = levels["level"].value - truth
    pulls = (error - error.mean()) / levels["level_error"].value
    # Seven independent numbers: with right errors the rms is in these limits in 99 % of mosaics.
    assert 0.35 < rms(pulls) < 1.7
    pairs = QTable.read(tmp_path / "stephans-quintet_skymatch_pairs.ecsv")
    result = step.result
    assert (result.levels, result.pairs) == (step.levels_table, step.pairs_table)
    np.testing.assert_array_equal(levels["level"], result.levels["level"])
    np.testing.assert_array_equal(pairs["residual"], result.pairs["residual"])
    assert result.verdict.headline.startswith("Matched: 8 of 8 exposures in 1 component")
    assert result.closure.dof == levels.meta["dof"] > 0
    assert [corners.shape for corners in result.footprints] == [(4, 2)] * 8
    assert result.provenance.versions["jwst"]
    assert sum(result.provenance.seconds.values()) > 0


@pytest.mark.parametrize("skymethod", ["local", "user"])
def test_result_where_nothing_is_matched(small, tmp_path, skymethod, caplog):
    """Levels have no errors, and there are no pairs."""
    skylist = tmp_path / "levels.txt"
    skylist.write_text("".join(f"{path.name} {k}\n" for k, path in enumerate(small.files)))
    step = PixelSkyMatchStep(
        skymethod=skymethod, skylist=str(skylist), save_diagnostics=True, output_dir=str(tmp_path)
    )
    caplog.set_level("INFO", "stpipe")
    step.run(str(small.association))
    result = step.result
    assert step.levels_table is None
    assert np.isfinite(result.levels["level"].value).all()
    assert np.isnan(result.levels["level_error"].value).all()
    assert (len(result.pairs), result.closure.dof) == (0, 0)
    verdict = f"Not matched (skymethod={skymethod}): 4 of 4 exposures have a level."
    assert str(result.verdict) == verdict
    assert verdict in caplog.messages
    result.plot_levels(Figure().add_subplot())
    result.plot_pairs(Figure().add_subplot())
    assert (result.mosaic, result.pictures) == (None, {})
    assert {path.name for path in tmp_path.iterdir()} == {"levels.txt"}


def test_errors_do_not_need_quoted_ones():
    """Without ERR the scatter of the differences gives the same errors."""
    models = simulate_models(stephans_quintet(4, binning=8, seed=5))
    with_errors, without = PixelSkyMatchStep(), PixelSkyMatchStep()
    with_errors.run([m.copy() for m in models])
    for model in models:
        model.err = np.zeros_like(model.data)
    without.run(models)
    ratio = without.levels_table["level_error"] / with_errors.levels_table["level_error"]
    np.testing.assert_allclose(ratio.value, 1.0, atol=0.25)
