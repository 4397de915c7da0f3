"""Smooth components of the sky."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from jwst_mosaic_simulation import Cirrus, Galaxy


def test_galaxy_falls_by_e_in_a_scale_length():
    galaxy = Galaxy(6.0, 10.0, 20.0, -5.0, axis_ratio=0.5, angle=0.0, arm_contrast=0.0, bulge=0.0)
    x, y = np.array([20.0, 25.0])[None, :], np.array([-5.0, 5.0])[:, None]
    # The major axis points north: a scale length is 10 arcsec there and 5 to the east.
    expected = 6.0 * np.exp([[0.0, -1.0], [-1.0, -np.sqrt(2)]])
    assert_allclose(galaxy.draw(x, y, None), expected)


def test_cirrus_has_mean_and_contrast():
    image = Cirrus(5.0, 0.5).draw(np.zeros((1, 256)), np.zeros((256, 1)), np.random.default_rng(4))
    assert (image.mean(), np.log(image).std()) == pytest.approx((5.0, 0.5), rel=0.05)
