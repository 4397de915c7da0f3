"""Noise and the variances quoted."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

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


def test_variances():
    noise = Noise(electrons=100.0, read_noise=3.0, exposure_time=10.0)
    poisson, read = variances(np.array([-1.0, 0.0, 8.0, np.nan]), noise)
    assert_allclose(poisson, [0.0, 0.0, 0.08, np.nan])
    assert_allclose(read, [9e-4, 9e-4, 9e-4, np.nan])
