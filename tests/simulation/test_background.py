"""Backgrounds that are no constants: their sizes and places."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import jwst_mosaic_simulation as sim
from jwst_mosaic_simulation._effects import draw_background, draw_stripes, lyot_region
from jwst_mosaic_simulation._geometry import load_aperture


def background(pointing=0, binning=8, nircam=False, **imperfections):
    make = sim.nircam_mosaic if nircam else sim.blank_field
    scene = make(2, binning=binning, imperfections=sim.Imperfections(**imperfections))
    pointing = scene.pointings[pointing]
    return draw_background(scene, pointing, load_aperture(pointing.aperture, binning))


def test_stripes_have_zero_mean_unit_rms_and_power_as_one_over_frequency():
    stripes = np.array([draw_stripes(256, np.random.default_rng(seed)) for seed in range(400)])
    assert_allclose(stripes.mean(axis=1), 0.0, atol=1e-12)
    assert stripes.std() == pytest.approx(1.0, rel=0.05)
    power = np.mean(np.abs(np.fft.rfft(stripes, axis=1)) ** 2, axis=0)
    assert power[4:8].mean() / power[64:128].mean() == pytest.approx(16.0, rel=0.2)


def test_glow_and_amplifiers():
    """Nothing but the last 40 of 1032 columns, up to the height; four pedestals of NIRCam."""
    assert_array_equal(background(), 0.0)
    glow = background(glow=0.1)
    dark = (1032 - 40) // 8
    assert_array_equal(glow[:, :dark], 0.0)
    assert 0.0 < glow[0, -1] <= 0.1
    assert np.all(np.diff(glow[0, dark - 1 :]) > 0)
    pedestals = background(nircam=True, amplifier_rms=0.01)
    assert np.unique(pedestals).size == 4
    assert np.ptp(pedestals[:, :64]) == 0.0


def test_lyot_field():
    lyot = background(lyot_offset=0.5)
    aperture = load_aperture("MIRIM_FULL", 8)
    assert_array_equal(lyot, 0.5 * lyot_region(aperture))
    assert 0.04 < lyot_region(aperture).mean() < 0.1
    assert_array_equal(background(nircam=True, lyot_offset=0.5), 0.0)


def test_true_level_is_the_mean_over_good_pixels():
    imperfections = sim.Imperfections(visit_gradient_rms=0.2, glow=0.1)
    scene = sim.blank_field(1, binning=8, imperfections=imperfections)
    (pointing,) = scene.pointings
    truth = sim.true_exposure(scene, pointing)
    # The signal is the level and the background, on top of a constant sky.
    expected = truth.signal[truth.good].mean() - scene.sky.diffuse(150.0, 2.2)
    assert sim.true_level(scene, pointing) == pytest.approx(expected)
