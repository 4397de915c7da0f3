"""Gradients of images, beside holes and edges too."""

import numpy as np
import pytest

from jwst_mosaic_skymatch.tiles.gradient import GRADIENT_NOISE, gradient


def test_fourth_order_inside_and_first_order_beside_holes():
    y, x = np.indices((20, 30), dtype=float)
    image = 2.0 * x - 3.0 * y
    image[5, 7] = np.nan
    image[10, :] = np.nan
    image[0, 1:] = np.nan  # leaves a cell without neighbours along x
    along_x, along_y = gradient(image)
    valid = np.isfinite(image)
    np.testing.assert_array_equal(np.isfinite(along_x), valid)
    np.testing.assert_array_equal(np.isfinite(along_y), valid)
    assert along_x[0, 0] == 0.0
    np.testing.assert_allclose(along_x[1:][valid[1:]], 2.0, atol=1e-6)
    np.testing.assert_allclose(along_y[valid], -3.0, atol=1e-6)
    # Exact for polynomials of fourth order, where two cells on each side are known.
    along_x, _ = gradient(x**4)
    np.testing.assert_allclose(along_x[:, 2:-2], (4 * x**3)[:, 2:-2], rtol=1e-6)


@pytest.mark.parametrize("shape", [(1, 9), (2, 9), (4, 3), (6, 1), (1, 1)])
def test_small_images(shape):
    y, x = np.indices(shape)
    image = (5.0 + 2.0 * x - 3.0 * y).astype(np.float32)
    along_x, along_y = gradient(image)
    # Along an axis of one cell there is nothing to compare with.
    np.testing.assert_allclose(along_x, 2.0 if shape[1] > 1 else 0.0, atol=1e-5)
    np.testing.assert_allclose(along_y, -3.0 if shape[0] > 1 else 0.0, atol=1e-5)


def test_noise_of_a_gradient():
    first, second = np.random.default_rng(2).standard_normal((2, 400, 400))
    along_x, _ = gradient(0.5 * (first + second))
    ratio = along_x[:, 2:-2].var() / (first - second).var()
    # 160 000 cells, every one of which is used four times.
    assert ratio == pytest.approx(GRADIENT_NOISE, rel=0.02)
