"""Single exposures, and what is true of them."""

from dataclasses import replace

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from jwst_mosaic_simulation import (
    Imperfections,
    pointing_error,
    simulate_exposure,
    simulate_models,
    true_exposure,
)
from jwst_mosaic_simulation._effects import FLAGS


def signal(scene, **imperfections):
    """What the first exposure of a scene would show without noise."""
    scene = replace(scene, imperfections=Imperfections(**imperfections))
    return true_exposure(scene, scene.pointings[0]).signal


def test_cosmic_rays_are_flagged_or_left(dithered):
    pointing = dithered.pointings[0]
    without = simulate_exposure(replace(dithered, cosmic_rays=None), pointing)
    model = simulate_exposure(dithered, pointing)
    flagged = (model.dq & FLAGS["JUMP_DET"]) != 0
    assert_array_equal(model.dq[~flagged], without.dq[~flagged])
    added = model.data - without.data
    assert 0 < np.nanmax(added[flagged]) < np.nanmax(added[~flagged])


def test_pointing_error_moves_the_field_but_not_the_wcs(clean):
    sky = replace(clean.sky, stars=np.zeros((3, 0)))
    scene = replace(clean, imperfections=Imperfections(pointing_rms=0.5), sky=sky)
    pointing = scene.pointings[0]
    east, north = pointing_error(scene, pointing) / 3600
    wcs = pointing.wcs(8)
    assert simulate_exposure(scene, pointing).meta.wcs(10, 10) == wcs(10, 10)
    ra, dec = wcs(*np.indices(wcs.array_shape)[::-1], with_bounding_box=False)
    expected = sky.diffuse(ra + east / np.cos(np.deg2rad(dec)), dec + north)
    light = true_exposure(scene, pointing).signal - scene.levels[pointing.rootname]
    assert_allclose(light, expected, atol=1e-3)
    assert np.abs(light - sky.diffuse(ra, dec)).max() > 0.1


def test_gain_error_scales_all_light(clean):
    ratio = signal(clean, gain_rms=0.005) / signal(clean)
    assert np.ptp(ratio) < 1e-9
    assert 1e-4 < abs(ratio[0, 0] - 1) < 0.02


def test_exposures_depend_on_seed_and_name_only(dithered):
    last = simulate_models(dithered)[-1]
    again = simulate_models(replace(dithered, pointings=dithered.pointings[:0:-1]))[0]
    assert_array_equal(last.data, again.data)
    assert_array_equal(last.dq, again.dq)
