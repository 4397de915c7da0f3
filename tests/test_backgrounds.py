"""Backgrounds that are no constants, and one bad exposure among good, on mosaics of known truth."""

import re
from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest
from benchmarks.mosaics import (
    IMPERFECTIONS,
    hit,
    make_noise,
    mosaic,
    remaining_background,
    rms,
    run,
    survey,
    tilt,
)
from numpy.polynomial.polynomial import polyval2d
from stdatamodels.jwst.datamodels import open as open_model

import jwst_mosaic_simulation as sim

# Of the third exposure in the mosaics below.
BAD = 2
LYOT = IMPERFECTIONS["Lyot 0.5"]["lyot_offset"]


@cache
def simulate(kind="", seed=1, dithers=2, *, two_rolls=False, **options):
    """Simulate a mosaic once; `run` copies its models."""
    imperfections = IMPERFECTIONS[kind] if kind else {}
    if two_rolls:
        # The Lyot field overlaps the imager.
        scene = sim.stephans_quintet(
            8, binning=4, seed=seed, imperfections=sim.Imperfections(**imperfections)
        )
    else:
        options = {"overlap": 0.25, "stars": 0, **options}
        scene = mosaic(seed, 4, dithers=dithers, imperfections=imperfections, **options)
    return scene, sim.simulate_models(scene)


# Words of the log: of gradients, gains, and the Lyot field.
WORDS = ("Backgrounds have gradients of", "gains of exposures differ by 0.", "lyot region lies")
slow = partial(pytest.param, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("kind", "two_rolls", "limits", "words"),
    [
        ("Lyot 0.5", True, (0.8, 1.25), WORDS[2:]),
        ("Lyot 0.5", False, (0.5, 2.0), ()),
        slow("constants", False, (0.8, 1.25), ()),
        slow("visits 0.05", False, (0.7, 1.5), WORDS[:1]),
        slow("gain 0.5 %", False, (0.7, 1.5), WORDS[1:2]),
        slow("rows 0.02", False, (0.7, 1.8), ()),
    ],
)
def test_errors_contain_backgrounds(kind, two_rolls, limits, words, caplog):
    """Without the backgrounds the pulls of a mosaic are 600, 500, 1, 40, 20 and 2."""
    caplog.set_level("INFO", "stpipe")
    pulls = [run(*simulate(kind, seed, two_rolls=two_rolls))[0]["pull"] for seed in range(301, 307)]
    assert limits[0] < rms(pulls) < limits[1]
    text = "\n".join(caplog.messages)
    assert tuple(part for part in WORDS if part in text) == words
    # Overlaps at two rolls constrain the offset of the Lyot field, narrow ones do not.
    assert ("Lyot field alone ties" in text) == (not two_rolls)
    assert ("which level_error contains" in text) == (kind == "Lyot 0.5" and not two_rolls)
    if words == WORDS[2:]:
        offsets = re.findall(r"lyot region lies ([\d.]+) above .*, error ([\d.]+);", text)
        assert len(offsets) == 6
        for value, error in np.array(offsets, dtype=float):
            assert abs(value - LYOT) < 4 * error < 0.05


def test_narrow_mosaic_without_the_lyot_field_that_ties_it(caplog):
    table = run(*simulate("Lyot 0.5"), miri_lyot="mask")[0]
    assert len(set(table["component"])) == 2
    assert "Lyot field alone ties" not in caplog.text


# --- One bad exposure --------------------------------------------------------


def zeros(model, rng):
    model.data[:] = 0.0


def spoil_one(models, number, change):
    """Copy the models and change one."""
    models = [model.copy() for model in models]
    change(models[number], np.random.default_rng(1))
    return models


def run_without(scene, models, number, **parameters):
    """Match a mosaic without one exposure."""
    others = scene.pointings[:number] + scene.pointings[number + 1 :]
    models = models[:number] + models[number + 1 :]
    return run(replace(scene, pointings=others), models, **parameters)[0]


@pytest.mark.parametrize(
    ("spoil", "offset_stat", "words"),
    [
        slow(zeros, "biweight", "pixels scatter"),
        (partial(hit, share=0.1), "biweight", "stick out of all others|pixels scatter"),
        (make_noise, "median", "pixels scatter"),
        slow(make_noise, "biweight", "pixels scatter"),
    ],
)
def test_bad_exposure_harms_only_itself(spoil, offset_stat, words, caplog):
    errors, before, pulls = [], [], []
    others = np.arange(12) != BAD
    for seed in (1, 2, 3, 4):
        scene, models = simulate(seed=seed, dithers=3)
        before.append(run_without(scene, models, BAD, offset_stat=offset_stat)["error"])
        caplog.clear()
        table = run(scene, spoil_one(models, BAD, spoil), offset_stat=offset_stat)[0]
        errors.append(table["error"][others] - np.mean(table["error"][others]))
        pulls.append(errors[-1] / table["level_error"].value[others])
        assert np.flatnonzero(table["remark"] != "").tolist() == [BAD]
        (message,) = [text for text in caplog.messages if "disagree with all others" in text]
        name = scene.pointings[BAD].rootname
        assert f"1 of 12 exposures disagree with all others: {name}_cal.fits: " in message
        assert re.search(words, message)
        assert not any("displaced" in text for text in caplog.messages)
    assert rms(errors) < 1.5 * rms(before)
    assert rms(pulls) < 1.4


