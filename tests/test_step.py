"""The step on simulated mosaics: levels, methods, metadata, input kinds."""

import gc
import hashlib
import json
import logging
import shutil
import subprocess
import sys
import weakref
from dataclasses import replace

import asdf
import numpy as np
import pytest
from astropy import units as u
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
    dither_pointings,
    dithers,
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


def levels_of(library):
    with library:
        found = []
        for model in library:
            found.append(model.meta.background.level)
            library.shelve(model, modify=False)
    return found


def statuses_of(library):
    with library:
        found = []
        for model in library:
            found.append(model.meta.cal_step.skymatch)
            library.shelve(model, modify=False)
    return found


def digest(directory):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in directory.iterdir()}


@pytest.mark.parametrize("offset_stat", ["biweight", "median", "midpt", "mean", "mode"])
def test_levels_of_a_noisy_mosaic(mosaic, offset_stat):
    library = run(str(mosaic.association), offset_stat=offset_stat)
    errors = level_errors(read_levels(library), mosaic.levels)
    # Noise per pixel is 0.03 MJy/sr; 'mode' comes from a histogram of it.
    assert rms(errors) < (0.01 if offset_stat == "mode" else 0.002)


@pytest.mark.parametrize(
    ("skymethod", "expected"),
    [
        ("local", SKIES),
        ("global", np.full(6, 100.0)),
        ("match", SKIES - 100.0),
        ("global+match", SKIES),
    ],
)
@pytest.mark.parametrize("grouping", ["visit", "exposure", "none"])
def test_documented_example_of_six_images(models, skymethod, expected, grouping):
    library = run(models, skymethod=skymethod, grouping=grouping)
    np.testing.assert_allclose(levels_of(library), expected, atol=2e-5)
    assert statuses_of(library) == ["COMPLETE"] * 6


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
    scene = replace(two_by_three(binning=16), pointings=pointings, levels=levels)
    models = simulate_models(scene)
    for method, expected in {
        "local": skies,
        "global": np.full(7, 90.0),
        "match": [0, 20, 5, 10, 8.75, 3.75, 13.75],
        "global+match": [86.25, 106.25, 91.25, 96.25, 95, 90, 100],
    }.items():
        with caplog.at_level(logging.WARNING, logger="stpipe.pixel_skymatch"):
            library = run(models, skymethod=method)
        np.testing.assert_allclose(levels_of(library), expected, atol=2e-5)
        if "match" in method:
            assert "2 components" in caplog.text
            for p in pointings:
                assert p.visit_id in caplog.text
            caplog.clear()


def test_match_up(models):
    library = run(models, match_down=False)
    np.testing.assert_allclose(levels_of(library), SKIES - 120.0, atol=2e-5)


def test_metadata_without_subtraction(models):
    library = run(models)
    with library:
        model = library.borrow(1)
        assert model.meta.background.method == "match"
        assert model.meta.background.level == pytest.approx(20.0, abs=2e-5)
        assert model.meta.background.subtracted is False
        assert np.nanmedian(model.data) == pytest.approx(120.0, abs=1e-4)
        library.shelve(model, modify=False)


def test_subtraction_and_rerun_add_up(models):
    library = run(models, subtract=True)
    with library:
        for k in range(6):
            model = library.borrow(k)
            assert model.meta.background.subtracted is True
            assert np.nanmedian(model.data) == pytest.approx(100.0, abs=1e-4)
            # Something changes between the runs: one image lies lower by 3.
            model.data = model.data - (3.0 if k == 2 else 0.0)
            library.shelve(model, k)
    step = PixelSkyMatchStep(subtract=True)
    again = step.run(library)
    expected = SKIES - 100.0 + 3.0
    expected[2] -= 3.0
    np.testing.assert_allclose(levels_of(again), expected, atol=1e-4)
    assert step.levels_table["level"].value.tolist() == levels_of(again)


