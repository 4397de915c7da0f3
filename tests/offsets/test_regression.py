"""Robust regression of differences on gradients."""

import numpy as np
import pytest

from jwst_mosaic_skymatch.offsets.correlation import CellCorrelation, drizzle_correlation
from jwst_mosaic_skymatch.offsets.regression import robust_regression

N = 20000


def regress(values, regressors, variance=None, gradient_squared=None):
    """Regress in single precision, as the images are."""
    ones, zeros = np.ones(values.size), np.zeros(values.size)
    return robust_regression(
        *(
            np.asarray(array, dtype=np.float32)
            for array in (
                values,
                np.reshape(regressors, (-1, values.size)),
                ones if variance is None else variance,
                zeros if gradient_squared is None else gradient_squared,
            )
        )
    )


def test_coefficients_and_their_errors():
    pulls = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        slopes, variance = rng.standard_normal((2, 500)), rng.uniform(0.5, 2.0, 500)
        values = 2.0 + 0.3 * slopes[0] - 0.7 * slopes[1]
        values += np.sqrt(0.01 * variance) * rng.standard_normal(500)
        fit = regress(values, slopes, variance)
        pulls.append((fit.coefficients - [2.0, 0.3, -0.7]) / np.sqrt(np.diag(fit.covariance)))
    # 200 pulls give their mean to 0.07 and their width to 0.05.
    np.testing.assert_allclose(np.mean(pulls, axis=0), 0.0, atol=0.25)
    np.testing.assert_allclose(np.std(pulls, axis=0), 1.0, atol=0.18)


def test_outliers_and_steep_cells_lose_their_weight():
    rng = np.random.default_rng(3)
    gradient_squared = 1e-3 * rng.exponential(1.0, N)
    steep, hit = gradient_squared > 2e-3, rng.random(N) < 0.1
    values = 0.5 + 0.01 * rng.standard_normal(N) * np.where(steep, 10.0, 1.0)
    values[hit] += 3.0
    fit = regress(values, [], gradient_squared=gradient_squared)
    error = np.sqrt(fit.covariance[0, 0])
    assert abs(fit.coefficients[0] - 0.5) < 4 * error
    # As if steep cells, a seventh of all, and outliers, a tenth, were not there.
    assert error < 1.3 * 0.01 / np.sqrt(0.78 * N)
    assert not fit.used[hit].any()
    assert fit.used[~hit].mean() > 0.99


@pytest.mark.parametrize("level", [0.0, 1e3])
def test_level_does_not_cost_precision(level):
    """Gradients are small numbers beside it, and the sums are in single precision."""
    rng = np.random.default_rng(4)
    slopes = 1e-3 * rng.standard_normal((2, N))
    values = 0.1 * slopes.sum(axis=0) + 1e-3 * rng.standard_normal(N)
    fit, expected = regress(level + values, slopes), regress(values, slopes)
    # The rounding of the values themselves, 6e-5 at a thousand, in 20 000 of them.
    error = np.sqrt(np.diag(expected.covariance))
    np.testing.assert_array_less(
        np.abs(fit.coefficients - expected.coefficients - [level, 0.0, 0.0]), 0.1 * error
    )


def test_values_that_are_fitted_exactly():
    slopes = np.random.default_rng(5).integers(-4, 5, N)
    values = 2.0 + 0.5 * slopes
    values[: N // 10] += 7.0
    fit = regress(values, slopes)
    np.testing.assert_allclose(fit.coefficients, [2.0, 0.5], rtol=1e-6)
    np.testing.assert_array_equal(fit.covariance, 0.0)
    assert not fit.used[: N // 10].any()


def test_flat_sky_says_nothing_of_a_shift():
    """Its gradient is zero everywhere, and noise of neighbours hides as much of any variance."""
    valid = np.ones((50, 50), dtype=bool)
    values = np.random.default_rng(7).standard_normal(valid.size).astype(np.float32)
    flat, ones = np.zeros((2, valid.size), dtype=np.float32), np.ones_like(values)
    alone = robust_regression(values, flat, ones, flat[0])
    shared = CellCorrelation(valid=valid, of_mean=1.5)
    fit = robust_regression(values, flat, ones, flat[0], shared)
    np.testing.assert_allclose(fit.coefficients, alone.coefficients)
    np.testing.assert_allclose(fit.coefficients[1:], 0.0)
    np.testing.assert_allclose(fit.covariance, 1.5 * alone.covariance)


def test_noise_of_gradients_shrinks_a_shift_as_the_response_says():
    """On a sky whose structure is not much above the noise."""
    found, responses = [], []
    rng = np.random.default_rng(6)
    for _ in range(40):
        slope = 0.1 * rng.standard_normal(4000)
        first, second = 0.1 * rng.standard_normal((2, 4000))
        # The variance of a gradient's noise over that of a difference, see `gradient`.
        noisy = slope + np.sqrt(0.2257) * (first + second)
        fit = regress(0.5 * slope + first - second, noisy)
        found.append(fit.coefficients[1])
        responses.append(fit.response[1, 1])
    response = np.mean(responses)
    assert response < 0.75
    # An error of a fit is 0.02.
    assert np.mean(found) == pytest.approx(0.5 * response, abs=0.02)


def test_covariance_is_positive_where_a_few_stars_decide():
    """Gradients change sign from cell to cell, and steep cells may scatter less than expected."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        valid = rng.random((40, 40)) > 0.1
        stars = np.zeros(valid.shape)
        stars[tuple(rng.integers(2, 38, (2, 3)))] = rng.uniform(1.0, 300.0, 3)
        slopes = np.stack([slope[valid] for slope in np.gradient(stars)]).astype(np.float32)
        values = 0.1 * rng.standard_normal(valid.sum()).astype(np.float32)
        values[np.any(slopes != 0.0, axis=0)] *= 0.1
        fit = robust_regression(
            values,
            slopes,
            np.full(values.shape, 0.01, dtype=np.float32),
            np.square(slopes).sum(axis=0),
            CellCorrelation(valid=valid, of_mean=drizzle_correlation(2.2**2)),
        )
        assert np.linalg.eigvalsh(fit.covariance)[0] > 0
