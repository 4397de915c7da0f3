"""Gradients, beside holes and edges too, and scatter of residuals that grows with them."""

import numpy as np
import pytest
from numpy.random import default_rng
from numpy.testing import assert_allclose

from jwst_mosaic_skymatch.tiles.scatter import (
    CUTOFF,
    GRADIENT_NOISE,
    LARGEST_SCATTER,
    biweight,
    gradient,
    growth_with_gradient,
    scale_of,
)

N = 20000


def test_scale_ignores_outliers():
    values = default_rng(1).normal(0.0, 0.3, N)
    values[: N // 100] = 1e6
    # The error of a median absolute deviation is 1.17 / sqrt(2 n).
    assert scale_of(values) == pytest.approx(0.3, rel=0.04)


def test_biweight_of_single_values():
    weights = biweight(np.array([0.0, 0.5 * CUTOFF, -0.5 * CUTOFF, CUTOFF, -9.0]))
    assert_allclose(weights, [1.0, 0.5625, 0.5625, 0.0, 0.0], atol=1e-12)


@pytest.mark.parametrize("growth", [0.003, 0.03, 1.0])
def test_growth_of_the_variance(growth):
    """Residuals with hits, of which the flatter half has more variance as well."""
    rng = default_rng(3)
    squares = rng.exponential(100.0, N)
    residual = rng.standard_normal(N) * np.sqrt(1.0 + growth * squares)
    residual[::50] += 30.0
    measured = growth_with_gradient(residual, np.ones(N), squares)
    limit = LARGEST_SCATTER**2 / scale_of(residual[squares < np.median(squares)]) ** 2
    assert measured == pytest.approx(min(growth / (1.0 + growth * 30.0), limit), rel=0.2)


@pytest.mark.parametrize(
    ("scatter", "steepest", "n"), [(0.0, 1.0, N), (1.0, 0.0, N), (1.0, 1.0, 5)]
)
def test_no_growth_without_scatter_slopes_or_enough_values(scatter, steepest, n):
    residual = scatter * default_rng(4).standard_normal(n)
    assert growth_with_gradient(residual, np.ones(n), np.linspace(0.0, steepest, n)) == 0.0


def test_fourth_order_inside_none_near_holes():
    y, x = np.indices((20, 30), dtype=float)
    image = 2.0 * x - 3.0 * y
    image[5, 7] = np.nan
    expected_x, expected_y = np.full((2, 20, 30), [[[2.0]], [[-3.0]]])
    # No difference within two cells of a hole, and of an edge.
    expected_x[:, [0, 1, -2, -1]] = expected_x[5, [5, 6, 8, 9]] = 0.0
    expected_y[[0, 1, -2, -1]] = expected_y[[3, 4, 6, 7], 7] = 0.0
    assert_allclose(gradient(image), [expected_x, expected_y], atol=1e-6)
    # Exact for polynomials of fourth order, where two cells on each side have data.
    along_x, _ = gradient(x**4)
    assert_allclose(along_x[:, 2:-2], (4 * x**3)[:, 2:-2], rtol=1e-6)


@pytest.mark.parametrize("shape", [(1, 9), (2, 9), (4, 3), (6, 1), (1, 1)])
def test_small_images(shape):
    along_x, along_y = gradient(np.arange(9.0)[: shape[1]] * np.ones(shape))
    assert_allclose(along_x[:, 2:-2], 1.0)
    assert not along_y.any()


def test_noise_of_a_gradient():
    first, second = np.random.default_rng(2).standard_normal((2, 400, 400))
    along_x, _ = gradient(0.5 * (first + second))
    ratio = along_x[:, 2:-2].var() / (first - second).var()
    # 160 000 cells, every one of which is used four times.
    assert ratio == pytest.approx(GRADIENT_NOISE, rel=0.02)