def test_rerun_without_subtraction_gives_the_same(models):
    library = run(models)
    first = levels_of(library)
    assert levels_of(run(library)) == first


@pytest.mark.parametrize(
    ("background", "message"),
    [
        ({"level": 1.0}, "subtracted is not"),
        ({"subtracted": False}, "level is not"),
        ({"level": 1.0, "subtracted": True}, "inconsistent"),
    ],
)
def test_rerun_rules(models, background, message):
    for name, value in background.items():
        setattr(models[2].meta.background, name, value)
    with pytest.raises(ValueError, match=message) as caught:
        run(models)
    assert models[2].meta.filename in str(caught.value)


def test_bad_pixels_do_not_count(models):
    rng = np.random.default_rng(8)
    for model in models:
        bad = rng.random(model.data.shape) < 0.1
        model.data[bad] = 1e6 * rng.standard_normal(bad.sum())
        model.dq[bad] |= dqflags.pixel["DO_NOT_USE"]
        model.data[:3] = np.nan
    np.testing.assert_allclose(levels_of(run(models)), SKIES - 100.0, atol=2e-5)


def test_limits_of_good_values(models):
    for k, model in enumerate(models):
        model.data[::2, ::3] = 1e4 + k
        model.data[1::4, ::5] = -1e4 * k - 1.0
    library = run(
        models, lower=0.0, upper=1000.0, offset_stat="mean", nclip=0, pixel_scale_ratio=1.0
    )
    found = np.array(levels_of(library))
    # Few cells are left untouched by the bad pixels around them.
    np.testing.assert_allclose(found, SKIES - 100.0, atol=2e-5)


def test_dqbits_choose_what_is_bad(models):
    for k, model in enumerate(models):
        model.data[::3] += 50.0 * k
        model.dq[::3] |= dqflags.pixel["SATURATED"]
    for dqbits, good in (("~DO_NOT_USE+NON_SCIENCE", False), ("~SATURATED+DO_NOT_USE", True)):
        found = levels_of(run(models, dqbits=dqbits, pixel_scale_ratio=0.6, offset_stat="mean"))
        assert np.allclose(found, SKIES - 100.0, atol=1e-3) == good


def test_fully_masked_image_is_skipped_and_left_alone(models, caplog):
    models[3].dq[...] = dqflags.pixel["DO_NOT_USE"]
    for skymethod in ("match", "global+match", "local", "global"):
        library = run(models, skymethod=skymethod)
        statuses = ["COMPLETE"] * 6
        statuses[3] = "SKIPPED"
        assert statuses_of(library) == statuses
        assert "No level could be found for 1 of 6 exposures" in caplog.text
        caplog.clear()
        levels = levels_of(library)
        assert levels[3] is None
        if skymethod == "match":
            kept = np.delete(SKIES, 3) - 100.0
            np.testing.assert_allclose([v for v in levels if v is not None], kept, atol=2e-5)


@pytest.mark.parametrize("case", ["all masked", "single", "no overlap"])
def test_match_without_any_overlap_skips_all(models, caplog, case):
    if case == "all masked":
        for model in models:
            model.dq[...] = dqflags.pixel["DO_NOT_USE"]
    elif case == "single":
        models = models[:1]
    else:
        models = [models[0], models[5]]
    with caplog.at_level(logging.WARNING, logger="stpipe.pixel_skymatch"):
        library = run(models)
    assert set(statuses_of(library)) == {"SKIPPED"}
    assert set(levels_of(library)) == {None}
    assert models[0].meta.filename in caplog.text


@pytest.mark.slow
def test_grouping_by_exposure_gives_all_detectors_one_level():
    scene = nircam_mosaic(binning=16, detector_scatter=0.0)
    models = simulate_models(scene)
    by_exposure = run(models, grouping="exposure")
    levels = read_levels(by_exposure)
    exposures = {}
    for name, level in levels.items():
        exposures.setdefault(name.rsplit("_", 1)[0], set()).add(level)
    assert all(len(found) == 1 for found in exposures.values())
    assert len(exposures) < len(levels)
    assert rms(level_errors(levels, scene.levels)) < 0.02


