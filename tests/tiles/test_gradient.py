"""Gradients of images, beside holes and edges too."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from jwst_mosaic_skymatch.tiles.gradient import GRADIENT_NOISE, gradient


def test_fourth_order_inside_second_order_near_holes():
    y, x = np.indices((20, 30), dtype=float)
    image = 2.0 * x - 3.0 * y
    image[5, 7] = np.nan
    expected_x, expected_y = np.full((2, 20, 30), [[[2.0]], [[-3.0]]])
    # No difference beside a hole, and at an edge.
    expected_x[:, [0, -1]] = expected_x[5, [6, 8]] = 0.0
    expected_y[[0, -1]] = expected_y[[4, 6], 7] = 0.0
    assert_allclose(gradient(image), [expected_x, expected_y], atol=1e-6)
    # Exact for polynomials of fourth order, where two cells on each side have data.
    along_x, _ = gradient(x**4)
    assert_allclose(along_x[:, 2:-2], (4 * x**3)[:, 2:-2], rtol=1e-6)


@pytest.mark.parametrize("shape", [(1, 9), (2, 9), (4, 3), (6, 1), (1, 1)])
def test_small_images(shape):
    along_x, along_y = gradient(np.arange(9.0)[: shape[1]] * np.ones(shape))
    assert_allclose(along_x[:, 1:-1], 1.0)
    assert not along_y.any()


def test_noise_of_a_gradient():
    first, second = np.random.default_rng(2).standard_normal((2, 400, 400))
    along_x, _ = gradient(0.5 * (first + second))
    ratio = along_x[:, 2:-2].var() / (first - second).var()
    # 160 000 cells, every one of which is used four times.
    assert ratio == pytest.approx(GRADIENT_NOISE, rel=0.02)
