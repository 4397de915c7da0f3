"""Noise as a function of brightness."""

import numpy as np
import pytest

from jwst_mosaic_skymatch.tiles.noise import UNIFORM, measure_noise

SHAPE = (300, 300)


@pytest.fixture
def data():
    return np.random.default_rng(5).uniform(1.0, 20.0, SHAPE)


def test_curve_follows_the_quoted_errors(data):
    curve = measure_noise(data, np.sqrt(0.01 + 0.002 * data), np.ones(SHAPE, dtype=bool))
    # A point of the curve is the median of a sixteenth of some thousand pixels.
    np.testing.assert_allclose(curve(np.array([3.0, 10.0])), [0.016, 0.03], rtol=0.02)
    assert curve.typical == pytest.approx(0.01 + 0.002 * 10.5, rel=0.02)
    assert curve.quoted


def test_bad_pixels_do_not_bend_the_curve(data):
    error = np.full(SHAPE, 0.1)
    bad = np.random.default_rng(6).random(SHAPE) < 0.4
    spoiled = np.where(bad, np.nan, data), np.where(bad, 50.0, error)
    curve = measure_noise(*spoiled, ~bad)
    np.testing.assert_allclose(curve(np.array([1.0, 9.0, 20.0])), 0.01, rtol=1e-6)


def test_photons_and_flat_field(data):
    """Beyond the pixels that were seen, and of pixels fainter than them."""
    error = np.sqrt(0.01 + 0.002 * data + 0.0003 * data**2)
    curve = measure_noise(data, error, np.ones(SHAPE, dtype=bool))
    expected = 0.01 + 0.002 * 60.0 + 0.0003 * 60.0**2
    np.testing.assert_allclose(curve(np.array([60.0])), expected, rtol=0.05)
    np.testing.assert_allclose(curve(np.array([-9.0, curve.faintest])), curve.constant, rtol=1e-6)


def test_variance_never_falls(data):
    """Errors that shrink with brightness are none of a detector."""
    curve = measure_noise(data, 1.0 / data, np.ones(SHAPE, dtype=bool))
    assert np.all(np.diff(curve(np.linspace(-5.0, 50.0, 20))) >= 0.0)
    assert curve.constant > 0.0


def test_equal_pixels():
    data = np.full(SHAPE, 3.0)
    curve = measure_noise(data, np.full(SHAPE, 0.5), np.ones(SHAPE, dtype=bool))
    np.testing.assert_allclose(curve(np.array([3.0, 4.0])), 0.25)


@pytest.mark.parametrize("error", [None, np.zeros(SHAPE), np.full(SHAPE, np.nan)])
def test_no_usable_error(data, error):
    assert measure_noise(data, error, np.ones(SHAPE, dtype=bool)) is UNIFORM


def test_too_few_good_pixels(data):
    good = np.zeros(SHAPE, dtype=bool)
    good[:6, :6] = True
    assert measure_noise(data, np.ones(SHAPE), good) is UNIFORM


def test_no_weight_is_infinite(data):
    """Errors of some faint pixels that are far too small leave no constant to the fit."""
    error = np.where((data > 2.2) & (data < 3.3), 0.01, 1.0)
    curve = measure_noise(data, error, np.ones(SHAPE, dtype=bool))
    assert curve.constant >= 0.5 * 0.01**2