@pytest.mark.slow
def test_grouping_by_visit_levels_nircam_detectors_one_by_one():
    scene = nircam_mosaic(binning=16, detector_scatter=0.3)
    library = run(simulate_models(scene))
    assert rms(level_errors(read_levels(library), scene.levels)) < 0.02
    with library:
        for model in library:  # tweakreg's grouping is not touched
            assert model.meta.group_id == "_".join(
                [
                    f"jw{model.meta.observation.program_number}"
                    f"{model.meta.observation.observation_number}"
                    f"{model.meta.observation.visit_number}",
                    f"{model.meta.observation.visit_group}"
                    f"{model.meta.observation.sequence_id}"
                    f"{model.meta.observation.activity_id}",
                    f"{model.meta.observation.exposure_number}",
                ]
            )
            library.shelve(model, modify=False)


def test_weight_matters_and_can_be_turned_off(mosaic):
    weighted = read_levels(run(str(mosaic.association)))
    equal = read_levels(run(str(mosaic.association), weight=False))
    assert weighted != equal
    assert rms(level_errors(equal, mosaic.levels)) < 0.004


def test_order_of_members_does_not_matter(mosaic):
    association = json.loads(mosaic.association.read_text())
    members = association["products"][0]["members"]
    for member in members:
        member["expname"] = str(mosaic.association.parent / member["expname"])
    forward = read_levels(run(association))
    members.reverse()
    assert read_levels(run(association)) == forward


def test_user_levels(models, tmp_path):
    skylist = tmp_path / "sky.txt"
    lines = [f"{m.meta.filename.replace('_cal', '_crf')} {k}.25" for k, m in enumerate(models)]
    skylist.write_text("# my levels\n\n" + "\n".join(reversed(lines)) + "\n")
    library = run(models, skymethod="user", skylist=str(skylist), subtract=True)
    assert levels_of(library) == [k + 0.25 for k in range(6)]
    with library:
        model = library.borrow(4)
        assert np.nanmedian(model.data) == pytest.approx(100.75, abs=1e-4)
        assert model.meta.background.method == "user"
        library.shelve(model, modify=False)


