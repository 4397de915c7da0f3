"""Scatter of residuals, and how it grows with the gradient."""

import numpy as np
import pytest
from numpy.random import default_rng
from numpy.testing import assert_allclose

from jwst_mosaic_skymatch.tiles.scatter import (
    CUTOFF,
    LARGEST_SCATTER,
    SHIFT_SCATTER,
    biweight,
    growth_with_gradient,
    scale_of,
)

N = 20000


def test_scale_ignores_outliers():
    values = default_rng(1).normal(0.0, 0.3, N)
    # The error of a median absolute deviation is 1.17 / sqrt(2 n).
    assert scale_of(values) == pytest.approx(0.3, rel=0.03)
    values[: N // 100] = 1e6
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


@pytest.mark.parametrize(("scatter", "steepest"), [(0.0, 1.0), (1.0, 0.0)])
def test_no_growth_without_scatter_or_slopes(scatter, steepest):
    residual = scatter * default_rng(4).standard_normal(N)
    assert growth_with_gradient(residual, np.ones(N), np.linspace(0.0, steepest, N)) == 0.0


def test_growth_of_few_values_is_that_of_the_scatter_of_shifts():
    residual = default_rng(4).standard_normal(5)
    growth = growth_with_gradient(residual, np.ones(5), np.linspace(0.0, 1.0, 5))
    assert growth == pytest.approx(SHIFT_SCATTER**2 / scale_of(residual) ** 2)
