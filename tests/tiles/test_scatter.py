"""Scatter of residuals, and what depends on it."""

import numpy as np
import pytest

from jwst_mosaic_skymatch.tiles.scatter import (
    CUTOFF,
    FLAT,
    VarianceFactor,
    biweight,
    measure_factor,
    scale_of,
)

N = 20000


def residuals_and_slopes(steep_sigma):
    """Make residuals whose scatter is larger in the steepest tenth."""
    rng = np.random.default_rng(3)
    gradient_squared = rng.exponential(1e-3, N)
    steep = gradient_squared > np.quantile(gradient_squared, 0.9)
    return rng.standard_normal(N) * np.where(steep, steep_sigma, 1.0), gradient_squared


def test_scale_ignores_outliers():
    values = np.random.default_rng(1).normal(0.0, 0.3, N)
    # The error of a median absolute deviation is 1.17 / sqrt(2 n).
    assert scale_of(values) == pytest.approx(0.3, rel=0.03)
    values[: N // 100] = 1e6
    assert scale_of(values) == pytest.approx(0.3, rel=0.04)


def test_biweight_of_single_values():
    weights = biweight(np.array([0.0, 0.5 * CUTOFF, -0.5 * CUTOFF, CUTOFF, -9.0]) * 2.0, 2.0)
    np.testing.assert_allclose(weights, [1.0, 0.5625, 0.5625, 0.0, 0.0], atol=1e-12)


def test_factor_of_what_scatters_alike():
    residual, gradient_squared = residuals_and_slopes(1.0)
    factor = measure_factor(residual, np.ones(N), gradient_squared)
    np.testing.assert_array_equal(factor.factor, 1.0)


def test_factor_of_steep_cells():
    residual, gradient_squared = residuals_and_slopes(3.0)
    factor = measure_factor(residual, np.ones(N), gradient_squared)
    flat, steep = np.quantile(gradient_squared, [0.3, 0.97])
    # Some hundred values decide: ten percent on their variance.
    np.testing.assert_allclose(factor(np.array([flat, steep])), [1.0, 9.0], rtol=0.2)
    # Steeper than any: as the square of the gradient.
    steepest = factor.gradient_squared[-1]
    np.testing.assert_allclose(
        factor(np.array([10 * steepest])), 10 * factor(np.array([steepest])), rtol=1e-6
    )


def test_factor_grows_with_the_scatter_of_shifts():
    factor = VarianceFactor(gradient_squared=np.ones(1), factor=np.ones(1), slope=2.0)
    np.testing.assert_allclose(factor(np.array([0.0, 0.5, 5.0])), [1.0, 2.0, 11.0])


@pytest.mark.parametrize(
    ("n", "scatter", "steepest"), [(N, 0.0, 1.0), (5, 1.0, 1.0), (N, 1.0, 0.0)]
)
def test_no_factor_without_scatter_or_slopes_or_with_few_values(n, scatter, steepest):
    residual = scatter * np.random.default_rng(4).standard_normal(n)
    slopes = np.linspace(0.0, steepest, n)
    assert measure_factor(residual, np.ones(n), slopes) is FLAT