def make_inputs(kind, mosaic):
    files = [str(path) for path in mosaic.files]
    if kind == "association":
        return mosaic.association
    if kind == "dict":
        association = json.loads(mosaic.association.read_text())
        for member in association["products"][0]["members"]:
            member["expname"] = str(mosaic.association.parent / member["expname"])
        return association
    if kind == "library":
        return ModelLibrary(mosaic.association)
    if kind == "library on disk":
        return ModelLibrary(mosaic.association, on_disk=True)
    if kind == "container":
        return ModelContainer(str(mosaic.association))
    if kind == "files":
        return files
    if kind == "models":
        return [open_model(file) for file in files]
    return [open_model(files[0]), *files[1:]]


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("association", marks=pytest.mark.slow),
        pytest.param("dict", marks=pytest.mark.slow),
        "library",
        pytest.param("library on disk", marks=pytest.mark.slow),
        pytest.param("container", marks=pytest.mark.slow),
        "files",
        "models",
        pytest.param("mixed", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize(
    ("way", "in_memory"),
    [
        ("call", True),
        ("run", False),
        # What is left of all combinations takes a minute and a half.
        pytest.param("call", False, marks=pytest.mark.slow),
        pytest.param("run", True, marks=pytest.mark.slow),
    ],
)
def test_inputs(mosaic, tmp_path, monkeypatch, kind, way, in_memory):
    monkeypatch.chdir(tmp_path)
    before = digest(mosaic.association.parent)
    inputs = make_inputs(kind, mosaic)
    if way == "call":
        library = run(inputs, subtract=True, in_memory=in_memory)
    else:
        library = PixelSkyMatchStep(subtract=True, in_memory=in_memory).run(inputs)
    found = read_levels(library)
    assert rms(level_errors(found, mosaic.levels)) < 0.002
    with library:
        for model in library:
            assert model.meta.background.subtracted
            with open_model(mosaic.association.parent / model.meta.filename) as original:
                level = found[rootname(model.meta.filename)]
                np.testing.assert_allclose(model.data, original.data - level, atol=1e-4)
            library.shelve(model, modify=False)
    # Nothing of the caller's has changed, and nothing was written.
    assert digest(mosaic.association.parent) == before
    if isinstance(inputs, ModelContainer) or kind in ("models", "mixed"):
        for model in inputs:
            if isinstance(model, ImageModel):
                assert model.meta.background.level is None
                model.close()
    del library
    assert [p for p in tmp_path.iterdir() if not p.name.startswith("tmp")] == []


def test_nothing_is_kept_after_a_run(mosaic, tmp_path, monkeypatch):
    """The temporary copies of a library on disk go with it, not with the step."""
    monkeypatch.chdir(tmp_path)
    step = PixelSkyMatchStep(in_memory=False)
    library = weakref.ref(step.run(mosaic.association))
    gc.collect()
    assert library() is None
    assert step.levels_table is not None


@pytest.mark.parametrize("in_memory", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_renamed_files_get_their_levels(mosaic, tmp_path, monkeypatch, in_memory):
    """Their headers hold the names from before."""
    monkeypatch.chdir(tmp_path)
    names = [f"{number}_{file.name}" for number, file in enumerate(mosaic.files)]
    for name, file in zip(names, mosaic.files, strict=True):
        shutil.copy(file, tmp_path / name)
    library = run(names, in_memory=in_memory, save_results=True, output_dir="out")
    assert statuses_of(library) == ["COMPLETE"] * len(names)
    truth = {
        rootname(name): mosaic.levels[rootname(file.name)]
        for name, file in zip(names, mosaic.files, strict=True)
    }
    assert rms(level_errors(read_levels(library), truth)) < 0.002
    saved = {path.name for path in (tmp_path / "out").glob("*.fits")}
    assert saved == {name.replace("_cal", "_skymatch") for name in names}


def test_models_can_be_saved_after_the_run(mosaic, tmp_path):
    association = json.loads(mosaic.association.read_text())
    for member in association["products"][0]["members"]:
        member["expname"] = str(mosaic.association.parent / member["expname"])
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


def test_background_members_are_left_alone(mosaic, tmp_path):
    association = json.loads(mosaic.association.read_text())
    members = association["products"][0]["members"]
    for member in members:
        member["expname"] = str(mosaic.association.parent / member["expname"])
    members[0]["exptype"] = "background"
    members[5]["exptype"] = "target_acquisition"
    outside = ModelLibrary(association)
    for inputs in (association, outside):
        library = run(inputs)
        assert len(read_levels(library)) == (6 if inputs is association else 8)
    with outside:
        for index in (0, 5):
            model = outside.borrow(index)
            assert model.meta.cal_step.skymatch is None
            assert model.meta.background.level is None
            outside.shelve(model, index, modify=False)
    members[1]["exptype"] = "SCIENCE"  # as jwst accepts it
    for name, inputs in (("a", association), ("b", ModelLibrary(association))):
        run(inputs, save_results=True, output_dir=str(tmp_path / name))
        assert len(list(tmp_path.glob(f"{name}/*_skymatch.fits"))) == 6
        (table,) = tmp_path.glob(f"{name}/*_asn.json")
        listed = json.loads(table.read_text())["products"][0]["members"]
        assert [m["exptype"].lower() for m in listed].count("science") == 6
        others = [m["expname"] for m in listed if m["exptype"] == "background"]
        assert others == [str(mosaic.files[0])]


def test_save_tiles(mosaic, tmp_path):
    run(str(mosaic.association), save_tiles=True, output_dir=str(tmp_path))
    tiles = sorted(tmp_path.iterdir())
    visits = {"02732002001", "02732002002", "02732006001", "02732006002"}
    assert {t.name.split("_")[0][2:] for t in tiles} == visits
    assert all(t.name.endswith("_skytile.fits") for t in tiles)
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
        found = WCS(fits.getheader(tiles[0], "SCI")).all_world2pix(
            np.stack(tile.meta.wcs(*corners.T, with_bounding_box=False), axis=1), 0
        )
    np.testing.assert_allclose(found, corners, atol=0.05)


def test_dithers_at_one_point():
    scene = dithers(5, binning=8)
    found = read_levels(run(simulate_models(scene)))
    assert rms(level_errors(found, scene.levels)) < 0.002
    assert len({p.visit_id for p in dither_pointings(5)}) == 1


@pytest.mark.parametrize("s_region", [None, "", "POLYGON ICRS  1.0 2.0 3.0", "CIRCLE"])
def test_footprint_comes_from_the_wcs_without_a_readable_s_region(models, s_region):
    models[2].meta.wcsinfo.s_region = s_region
    np.testing.assert_allclose(levels_of(run(models)), SKIES - 100.0, atol=2e-5)


@pytest.fixture(scope="module")
def misaligned():
    """Run the step on exposures of which some lie beside their place."""
    scene = stephans_quintet(8, binning=4, seed=3, imperfections=Imperfections(pointing_rms=0.15))
    step = PixelSkyMatchStep()
    logger = logging.getLogger("stpipe.pixel_skymatch")
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    logger.addHandler(handler)
    try:
        step.run(simulate_models(scene))
    finally:
        logger.removeHandler(handler)
    return scene, step, [r.getMessage() for r in records if r.levelno >= logging.WARNING]


def test_displaced_exposures_are_named(misaligned):
    scene, step, warnings = misaligned
    table = step.levels_table
    found = np.stack([table["shift_ra"].to_value("arcsec"), table["shift_dec"].value], axis=1)
    truth = np.array([-pointing_error(scene, p) for p in scene.pointings])
    error = (found - found.mean(axis=0)) - (truth - truth.mean(axis=0))
    assert np.sqrt(np.mean(error**2)) < 0.1 * 0.15
    assert len([w for w in warnings if "tweakreg" in w]) == 1
    displaced = "\n".join(w for w in warnings if ": displaced by" in w)
    far = np.hypot(*(truth - truth.mean(axis=0)).T) > 0.15 * 4 * 0.11
    for name in np.asarray(table["filename"])[far]:
        assert name in displaced


def test_tables(misaligned):
    scene, step, _ = misaligned
    levels, pairs = step.levels_table, step.pairs_table
    assert len(levels) == 8
    assert levels["level"].unit == levels["level_error"].unit == u.Unit("MJy/sr")
    assert set(levels["status"]) == {"COMPLETE"}
    assert np.all(levels["n_pairs"] >= 1)
    assert set(levels["visit_id"]) == {p.visit_id for p in scene.pointings}
    assert set(pairs["stage"]) == {"in-stack", "between stacks"}
    assert np.all(pairs["used"])
    inside = pairs[pairs["stage"] == "in-stack"]
    assert set(inside["first"]) | set(inside["second"]) == set(levels["filename"])
    between = pairs[pairs["stage"] == "between stacks"]
    assert set(between["first"]) | set(between["second"]) == set(levels["group"])


def test_saved_tables(mosaic, tmp_path):
    run(str(mosaic.association), save_diagnostics=True, output_dir=str(tmp_path))
    assert {p.name for p in tmp_path.iterdir()} == {
        "stephans-quintet_skymatch_levels.ecsv",
        "stephans-quintet_skymatch_pairs.ecsv",
        "stephans-quintet_skylist.txt",
        "stephans-quintet_skymatch_report.html",
    }
    levels = QTable.read(tmp_path / "stephans-quintet_skymatch_levels.ecsv")
    truth = np.array([mosaic.levels[rootname(name)] for name in levels["filename"]])
    error = levels["level"].value - truth
    assert np.all(np.abs(error - error.mean()) < 6 * levels["level_error"].value)
    assert levels.meta["dof"] > 0
    pairs = QTable.read(tmp_path / "stephans-quintet_skymatch_pairs.ecsv")
    assert np.all(pairs["offset_error"] > 0 * u.MJy / u.sr)


def test_result(mosaic):
    step = PixelSkyMatchStep()
    assert step.result is None
    step.run(str(mosaic.association))
    result = step.result
    assert result.levels is step.levels_table
    assert result.pairs is step.pairs_table
    assert result.verdict.headline.startswith("Matched: 8 of 8 exposures in 1 component")
    assert result.closure.dof == step.levels_table.meta["dof"]
    assert [corners.shape for corners in result.footprints] == [(4, 2)] * 8
    assert result.provenance.versions["jwst"]
    assert sum(result.provenance.seconds.values()) > 0
    # What takes room is kept only for the report.
    assert result.mosaic is None
    assert result.pictures == {}
    with pytest.raises(FileNotFoundError):
        step.run("no_such_asn.json")
    assert step.result is None


@pytest.mark.parametrize("skymethod", ["local", "global", "user"])
def test_result_where_nothing_is_matched(mosaic, tmp_path, skymethod, caplog):
    """Levels without errors and no pairs; tables of the last match stay."""
    skylist = tmp_path / "levels.txt"
    names = [path.name for path in mosaic.files]
    skylist.write_text("".join(f"{name} {k}\n" for k, name in enumerate(names)))
    step = PixelSkyMatchStep(
        skymethod=skymethod, skylist=str(skylist), save_diagnostics=True, output_dir=str(tmp_path)
    )
    caplog.set_level("INFO", "stpipe")
    step.run(str(mosaic.association))
    result = step.result
    assert step.levels_table is None
    assert np.isfinite(result.levels["level"].value).all()
    assert np.isnan(result.levels["level_error"].value).all()
    assert len(result.pairs) == 0
    assert result.closure.dof == 0
    assert str(result.verdict) == (
        f"Not matched (skymethod={skymethod}): 8 of 8 exposures have a level."
    )
    assert str(result.verdict) in caplog.messages
    assert len({row for row in result.levels["visit_id"]}) == 4
    result.plot_levels(Figure().add_subplot())
    result.plot_pairs(Figure().add_subplot())
    assert {path.name for path in tmp_path.iterdir()} == {"levels.txt"}


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


def test_shifts_can_be_turned_off(mosaic):
    step = PixelSkyMatchStep(fit_shift=False)
    step.run(str(mosaic.association))
    assert np.isnan(step.levels_table["shift_ra"].value).all()
    assert np.isfinite(step.levels_table["level_error"].value).all()


def settings():
    """What the step changes in this process while it runs."""
    threads = {info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"}
    validates = asdf.get_config().validate_on_read
    return gc.get_threshold(), gc.isenabled(), gc.get_freeze_count() > 10_000, validates, threads


@pytest.mark.parametrize("in_memory", [True, False])
def test_settings_are_as_before_afterwards(mosaic, tmp_path, monkeypatch, in_memory):
    monkeypatch.chdir(tmp_path)
    with threadpool_limits(2, user_api="blas"):
        before = settings()
        run(str(mosaic.association), in_memory=in_memory)
        assert settings() == before
        with pytest.raises(FileNotFoundError):
            run("no_such_asn.json", in_memory=in_memory)
        assert settings() == before
