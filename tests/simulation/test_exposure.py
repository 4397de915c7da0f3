"""Single exposures, and what is true of them."""

from dataclasses import replace

import numpy as np
from numpy.testing import assert_array_equal

from jwst_mosaic_simulation import (
    Imperfections,
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


def test_gain_error_scales_all_light(clean):
    ratio = signal(clean, gain_rms=0.005) / signal(clean)
    assert np.ptp(ratio) < 1e-9
    assert 1e-4 < abs(ratio[0, 0] - 1) < 0.02


def test_exposures_depend_on_seed_and_name_only(dithered):
    last = simulate_models(dithered)[-1]
    again = simulate_models(replace(dithered, pointings=dithered.pointings[:0:-1]))[0]
    assert_array_equal(last.data, again.data)
    assert_array_equal(last.dq, again.dq)
