"""Sparse inverses against dense ones."""

import numpy as np
import pytest
from scipy import sparse

from jwst_mosaic_skymatch.levels.inverse import GroundedInverse, LevelCovariance, subtract_means

PARTS = np.array([0, 1, 0, 0, 1, 2, 0])


@pytest.fixture
def normal():
    """A normal matrix with zero row sums, of three parts that nothing connects."""
    rng = np.random.default_rng(1)
    ties = np.triu(rng.uniform(0.5, 2.0, (7, 7)), 1) * (PARTS[:, None] == PARTS)
    ties += ties.T
    return np.diag(ties.sum(axis=1)) - ties


def test_grounded_inverse(normal):
    inverse = GroundedInverse(sparse.csr_array(normal), [0, 1, 5])
    expected = np.zeros((7, 7))
    free = [2, 3, 4, 6]
    expected[np.ix_(free, free)] = np.linalg.inv(normal[np.ix_(free, free)])
    np.testing.assert_allclose(inverse.solve(np.eye(7)), expected, atol=1e-12)
    np.testing.assert_allclose(inverse.solve(np.arange(7.0)), expected @ np.arange(7.0), atol=1e-12)
    rows = np.random.default_rng(2).standard_normal((300, 7))  # more than are held at a time
    forms = np.einsum("ka,ab,kb->k", rows, expected, rows)
    np.testing.assert_allclose(inverse.quadratic_forms(sparse.csr_array(rows)), forms, atol=1e-12)


def test_log_determinant_is_that_of_what_is_free(normal):
    ground = np.unique(PARTS, return_index=True)[1]
    free = np.setdiff1d(np.arange(len(PARTS)), ground)
    expected = np.linalg.slogdet(normal[np.ix_(free, free)])[1]
    found = GroundedInverse(sparse.csr_array(normal), ground).log_determinant
    assert found == pytest.approx(expected, rel=1e-12)


def test_all_unknowns_held():
    inverse = GroundedInverse(sparse.csr_array((2, 2)), [0, 1])
    np.testing.assert_array_equal(inverse.solve(np.ones(2)), 0.0)


def test_covariance_is_the_pseudoinverse(normal):
    """Which has zero mean over each part."""
    covariance = LevelCovariance(sparse.csr_array(normal), PARTS)
    dense = np.linalg.pinv(normal, rcond=1e-9)
    np.testing.assert_allclose(covariance.apply(np.eye(7)), dense, atol=1e-12)
    np.testing.assert_allclose(covariance.variances, np.diag(dense), atol=1e-12)
    incidence = np.array([[1, 0, -1, 0, 0, 0, 0], [0, 1, 0, 0, -1, 0, 0]], dtype=float)
    differences = covariance.of_differences(sparse.csr_array(incidence))
    np.testing.assert_allclose(differences, np.diag(incidence @ dense @ incidence.T), atol=1e-12)


def test_columns_come_in_batches():
    n = 300
    ties = sparse.diags_array(-np.ones(n - 1), offsets=1)
    normal = ties + ties.T
    normal = (normal - sparse.diags_array(normal.sum(axis=1))).tocsr()
    covariance = LevelCovariance(normal, np.zeros(n, dtype=int))
    numbers, columns = zip(*covariance.columns(), strict=True)
    assert max(map(len, numbers)) < n
    np.testing.assert_array_equal(np.concatenate(numbers), np.arange(n))
    dense = np.linalg.pinv(normal.toarray(), rcond=1e-9)
    # Levels at the ends of a chain of 300 have a variance of 100.
    np.testing.assert_allclose(np.concatenate(columns, axis=1), dense, atol=1e-7)


def test_ties_between_parts_do_not_count(normal):
    """Too few common cells to be a pair."""
    tied = normal.copy()
    tied[2, 4] = tied[4, 2] = -5.0
    found = LevelCovariance(sparse.csr_array(tied), PARTS).apply(np.eye(7))
    np.testing.assert_allclose(found, np.linalg.pinv(normal, rcond=1e-9), atol=1e-12)


def test_means_of_labels():
    values = np.array([[1.0, 10.0], [3.0, 20.0], [5.0, 60.0]])
    found = subtract_means(values, np.array([0, 1, 0]))
    np.testing.assert_allclose(found, [[-2.0, -25.0], [0.0, 0.0], [2.0, 25.0]])
    np.testing.assert_allclose(subtract_means(values[:, 0], np.array([0, 1, 0])), [-2.0, 0.0, 2.0])
