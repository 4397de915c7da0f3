"""Backgrounds that are no constants, and one bad exposure among good, on mosaics of known truth."""

import re
from dataclasses import replace

import numpy as np
import pytest
from helpers import rms
from stdatamodels.jwst.datamodels import open as open_model

import jwst_mosaic_simulation as sim
from jwst_mosaic_simulation._effects import draw_background
from jwst_mosaic_simulation._geometry import load_aperture
from jwst_mosaic_skymatch.step import PixelSkyMatchStep

BINNING = 4
# Of the third exposure in the mosaics below.
BAD = 2
OFFSET = 0.5


def mosaic(seed, *, dithers=2, nx=2, ny=2, overlap=0.25, **imperfections):
    return sim.compose_scene(
        "mosaic",
        sim.mosaic_pointings(nx, ny, overlap=overlap, dithers=dithers, visit_per_tile=True),
        components=(sim.Galaxy(6.0, 15.0), sim.Cirrus(0.5, 0.8)),
        seed=seed,
        binning=BINNING,
        imperfections=sim.Imperfections(**imperfections),
    )


def quintet(seed, **imperfections):
    """Make dithers at two rolls, on which the Lyot field overlaps the imager."""
    imperfections = sim.Imperfections(**imperfections)
    return sim.stephans_quintet(8, binning=BINNING, seed=seed, imperfections=imperfections)


def run(scene, models=None, **parameters):
    """Match a scene; give errors of the levels in the order of its pointings, and the table."""
    models = sim.simulate_models(scene) if models is None else models
    step = PixelSkyMatchStep(**parameters)
    step.run(models)
    names = step.levels_table["filename"].tolist()
    table = step.levels_table[[names.index(f"{p.rootname}_cal.fits") for p in scene.pointings]]
    truth = np.array([sim.true_level(scene, p) for p in scene.pointings])
    error = table["level"].value - truth
    return error - np.nanmean(error), table


# Words of the log: of gradients, gains, and the Lyot field.
WORDS = ("Backgrounds have gradients of", "gains of exposures differ by 0.", "lyot region lies")


@pytest.mark.parametrize(
    ("make", "imperfections", "largest", "words"),
    [
        (mosaic, {}, 1.4, ()),
        (mosaic, {"visit_gradient_rms": 0.05}, 1.8, WORDS[:1]),
        (quintet, {}, 1.5, ()),
        (quintet, {"lyot_offset": OFFSET}, 1.5, WORDS[2:]),
        pytest.param(
            *(mosaic, {"exposure_gradient_rms": 0.05}, 1.8, WORDS[:1]), marks=pytest.mark.slow
        ),
        pytest.param(*(mosaic, {"gain_rms": 0.005}, 2.0, WORDS[1:2]), marks=pytest.mark.slow),
        pytest.param(*(mosaic, {"row_rms": 0.02}, 2.4, ()), marks=pytest.mark.slow),
    ],
    ids=lambda value: "-".join(value) or "constant" if isinstance(value, dict) else "",
)
def test_errors_contain_backgrounds(make, imperfections, largest, words, caplog):
    """Without the backgrounds the pulls of a mosaic are 1, 40, 40, 600 and 20."""
    caplog.set_level("INFO", "stpipe")
    runs = [run(make(seed, **imperfections)) for seed in (301, 302, 303)]
    pulls = [error / table["level_error"].value for error, table in runs]
    assert 0.4 < rms(pulls) < largest
    text = "\n".join(caplog.messages)
    assert tuple(part for part in WORDS if part in text) == words
    if "lyot_offset" in imperfections:
        found = re.findall(r"lyot region lies ([\d.]+) above .*, error ([\d.]+);", text)
        assert len(found) == 3
        for value, error in np.array(found, dtype=float):
            assert abs(value - OFFSET) < 4 * error < 0.05


@pytest.mark.parametrize(("option", "n_components"), [("keep", 1), ("mask", 2)])
def test_lyot_field_alone_ties_a_narrow_mosaic(option, n_components, caplog):
    scene = mosaic(1, lyot_offset=OFFSET)
    _, table = run(scene, miri_lyot=option)
    assert int(np.ptp(table["component"])) + 1 == n_components
    warned = [text for text in caplog.messages if "Lyot field alone ties" in text]
    assert len(warned) == (option == "keep")


def test_lyot_field_beside_other_overlaps_is_no_warning(caplog):
    """With and without an offset of the fields that overlaps at two rolls constrain."""
    for imperfections in ({}, {"lyot_offset": OFFSET}):
        run(quintet(1, **imperfections))
    assert not any("Lyot field alone ties" in text for text in caplog.messages)


# --- One bad exposure --------------------------------------------------------


def zeros(model, rng):
    model.data[:] = 0.0


def noise(model, rng):
    model.data = rng.normal(8.0, 3.0, model.data.shape).astype(np.float32)


