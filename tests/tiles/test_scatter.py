"""Scatter of residuals, and how it grows with the gradient."""

import numpy as np
import pytest

from jwst_mosaic_skymatch.tiles.scatter import (
    CUTOFF,
    SHIFT_SCATTER,
    biweight,
    growth_with_gradient,
    scale_of,
)

N = 20000


def test_scale_ignores_outliers():
    values = np.random.default_rng(1).normal(0.0, 0.3, N)
    # The error of a median absolute deviation is 1.17 / sqrt(2 n).
    assert scale_of(values) == pytest.approx(0.3, rel=0.03)
    values[: N // 100] = 1e6
    assert scale_of(values) == pytest.approx(0.3, rel=0.04)


def test_biweight_of_single_values():
    weights = biweight(np.array([0.0, 0.5 * CUTOFF, -0.5 * CUTOFF, CUTOFF, -9.0]))
    np.testing.assert_allclose(weights, [1.0, 0.5625, 0.5625, 0.0, 0.0], atol=1e-12)


@pytest.mark.parametrize("growth", [300.0, 3000.0])
def test_growth_of_the_variance(growth):
    """Residuals with hits, of which the flatter half has more variance as well."""
    rng = np.random.default_rng(3)
    squares = rng.exponential(1e-3, N)
    residual = rng.standard_normal(N) * np.sqrt(1.0 + growth * squares)
    residual[::50] += 30.0
    measured = growth_with_gradient(residual, np.ones(N), squares)
    flat = 1.0 + growth * 0.3e-3
    assert measured == pytest.approx(growth / flat, rel=0.2)


@pytest.mark.parametrize(
    ("n", "scatter", "steepest", "expected"),
    [(N, 0.0, 1.0, 0.0), (N, 1.0, 0.0, 0.0), (5, 1.0, 1.0, None), (N, 1.0, 1e-9, None)],
)
def test_least_growth(n, scatter, steepest, expected):
    """None without scatter or slopes; that of the scatter of shifts where no more is measured."""
    residual = scatter * np.random.default_rng(4).standard_normal(n)
    growth = growth_with_gradient(residual, np.ones(n), np.linspace(0.0, steepest, n))
    if expected is None:
        expected = SHIFT_SCATTER**2 / scale_of(residual[: -(n // 2)] if n > 60 else residual) ** 2
        assert growth >= expected * (1.0 - 1e-9)
    else:
        assert growth == expected
