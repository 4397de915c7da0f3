"""Noise that cells have in common."""

import numpy as np
import pytest

from jwst_mosaic_skymatch.offsets.correlation import (
    BAND_ROWS,
    N_BANDS,
    CellCorrelation,
    drizzle_correlation,
)


@pytest.mark.parametrize("pixels_per_side", [0.7, 1.03, 1.5, 2.2, 8.0])
def test_drizzle_correlation(pixels_per_side):
    """Against drizzled white noise: variance of the mean over that of cells."""
    rng = np.random.default_rng(4)
    edges = np.arange(int(200 * pixels_per_side) + 2) + 0.37
    cells = pixels_per_side * np.arange(201)
    low, high = np.maximum(edges[:-1, None], cells[:-1]), np.minimum(edges[1:, None], cells[1:])
    weights = np.maximum(high - low, 0.0)
    weights = (weights / weights.sum(axis=0))[:, 5:-5]
    values = rng.standard_normal((4000, len(weights))) @ weights
    along_one_axis = values.mean(axis=1).var() * values.shape[1] / values.var()
    # 4000 means give their variance to 2.2 %, its square to 4.5 %.
    assert drizzle_correlation(pixels_per_side**2) == pytest.approx(along_one_axis**2, rel=0.12)


def test_hardly_any_correlation_in_large_cells():
    assert drizzle_correlation(1e8) == pytest.approx(1.0, abs=1e-4)


@pytest.fixture
def correlation():
    return CellCorrelation(valid=np.random.default_rng(2).random((6, 5)) > 0.3, of_mean=1.8)


def test_sums_over_neighbours(correlation):
    """Against a matrix with a fifth of the variance for each of four neighbours."""
    y, x = np.nonzero(correlation.valid)
    distance = np.abs(y[:, None] - y) + np.abs(x[:, None] - x)
    matrix = np.where(distance == 1, 0.8 / 4, 0.0)
    columns = np.random.default_rng(3).standard_normal((3, x.size))
    alone, between = correlation.products(columns)
    np.testing.assert_allclose(alone, columns @ columns.T)
    np.testing.assert_allclose(between, columns @ matrix @ columns.T)


def test_constant_gets_the_variance_of_a_mean():
    n = 200
    correlation = CellCorrelation(valid=np.ones((n, n), dtype=bool), of_mean=1.8)
    alone, between = correlation.products(np.ones((1, n**2)))
    # At the edges of an image neighbours are missing.
    assert (alone + between) / alone == pytest.approx(1.8, rel=0.01)


def test_bands_of_a_large_overlap_stand_for_all_of_it():
    """Both sums over the cells of every third band of rows, with the neighbours outside it."""
    rng = np.random.default_rng(5)
    valid = rng.random((BAND_ROWS * N_BANDS * 3, 4)) > 0.3
    columns = rng.standard_normal((2, np.count_nonzero(valid)))
    alone, between = CellCorrelation(valid=valid, of_mean=1.8).products(columns)
    y, x = np.nonzero(valid)
    mine = y // BAND_ROWS % 3 == 0
    np.testing.assert_allclose(alone, columns[:, mine] @ columns[:, mine].T)
    right = (y[:, None] == y) & (x[:, None] + 1 == x)
    below = (y[:, None] + 1 == y) & (x[:, None] == x)
    matrix = np.where(mine[:, None] & (right | below), 0.8 / 4, 0.0)
    one_way = columns @ matrix @ columns.T
    np.testing.assert_allclose(between, one_way + one_way.T)


def test_independent_cells():
    columns = np.random.default_rng(3).standard_normal((2, 7))
    _, between = CellCorrelation.none(7).products(columns)
    np.testing.assert_array_equal(between, 0.0)