def hits(model, rng):
    hit = rng.random(model.data.shape) < 0.1
    scale = 20 * float(np.nanmedian(model.err))
    model.data[hit] += rng.exponential(scale, np.count_nonzero(hit)).astype(np.float32)


def plane(model, rng):
    ny, nx = model.data.shape
    model.data += np.add.outer(np.linspace(-0.5, 0.5, ny), np.linspace(-0.5, 0.5, nx)).astype("f4")


@pytest.fixture(scope="module")
def good_rms():
    """Rms error of the good exposures without a bad one."""
    error, _ = run(mosaic(1, dithers=3))
    return np.std(np.delete(error, BAD))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (zeros, "pixels scatter"),
        pytest.param(noise, "pixels scatter", marks=pytest.mark.slow),
        (hits, "stick out of all others|pixels scatter"),
    ],
)
def test_bad_exposure_harms_only_itself(good_rms, spoil, words, caplog):
    scene = mosaic(1, dithers=3)
    models = sim.simulate_models(scene)
    spoil(models[BAD], np.random.default_rng(1))
    error, table = run(scene, models)
    error, sigma = np.delete(error, BAD), np.delete(table["level_error"].value, BAD)
    assert np.std(error) < 1.5 * good_rms
    assert np.std((error - error.mean()) / sigma) < 1.6
    assert np.flatnonzero(table["remark"] != "").tolist() == [BAD]
    name = f"{scene.pointings[BAD].rootname}_cal.fits"
    (message,) = [text for text in caplog.messages if text.startswith(f"{name}: ")]
    assert re.search(words, message)
    assert not any("displaced" in text for text in caplog.messages)


def test_median_with_one_exposure_of_noise():
    """Of twelve exposures the others have levels as good as without that one."""
    errors = {"with": [], "without": []}
    for seed in (1, 2, 3):
        scene = mosaic(seed, dithers=3)
        others = replace(scene, pointings=scene.pointings[:BAD] + scene.pointings[BAD + 1 :])
        models = sim.simulate_models(scene)
        noise(models[BAD], np.random.default_rng(seed))
        error = np.delete(run(scene, models, offset_stat="median")[0], BAD)
        errors["with"].append(error - error.mean())
        errors["without"].append(run(others, offset_stat="median")[0])
    assert rms(errors["with"]) < 1.5 * rms(errors["without"])


@pytest.mark.parametrize(("spoil", "is_named"), [(zeros, True), (plane, False)])
def test_visit_with_a_gradient_is_an_image_of_this_sky(spoil, is_named):
    """Both scatter as much around the two other visits."""
    scene = mosaic(1, nx=3, ny=1, dithers=1, overlap=0.8)
    models = sim.simulate_models(scene)
    spoil(models[1], None)
    _, table = run(scene, models)
    named = ["no image of this sky" in remark for remark in table["remark"]]
    assert named == [False, is_named, False]


# --- Planes ------------------------------------------------------------------


def subtract_planes(scene, **parameters):
    """Subtract the true background as well, and the plane that all exposures have in common."""
    models = sim.simulate_models(scene)
    before = [model.data.copy() for model in models]
    step = PixelSkyMatchStep(subtract=True, **parameters)
    with step.run(models) as library:
        after = list(library)
        for model in after:
            library.shelve(model, modify=False)
    values, places = [], []
    for pointing, old, model in zip(scene.pointings, before, after, strict=True):
        aperture = load_aperture(pointing.aperture, BINNING, scene.detector.subarray)
        truth = scene.levels[pointing.rootname] + draw_background(scene, pointing, aperture)
        left = truth - (old.astype(float) - model.data)
        y, x = np.mgrid[: old.shape[0] : 8, : old.shape[1] : 8]
        good = np.isfinite(old[y, x]) & (model.dq[y, x] == 0)
        values.append(left[y, x][good])
        places.append(np.stack(model.meta.wcs(x[good], y[good], with_bounding_box=False)))
    values, places = np.concatenate(values), np.concatenate(places, axis=1)
    design = np.stack([np.ones_like(values), *(places - places.mean(axis=1)[:, None])], axis=1)
    left = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    return np.std(left), step.levels_table, after


