"""background='plane': gradients of known size come back, and the record of them adds up."""

import numpy as np
import pytest
from astropy.io import fits
from test_backgrounds import mosaic, run

import jwst_mosaic_simulation as sim
from jwst_mosaic_simulation._effects import draw_background
from jwst_mosaic_simulation._geometry import load_aperture
from jwst_mosaic_skymatch.step import PixelSkyMatchStep

BINNING = 4


def true_background(scene, pointing):
    aperture = load_aperture(pointing.aperture, scene.detector.binning, scene.detector.subarray)
    return scene.levels[pointing.rootname] + draw_background(scene, pointing, aperture)


def what_is_left(scene, **parameters):
    """Subtract the true background as well; take the plane that is common to all away."""
    models = sim.simulate_models(scene)
    before = [model.data.copy() for model in models]
    step = PixelSkyMatchStep(subtract=True, **parameters)
    with step.run(models) as library:
        after = list(library)
        for model in after:
            library.shelve(model, modify=False)
    values, places = [], []
    for pointing, old, model in zip(scene.pointings, before, after, strict=True):
        left = true_background(scene, pointing) - (old.astype(float) - model.data)
        y, x = np.mgrid[: old.shape[0] : 8, : old.shape[1] : 8]
        good = np.isfinite(old[y, x]) & (model.dq[y, x] == 0)
        values.append(left[y, x][good])
        places.append(np.stack(model.meta.wcs(x[good], y[good], with_bounding_box=False)))
    values, places = np.concatenate(values), np.concatenate(places, axis=1)
    design = np.stack([np.ones_like(values), *(places - places.mean(axis=1)[:, None])], axis=1)
    return values - design @ np.linalg.lstsq(design, values, rcond=None)[0], step, after


@pytest.mark.parametrize(
    ("imperfections", "parameters", "largest"),
    [
        pytest.param({"visit_gradient_rms": 0.05}, {}, 0.006, marks=pytest.mark.slow),
        ({"visit_gradient_rms": 0.2}, {"grouping": "none"}, 0.008),
        pytest.param(
            {"exposure_gradient_rms": 0.05},
            {"plane_per": "exposure"},
            0.006,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_planes_are_subtracted(imperfections, parameters, largest):
    """The information bound is 0.0025 here; with levels alone 0.05 and 0.2 are left."""
    left, _, _ = what_is_left(mosaic(3, **imperfections), background="plane", **parameters)
    assert np.std(left) < largest
    with_levels, _, _ = what_is_left(mosaic(3, **imperfections))
    assert np.std(with_levels) > 5 * np.std(left)


def test_constants_stay_constants():
    left, step, models = what_is_left(mosaic(3), background="plane")
    with_levels, _, _ = what_is_left(mosaic(3))
    assert np.std(left) < 1.1 * np.std(with_levels)
    assert not step.levels_table["gradient_ra"].value.any()
    assert not any(model.meta.background.polynomial_info for model in models)


@pytest.mark.slow
def test_errors_of_levels_contain_those_of_gradients():
    pulls = []
    for seed in range(4):
        left, step, models = what_is_left(mosaic(seed, visit_gradient_rms=0.05), background="plane")
        sizes = [np.count_nonzero(m.dq[::8, ::8] == 0) for m in models]
        means = [part.mean() for part in np.split(left, np.cumsum(sizes)[:-1])]
        names = [model.meta.filename for model in models]
        table = step.levels_table
        errors = [table["level_error"].value[table["filename"] == name][0] for name in names]
        pulls.append(np.array(means) / errors)
    assert 0.4 < np.std(pulls) < 1.8


def test_gradients_are_in_the_table_and_the_log(caplog):
    caplog.set_level("INFO", "stpipe")
    scene = mosaic(3, visit_gradient_rms=0.05)
    _, table = run(scene, background="plane", subtract=True)
    assert table["gradient_ra"].unit == "MJy / (arcmin sr)"
    size = np.hypot(table["gradient_ra"], table["gradient_dec"])
    error = np.hypot(table["gradient_ra_error"], table["gradient_dec_error"])
    assert np.all((size == 0) | (size > error))
    assert any("exposures are significant and subtracted" in line for line in caplog.messages)
    assert not any("Backgrounds have gradients" in line for line in caplog.messages)
    # A plane of 0.05 rms over 112 arcsec has 0.09 per arcmin; some of it may be common to all.
    assert 0.02 < np.sqrt(np.mean(size.value**2)) < 0.3


def test_record_is_what_was_subtracted_and_a_second_run_adds_up(tmp_path):
    scene = mosaic(3, visit_gradient_rms=0.2)
    originals = [model.data.copy() for model in sim.simulate_models(scene)]
    parameters = {"subtract": True, "background": "plane"}
    library = PixelSkyMatchStep(**parameters).run(sim.simulate_models(scene))
    library = PixelSkyMatchStep(**parameters).run(library)
    with library:
        models = list(library)
        for model in models:
            library.shelve(model, modify=False)
    checked = 0
    for model, original in zip(models, originals, strict=True):
        subtracted = original.astype(float) - model.data
        known = np.isfinite(subtracted) & (model.dq == 0)
        level = model.meta.background.level
        if not model.meta.background.polynomial_info:
            np.testing.assert_allclose(subtracted[known], level, atol=1e-4)
            continue
        (polynomial,) = model.meta.background.polynomial_info
        y, x = np.indices(original.shape)
        x, y = (axis - first for axis, first in zip((x, y), polynomial.refpoint, strict=True))
        constant, along_y, along_x, crossed = polynomial.coefficients
        assert crossed == 0.0
        expected = constant + along_x * x + along_y * y
        np.testing.assert_allclose(subtracted[known], expected[known], atol=1e-4)
        path = tmp_path / "saved.fits"
        model.save(path)
        assert fits.getheader(path)["BKGLEVEL"] == pytest.approx(level)
        checked += 1
    assert checked > 4


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"subtract": False}, "needs subtract=True"),
        ({"subtract": True, "fixed": "a.ecsv"}, "fixed='a.ecsv'"),
        ({"subtract": True, "offset_stat": "median"}, "only 'biweight'"),
    ],
)
def test_what_planes_do_not_go_with(parameters, words):
    with pytest.raises(ValueError, match=words):
        PixelSkyMatchStep(background="plane", **parameters).run([])


def test_no_effect_on_other_methods(caplog):
    caplog.set_level("INFO", "stpipe")
    models = sim.simulate_models(mosaic(3))
    PixelSkyMatchStep(background="plane", skymethod="local").run(models)
    assert any("background=plane has no effect" in line for line in caplog.messages)


def test_constant_names_the_option(caplog):
    run(mosaic(1, visit_gradient_rms=0.05))
    (line,) = [text for text in caplog.messages if "Backgrounds have gradients" in text]
    assert "background='plane'" in line
