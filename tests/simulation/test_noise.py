"""Noise and the variances quoted."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from jwst_mosaic_simulation import filter_noise
from jwst_mosaic_simulation._effects import add_noise, variances
from jwst_mosaic_simulation.noise import Noise


@pytest.mark.parametrize("brightness", [-3.0, 0.0, 0.02, 40.0])
def test_noise_has_the_variance_quoted(brightness):
    noise = Noise(electrons=100.0, read_noise=3.0, exposure_time=10.0)
    image = np.full((300, 300), brightness)
    noisy = add_noise(image, noise, np.random.default_rng(6))
    variance = sum(variances(image, noise))
    assert noisy.mean() == pytest.approx(brightness, abs=4 * np.sqrt(variance[0, 0]) / 300)
    assert noisy.var() == pytest.approx(variance[0, 0], rel=0.02)


def test_noise_can_be_left_out():
    image = np.array([1.0, 2.0])
    noise = replace(filter_noise("F770W"), draw=False)
    assert_array_equal(add_noise(image, noise, np.random.default_rng(6)), image)


def test_variances():
    noise = Noise(electrons=100.0, read_noise=3.0, exposure_time=10.0)
    poisson, read = variances(np.array([-1.0, 0.0, 8.0, np.nan]), noise)
    np.testing.assert_allclose(poisson, [0.0, 0.0, 0.08, np.nan])
    np.testing.assert_allclose(read, [9e-4, 9e-4, 9e-4, np.nan])


def test_longer_exposures_have_less_noise():
    short, long = (filter_noise("F770W", exposure_time=t) for t in (100.0, 400.0))
    assert long.electrons == pytest.approx(4 * short.electrons)
    assert filter_noise("F770W").exposure_time == 222.0
