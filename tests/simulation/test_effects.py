"""Flags, backgrounds, cosmic rays and noise of exposures."""

import numpy as np
import pytest
from numpy.random import default_rng
from numpy.testing import assert_allclose, assert_array_equal

import jwst_mosaic_simulation as sim
from jwst_mosaic_simulation._effects import (
    FLAGS,
    add_noise,
    draw_background,
    draw_dq,
    draw_stripes,
    lyot_region,
    variances,
)
from jwst_mosaic_simulation._geometry import load_aperture
from jwst_mosaic_simulation.noise import Noise


@pytest.mark.parametrize(
    ("name", "binning", "columns", "rows"),
    [("NRCA1_FULL", 1, 4, 4), ("NRCA1_FULL", 8, 1, 1), ("MIRIM_FULL", 2, 2, 0)],
)
def test_flags(name, binning, columns, rows):
    """Borders are reference pixels; inside, bad and hot pixels have the shares asked for."""
    aperture = load_aperture(name, binning)
    options = sim.DetectorOptions(masked_strips=False, bad_fraction=0.3, hot_fraction=0.1)
    dq = draw_dq(aperture, name, options, 1)
    reference, hot, bad = ((dq & FLAGS[f]) > 0 for f in ("REFERENCE_PIXEL", "HOT", "DO_NOT_USE"))
    inside = slice(rows, dq.shape[0] - rows), slice(columns, dq.shape[1] - columns)
    assert not np.any(reference[inside] | (hot & bad)[inside])
    assert np.sum(reference & bad) == dq.size - dq[inside].size
    assert (bad[inside].mean(), hot[inside].mean()) == pytest.approx((0.3, 0.1), rel=0.05)
    # They belong to the detector.
    assert np.any(dq != draw_dq(aperture, "another", options, 1))


@pytest.mark.parametrize(("name", "edge"), [("MIRIM_FULL", 357), ("NRCA1_FULL", 0)])
def test_masked_strips_are_those_of_miri(name, edge):
    """All columns left of the imager, but for the field of the Lyot coronagraph."""
    masked = np.zeros(load_aperture(name).shape, dtype=bool)
    masked[:, :edge] = True
    masked[745:1020, 10:281] = False
    dq = draw_dq(load_aperture(name), name, sim.DetectorOptions(bad_fraction=0.0), 1)
    assert_array_equal((dq & FLAGS["NON_SCIENCE"]) > 0, masked)
    assert np.all((dq & FLAGS["DO_NOT_USE"])[masked])


def test_stripes_have_the_spectrum_of_1_over_f_noise():
    draws = [draw_stripes(256, default_rng(seed)) for seed in range(400)]
    power = np.mean(np.abs(np.fft.rfft(draws)) ** 2, axis=0)[1:-1] * np.arange(1, 128)
    # Each mean of 400 spectra is known to 5 %.
    assert_allclose(power / power.mean(), 1.0, atol=0.2)


def background(binning=8, nircam=False, seed=1, **imperfections):
    make = sim.nircam_mosaic if nircam else sim.blank_field
    scene = make(2, binning=binning, seed=seed, imperfections=sim.Imperfections(**imperfections))
    pointing = scene.pointings[0]
    return draw_background(scene, pointing, load_aperture(pointing.aperture, binning))


@pytest.mark.parametrize(
    "name", ["visit_gradient_rms", "exposure_gradient_rms", "row_rms", "column_rms"]
)
def test_backgrounds_have_the_rms(name):
    images = np.array([background(binning=32, seed=seed, **{name: 0.2}) for seed in range(150)])
    assert_allclose(images.mean(axis=(1, 2)), 0.0, atol=1e-12)
    assert images.std() == pytest.approx(0.2, rel=0.1)


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


@pytest.mark.parametrize(
    ("brightness", "poisson"), [(-3.0, 0.0), (0.0, 0.0), (0.02, 2e-4), (40.0, 0.4)]
)
def test_noise_has_the_variance_quoted(brightness, poisson):
    noise = Noise(electrons=100.0, read_noise=3.0, exposure_time=10.0)
    image = np.full((300, 300), brightness)
    noisy, quoted = add_noise(image, noise, default_rng(6)), variances(image, noise)
    assert_allclose([part[0, 0] for part in quoted], [poisson, 9e-4])
    variance = poisson + 9e-4
    assert noisy.mean() == pytest.approx(brightness, abs=4 * np.sqrt(variance) / 300)
    assert noisy.var() == pytest.approx(variance, rel=0.02)
