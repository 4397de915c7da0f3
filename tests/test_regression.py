from dataclasses import replace

import numpy as np
import pytest
from helpers import make_tile, rms, structured_sky

from jwst_mosaic_skymatch.correlation import CellCorrelation, drizzle_correlation
from jwst_mosaic_skymatch.gradient import gradient
from jwst_mosaic_skymatch.noise import UNIFORM, measure_noise
from jwst_mosaic_skymatch.pairs import measure_offset
from jwst_mosaic_skymatch.regression import robust_regression
from jwst_mosaic_skymatch.statistic import Statistic
from jwst_mosaic_skymatch.tile import shift_tile

BIWEIGHT = Statistic()


def displaced(dx, dy):
    return lambda x, y: structured_sky(x - dx, y - dy)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.15, -0.1), (-0.4, 0.3)])
def test_displacement_does_not_pass_for_an_offset(shift):
    first = make_tile(0, 0, (80, 90), level=1.0, noise=0.01, seed=1, sky=displaced(*shift))
    second = make_tile(5, -3, (80, 90), level=0.2, noise=0.01, seed=2, sky=structured_sky)
    offset = measure_offset(first, second, BIWEIGHT, min_cells=25)
    error = np.sqrt(offset.variance)
    assert offset.value == pytest.approx(0.8, abs=4 * error)
    np.testing.assert_allclose(offset.shift, shift, atol=0.01)


@pytest.mark.parametrize("shift", [(0.15, -0.1), (-0.4, 0.3)])
def test_without_fitted_shift_it_does(shift):
    errors = {True: [], False: []}
    for k in range(10):
        noise = {"noise": 0.01, "seed": 100 + 2 * k}
        first = make_tile(0, 0, (80, 90), **noise, sky=displaced(*shift))
        second = make_tile(5, -3, (80, 90), **{**noise, "seed": 101 + 2 * k}, sky=structured_sky)
        for fit_shift, found in errors.items():
            offset = measure_offset(first, second, BIWEIGHT, min_cells=25, fit_shift=fit_shift)
            assert np.isnan(offset.shift).all() != fit_shift
            found.append(offset.value)
    assert rms(errors[False]) > 2 * rms(errors[True])


def test_shift_tile_moves_an_image_back():
    straight = make_tile(0, 0, (60, 60), sky=structured_sky)
    moved = shift_tile(make_tile(0, 0, (60, 60), sky=displaced(0.3, -0.2)), 0.3, -0.2)
    np.testing.assert_allclose(moved.data[4:-4, 4:-4], straight.data[4:-4, 4:-4], atol=2e-3)


def test_variance_of_offsets_is_their_scatter():
    offsets = [
        measure_offset(
            make_tile(0, 0, (30, 30), noise=0.1, seed=2 * k, sky=structured_sky),
            make_tile(0, 0, (30, 30), noise=0.1, seed=2 * k + 1, sky=structured_sky),
            BIWEIGHT,
            min_cells=25,
        )
        for k in range(300)
    ]
    claimed = np.mean([o.variance for o in offsets])
    assert claimed == pytest.approx(np.var([o.value for o in offsets]), rel=0.25)


def test_outliers_and_steep_cells_lose_their_weight():
    rng = np.random.default_rng(3)
    n = 20000
    steepness = 1e-3 * rng.exponential(1.0, n)
    values = 0.5 + 0.01 * rng.standard_normal(n) * np.where(steepness > 2e-3, 10.0, 1.0)
    values[rng.random(n) < 0.1] += 3.0
    fit = robust_regression(
        values.astype(np.float32),
        np.zeros((0, n), dtype=np.float32),
        np.ones(n, dtype=np.float32),
        steepness.astype(np.float32),
    )
    error = np.sqrt(fit.covariance[0, 0])
    assert abs(fit.coefficients[0] - 0.5) < 4 * error
    assert error < 1.3 * 0.01 / np.sqrt(0.78 * n)  # as if steep cells and outliers were not there


@pytest.mark.parametrize("ratio", [0.7, 1.03, 1.5, 2.2, 8.0])
def test_drizzle_correlation(ratio):
    """Against drizzled white noise: variance of block means over that of cells."""
    rng = np.random.default_rng(4)
    weights = drizzle_weights(200, ratio)[:, 5:-5]
    noise = rng.standard_normal((4000, len(weights)))
    values = noise @ weights
    along_one_axis = values.mean(axis=1).var() * values.shape[1] / values.var()
    assert drizzle_correlation(ratio**2) == pytest.approx(along_one_axis**2, rel=0.12)


