"""Single exposures, and what is true of them."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from jwst_mosaic_simulation import (
    Galaxy,
    Imperfections,
    Patch,
    blank_field,
    dither_pointings,
    pointing_error,
    simulate_exposure,
    simulate_models,
    true_exposure,
)
from jwst_mosaic_simulation._effects import FLAGS
from jwst_mosaic_simulation._sky import make_sky


def signal(scene, **imperfections):
    """What the first exposure of a scene would show without noise."""
    scene = replace(scene, imperfections=Imperfections(**imperfections))
    return true_exposure(scene, scene.pointings[0]).signal


def test_noise_is_that_of_the_truth():
    scene = replace(blank_field(1, binning=2), cosmic_rays=None)
    truth = true_exposure(scene, scene.pointings[0])
    model = simulate_exposure(scene, scene.pointings[0])
    good = truth.good
    pull = (model.data - truth.signal)[good] / np.sqrt(truth.variance[good])
    assert pull.mean() == pytest.approx(0, abs=0.01)
    assert pull.std() == pytest.approx(1, abs=0.01)


def test_errors_are_quoted_from_noisy_data(dithered):
    model = simulate_exposure(dithered, dithered.pointings[0])
    good = np.isfinite(model.data)
    assert_allclose(model.err[good] ** 2, (model.var_poisson + model.var_rnoise)[good], rtol=1e-5)
    expected = np.maximum(model.data[good], 0) / dithered.noise.electrons
    assert_allclose(model.var_poisson[good], expected, rtol=1e-5)


def test_unusable_pixels_are_wild_or_nan(dithered):
    pointing = dithered.pointings[0]
    model, truth = simulate_exposure(dithered, pointing), true_exposure(dithered, pointing)
    bad = ~truth.good
    assert np.isnan(model.data[bad]).mean() == pytest.approx(0.5, abs=0.05)
    assert np.all(np.isfinite(model.data[~bad]))
    for name in ("err", "var_poisson", "var_rnoise", "var_flat"):
        assert_array_equal(np.isnan(getattr(model, name)), np.isnan(model.data))
    wild = bad & np.isfinite(model.data) & ((truth.dq & FLAGS["NON_SCIENCE"]) == 0)
    assert np.median(np.abs(model.data - truth.signal)[wild]) > 5


def test_masked_strips_are_dimmer(clean):
    model = simulate_exposure(clean, clean.pointings[0])
    strips = ((model.dq & FLAGS["NON_SCIENCE"]) != 0) & np.isfinite(model.data)
    truth = true_exposure(clean, clean.pointings[0]).signal
    assert_allclose(model.data[strips], 0.7 * truth[strips], rtol=1e-6)


def test_cosmic_rays_are_flagged_or_left(dithered):
    pointing = dithered.pointings[0]
    without = simulate_exposure(replace(dithered, cosmic_rays=None), pointing)
    model = simulate_exposure(dithered, pointing)
    flagged = (model.dq & FLAGS["JUMP_DET"]) != 0
    assert_array_equal(model.dq[~flagged], without.dq[~flagged])
    added = model.data - without.data
    assert 0 < np.nanmax(added[flagged]) < np.nanmax(added[~flagged])


def test_levels_come_back_from_noiseless_dithers(clean):
    names = [f"jw09999001001_02101_0000{k}_mirimage" for k in (1, 2)]
    pointings = dither_pointings(2, step=8 * 4 * 0.1109)
    sky = make_sky(pointings, components=(Galaxy(6.0, 15.0),), binning=8)
    levels = dict(zip(names, (0.3, 1.7), strict=True))
    first, second = simulate_models(replace(clean, pointings=pointings, levels=levels, sky=sky))
    y, x = np.nonzero((second.dq & FLAGS["DO_NOT_USE"]) == 0)
    place = second.meta.wcs(x, y, with_bounding_box=False)
    u, v = np.rint(first.meta.wcs.invert(*place, with_bounding_box=False)).astype(int)
    both = (u >= 50) & (u < 128) & (v >= 0) & (v < 128)
    difference = second.data[y[both], x[both]] - first.data[v[both], u[both]]
    assert np.nanmedian(difference) == pytest.approx(1.4, abs=0.01)


def test_pointing_error_moves_the_field_but_not_the_wcs(clean):
    scene = replace(
        clean,
        imperfections=Imperfections(pointing_rms=0.5),
        sky=replace(clean.sky, stars=np.zeros((3, 0))),
    )
    pointing = scene.pointings[0]
    east, north = pointing_error(scene, pointing) / 3600
    wcs = simulate_exposure(scene, pointing).meta.wcs
    assert wcs(10, 10) == pointing.wcs(8)(10, 10)
    y, x = np.indices(wcs.array_shape)
    ra, dec = wcs(x, y, with_bounding_box=False)
    expected = scene.sky.diffuse(ra + east / np.cos(np.deg2rad(dec)), dec + north)
    light = true_exposure(scene, pointing).signal - scene.levels[pointing.rootname]
    assert_allclose(light, expected, atol=1e-3)
    assert np.abs(light - scene.sky.diffuse(ra, dec)).max() > 0.1


def test_detectors_share_the_pointing_error(clean):
    scene = replace(clean, imperfections=Imperfections(pointing_rms=0.5))
    first, second = scene.pointings[:2]
    other = replace(first, aperture="NRCA1_FULL")
    assert_array_equal(pointing_error(scene, first), pointing_error(scene, other))
    assert np.all(pointing_error(scene, first) != pointing_error(scene, second))


@pytest.mark.parametrize("name", ["visit_gradient_rms", "exposure_gradient_rms"])
def test_gradients_are_planes(clean, name):
    plane = signal(clean, **{name: 0.2}) - signal(clean)
    assert 0.02 < plane.std() < 0.6
    assert plane.mean() == pytest.approx(0, abs=1e-9)
    assert_allclose(np.diff(plane, n=2, axis=0), 0, atol=1e-9)
    assert_allclose(np.diff(plane, n=2, axis=1), 0, atol=1e-9)


def test_exposures_of_a_visit_share_the_visit_gradient(clean):
    tilted = replace(clean, imperfections=Imperfections(visit_gradient_rms=0.2))
    first, second, third = (
        true_exposure(tilted, p).signal - true_exposure(clean, p).signal
        for p in clean.pointings[:3]
    )
    assert_allclose(first, second, atol=1e-9)
    assert np.abs(first - third).max() > 0.01


def test_gain_error_scales_all_light(clean):
    ratio = signal(clean, gain_rms=0.005) / signal(clean)
    assert np.ptp(ratio) < 1e-9
    assert 1e-4 < abs(ratio[0, 0] - 1) < 0.02


def test_patch_is_added(clean):
    pointing = clean.pointings[0]
    patched = replace(clean, patches={pointing.rootname: (Patch(90, 60, 10, 0.5),)})
    added = signal(patched) - signal(clean)
    assert added[60, 90] == pytest.approx(0.5, abs=1e-3)
    assert added[5, 5] == pytest.approx(0, abs=1e-6)


def test_exposures_depend_on_seed_and_name_only(dithered):
    last = simulate_models(dithered)[-1]
    again = simulate_models(replace(dithered, pointings=dithered.pointings[:0:-1]))[0]
    assert_array_equal(last.data, again.data)
    assert_array_equal(last.dq, again.dq)


def test_noise_differs_between_seeds_and_exposures(dithered):
    first, second = dithered.pointings[:2]

    def noise(scene, pointing):
        truth = true_exposure(scene, pointing)
        pull = (simulate_exposure(scene, pointing).data - truth.signal) / np.sqrt(truth.variance)
        return np.where(truth.good, np.clip(pull, -3, 3), 0).ravel()

    reference = noise(dithered, first)
    for other in (noise(dithered, second), noise(replace(dithered, seed=2), first)):
        assert np.corrcoef(reference, other)[0, 1] == pytest.approx(0, abs=0.05)