@pytest.mark.parametrize(("spoil", "is_named"), [(zeros, True), (tilt, False)])
def test_visit_with_a_gradient_is_an_image_of_this_sky(spoil, is_named):
    """Both scatter as much around the two other visits."""
    scene, models = simulate(dithers=1, n=(3, 1), overlap=0.8)
    table = run(scene, spoil_one(models, 1, spoil))[0]
    named = ["no image of this sky" in remark for remark in table["remark"]]
    assert named == [False, is_named, False]


# --- Planes ------------------------------------------------------------------


def subtract(scene, models, **parameters):
    """Subtract backgrounds; rms of the remainder without the plane that is common to all."""
    table, _, library = run(scene, models, subtract=True, **parameters)
    remaining = remaining_background(scene, models, library, planes=True)
    return rms(remaining), table, library


@pytest.mark.parametrize(
    ("kind", "parameters", "largest"),
    [
        ("visits 0.2", {"grouping": "none"}, 0.008),
        slow("visits 0.05", {}, 0.006),
        slow("exposures 0.05", {"background": "plane_per_exposure"}, 0.006),
    ],
)
def test_planes_are_subtracted(kind, parameters, largest, caplog):
    """The information bound is 0.0025 here; levels alone leave 0.05 and 0.2."""
    caplog.set_level("INFO", "stpipe")
    remaining, table, _ = subtract(*simulate(kind, 3), **{"background": "plane", **parameters})
    assert remaining < largest
    assert table["gradient_ra"].unit == "MJy / (arcmin sr)"
    size = np.hypot(table["gradient_ra"].value, table["gradient_dec"].value)
    # A plane of 0.05 rms over 112 arcsec has 0.09 per arcmin.
    (size_of_planes,) = IMPERFECTIONS[kind].values()
    assert 0.5 < rms([size]) / (0.09 / 0.05 * size_of_planes) < 2.0
    assert any("exposures are subtracted:" in line for line in caplog.messages)


def test_constants_stay_constants():
    scene, models = simulate(seed=3)
    remaining, table, library = subtract(scene, models, background="plane")
    assert remaining < 1.1 * subtract(scene, models)[0]
    assert not table["gradient_ra"].value.any()
    planes = library.map_function(
        lambda model, _: bool(model.meta.background.polynomial_info), modify=False
    )
    assert not any(planes)


def test_record_of_planes_adds_up_over_two_runs(tmp_path):
    scene, originals = simulate("visits 0.2", 3)
    _, step, library = run(scene, originals, subtract=True, background="plane")
    n_planes = 0
    with step.run(library) as library:
        for model, original in zip(library, originals, strict=True):
            model.save(tmp_path / "saved.fits")
            with open_model(tmp_path / "saved.fits") as saved:
                subtracted = original.data.astype(float) - saved.data
                known = np.isfinite(subtracted) & (saved.dq == 0)
                expected = recorded_background(saved)
                np.testing.assert_allclose(subtracted[known], expected[known], atol=1e-4)
                n_planes += len(saved.meta.background.polynomial_info)
            library.shelve(model, modify=False)
    assert n_planes > 4


def recorded_background(model):
    """Give the background that the metadata describe."""
    background, (y, x) = model.meta.background, np.indices(model.data.shape)
    if not background.polynomial_info:
        return np.full(model.data.shape, background.level)
    (polynomial,) = background.polynomial_info
    x, y = x - polynomial.refpoint[0], y - polynomial.refpoint[1]
    return polyval2d(x, y, np.reshape(polynomial.coefficients, (2, 2)))


# --- Detectors ---------------------------------------------------------------


# Module B of each pointing overlaps module A of the next, and nothing else does.
chain = partial(survey, 3, 8, step=(176.0, 0.0), apertures=("NRCA5_FULL", "NRCB5_FULL"))


def test_detectors_of_a_visit_have_their_own_planes():
    """Opposite gradients along right ascension."""
    slope, scene = 0.05, chain(n=3, counter=("exposure", 5))
    models = sim.simulate_models(scene)
    slopes = [slope if "nrca" in model.meta.filename else -slope for model in models]
    for model, own in zip(models, slopes, strict=True):
        y, x = np.indices(model.data.shape)
        ra, dec = model.meta.wcs(x, y, with_bounding_box=False)
        arcmin = 60.0 * (ra - ra.mean()) * np.cos(np.radians(dec.mean()))
        model.data += (own * arcmin).astype(np.float32)
    table = run(scene, models, background="plane", subtract=True)[0]
    gradients = np.stack([table["gradient_ra"].value, table["gradient_dec"].value], axis=1)
    expected = np.stack([slopes, np.zeros(len(slopes))], axis=1)
    np.testing.assert_allclose(gradients, expected, atol=0.2 * slope)


def test_modules_are_tied_by_exposures_they_share(caplog):
    scene = chain(n=4)
    models = sim.simulate_models(scene)
    caplog.set_level("INFO", "stpipe")
    tied = run(scene, models)[0]
    assert set(tied["component"]) == {0}
    # The detector without a pixel is no part of the mean that errors are about.
    empty = run(scene, spoil_one(models, 0, lambda model, _: model.data.fill(np.nan)))[0]
    assert np.all(empty["level_error"][2:] < 1.1 * tied["level_error"][2:].max())
    # Pedestals of 0.003, levels of visits of 0.02: the sum over a chain of four ties.
    assert rms([tied["error"]]) < 0.006
    words = "Components that do not overlap are tied by detectors of an exposure"
    assert any(text.startswith(words) for text in caplog.messages)
    apart = run(scene, models, tie_detectors=False)[0]
    components = np.array(apart["component"])
    assert components.max() > 0
    moved = (tied["level"] - apart["level"]).value
    for number in range(components.max() + 1):
        assert np.ptp(moved[components == number]) < 1e-6