def drizzle_weights(n_cells, ratio):
    """Weights of the pixels of one axis (rows) in cells (columns) ``ratio`` pixels long."""
    edges = np.arange(int(n_cells * ratio) + 2) + 0.37
    cells = ratio * np.arange(n_cells + 1)
    low = np.maximum(edges[:-1, None], cells[:-1])
    overlap = np.maximum(np.minimum(edges[1:, None], cells[1:]) - low, 0.0)
    return overlap / overlap.sum(axis=0)


def test_errors_know_how_drizzle_correlates_cells():
    """A mean keeps the noise that neighbours share; a displacement of narrow things less."""
    rng = np.random.default_rng(5)
    weights = drizzle_weights(30, 2.2)
    y, x = np.indices((30, 30))
    stars = np.where((x % 7 == 3) & (y % 7 == 3), 3.0, 0.0)

    def tile():
        noise = weights.T @ rng.standard_normal((len(weights),) * 2) @ weights
        made = make_tile(0, 0, noise.shape)
        return replace(made, data=(stars + noise).astype(np.float32), pixels_per_cell=2.2**2)

    fits = [measure_offset(tile(), tile(), BIWEIGHT, min_cells=25).fit for _ in range(300)]
    pulls = np.array([f.estimate / np.sqrt(np.diag(f.covariance)) for f in fits])
    np.testing.assert_allclose(pulls.std(axis=0), 1.0, atol=0.1)


def test_covariance_is_positive_where_a_few_stars_decide():
    """Gradients change sign from cell to cell, and steep cells may scatter less than expected."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        known = rng.random((40, 40)) > 0.1
        stars = np.zeros(known.shape)
        stars[tuple(rng.integers(2, 38, (2, 3)))] = rng.uniform(1.0, 300.0, 3)
        slopes = np.stack([slope[known] for slope in np.gradient(stars)]).astype(np.float32)
        values = 0.1 * rng.standard_normal(known.sum()).astype(np.float32)
        values[np.any(slopes != 0.0, axis=0)] *= 0.1
        fit = robust_regression(
            values,
            slopes,
            np.full(values.shape, 0.01, dtype=np.float32),
            np.square(slopes).sum(axis=0),
            CellCorrelation(known, drizzle_correlation(2.2**2)),
        )
        assert np.linalg.eigvalsh(fit.covariance)[0] > 0


def test_gradient_beside_holes():
    y, x = np.indices((20, 30), dtype=float)
    image = 2.0 * x - 3.0 * y
    image[5, 7] = np.nan
    image[10, :] = np.nan
    image[0, 1:] = np.nan  # leaves a cell without neighbours along x
    along_x, along_y = gradient(image)
    known = np.isfinite(image)
    assert (np.isfinite(along_x) == known).all()
    assert along_x[0, 0] == 0.0
    np.testing.assert_allclose(along_x[1:][known[1:]], 2.0, atol=1e-6)
    np.testing.assert_allclose(along_y[1:][known[1:]], -3.0, atol=1e-6)


def test_noise_curve_follows_the_quoted_errors():
    rng = np.random.default_rng(5)
    data = rng.uniform(1.0, 20.0, (300, 300))
    error = np.sqrt(0.01 + 0.002 * data)
    curve = measure_noise(data, error, np.ones(data.shape, dtype=bool))
    np.testing.assert_allclose(curve(np.array([3.0, 10.0])), [0.016, 0.03], rtol=0.02)
    assert curve.measured


@pytest.mark.parametrize("error", [None, np.zeros((50, 50)), np.full((50, 50), np.nan)])
def test_noise_without_errors(error):
    good = np.ones((50, 50), dtype=bool)
    assert measure_noise(np.ones((50, 50)), error, good) is UNIFORM


def test_wings_of_an_afterglow_do_not_count():
    y, x = np.indices((80, 80))
    glow = 2.0 / (1.0 + np.exp((np.hypot(x - 30, y - 40) - 14.0) / 0.6))
    offsets = []
    for seed in range(20):
        first = make_tile(0, 0, (80, 80), noise=0.1, seed=2 * seed, sky=structured_sky)
        second = make_tile(0, 0, (80, 80), noise=0.1, seed=2 * seed + 1, sky=structured_sky)
        first.data[...] += glow
        offsets.append(measure_offset(first, second, BIWEIGHT, min_cells=25, fit_shift=False))
    values = np.array([o.value for o in offsets])
    error = np.sqrt(offsets[0].variance)
    assert abs(values.mean()) < 0.5 * error
    assert offsets[0].n_cells < 80 * 80 - np.pi * 16**2