@pytest.mark.parametrize(
    ("imperfections", "parameters", "largest"),
    [
        ({"visit_gradient_rms": 0.2}, {"background": "plane", "grouping": "none"}, 0.008),
        pytest.param(
            {"visit_gradient_rms": 0.05}, {"background": "plane"}, 0.006, marks=pytest.mark.slow
        ),
        pytest.param(
            {"exposure_gradient_rms": 0.05},
            {"background": "plane_per_exposure"},
            0.006,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_planes_are_subtracted(imperfections, parameters, largest, caplog):
    """The information bound is 0.0025 here; with levels alone 0.05 and 0.2 are left."""
    caplog.set_level("INFO", "stpipe")
    left, table, _ = subtract_planes(mosaic(3, **imperfections), **parameters)
    assert left < largest
    assert table["gradient_ra"].unit == "MJy / (arcmin sr)"
    size = np.hypot(table["gradient_ra"].value, table["gradient_dec"].value)
    # A plane of 0.05 rms over 112 arcsec has 0.09 per arcmin.
    (rms_of_planes,) = imperfections.values()
    assert 0.2 < rms(size) / (0.09 / 0.05 * rms_of_planes) < 3.0
    assert any("exposures are subtracted:" in line for line in caplog.messages)


def test_constants_stay_constants():
    left, table, models = subtract_planes(mosaic(3), background="plane")
    with_levels, _, _ = subtract_planes(mosaic(3))
    assert left < 1.1 * with_levels
    assert not table["gradient_ra"].value.any()
    assert not any(model.meta.background.polynomial_info for model in models)


def test_record_of_planes_adds_up_over_two_runs(tmp_path):
    scene = mosaic(3, visit_gradient_rms=0.2)
    originals = [model.data.copy() for model in sim.simulate_models(scene)]
    step = PixelSkyMatchStep(subtract=True, background="plane")
    library = step.run(step.run(sim.simulate_models(scene)))
    with library:
        models = list(library)
        for model in models:
            library.shelve(model, modify=False)
    n_planes = 0
    for model, original in zip(models, originals, strict=True):
        model.save(tmp_path / "saved.fits")
        with open_model(tmp_path / "saved.fits") as saved:
            background = saved.meta.background
            expected = np.full(original.shape, background.level)
            for polynomial in background.polynomial_info or []:
                y, x = np.indices(original.shape)
                x, y = x - polynomial.refpoint[0], y - polynomial.refpoint[1]
                constant, along_y, along_x, crossed = polynomial.coefficients
                expected = constant + along_x * x + along_y * y + crossed * x * y
                n_planes += 1
            subtracted = original.astype(float) - saved.data
            known = np.isfinite(subtracted) & (saved.dq == 0)
            np.testing.assert_allclose(subtracted[known], expected[known], atol=1e-4)
    assert n_planes > 4


def test_detectors_of_a_visit_have_their_own_planes():
    """Opposite gradients along right ascension, where module B overlaps module A of the next."""
    slope, scene = 0.05, chain(n=3, one_visit=True)
    models = sim.simulate_models(scene)
    slopes = [slope if "nrca" in model.meta.filename else -slope for model in models]
    for model, own in zip(models, slopes, strict=True):
        y, x = np.indices(model.data.shape)
        ra, dec = model.meta.wcs(x, y, with_bounding_box=False)
        arcmin = 60.0 * (ra - ra.mean()) * np.cos(np.radians(dec.mean()))
        model.data += (own * arcmin).astype(np.float32)
    _, table = run(scene, models, background="plane", subtract=True)
    gradients = np.stack([table["gradient_ra"].value, table["gradient_dec"].value], axis=1)
    expected = np.stack([slopes, np.zeros(len(slopes))], axis=1)
    np.testing.assert_allclose(gradients, expected, atol=0.2 * slope)


# --- Components --------------------------------------------------------------


def test_modules_are_tied_by_exposures_they_share(caplog):
    """Module B of each pointing overlaps module A of the next, and nothing else does."""
    scene = chain()
    caplog.set_level("INFO", "stpipe")
    tied, table = run(scene)
    assert np.isfinite(tied).all()
    assert np.ptp(table["component"]) == 0
    # Pedestals of 0.003, levels of visits of 0.02: the sum over a chain of four ties.
    assert np.std(tied) < 0.006
    # The first module A and the last module B overlap nothing.
    words = r"Detectors of 2 exposures agree .*, which ties components that do not overlap"
    assert any(re.match(words, text) for text in caplog.messages)
    apart, table = run(scene, tie_detectors=False)
    components = np.array(table["component"])
    assert components.max() > 0
    for number in range(components.max() + 1):
        moved = (tied - apart)[components == number]
        np.testing.assert_allclose(moved, moved[0], atol=1e-6)


def chain(n=4, *, one_visit=False):
    apertures = ("NRCA5_FULL", "NRCB5_FULL")
    first = sim.dither_pointings(1, aperture="NRCA5_FULL", rolls=(0.0,))[0]
    name, digits = ("exposure", 5) if one_visit else ("observation", 3)
    telescope = [
        sim.offset_pointing(first, 176.0 * k, 0.0, **{name: f"{k + 1:0{digits}d}"})
        for k in range(n)
    ]
    pointings = tuple(q for p in telescope for q in sim.detector_pointings(p, apertures))
    levels = sim.draw_levels(
        pointings, 3, visit_scatter=0.02, exposure_scatter=0.0, detector_scatter=0.003
    )
    return sim.compose_scene(
        "chain",
        pointings,
        filter_name="F444W",
        levels=levels,
        components=(sim.Cirrus(0.05, 0.8),),
        binning=8,
    )
