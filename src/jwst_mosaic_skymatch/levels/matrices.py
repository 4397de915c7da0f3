"""Sparse matrices from their elements, their connected parts, and factorizations."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import SuperLU, splu

__all__ = ["Factorization", "connected_parts", "sparse_matrix"]

# Right-hand sides that are solved for at a time.
BATCH = 64

# Part that is added to the diagonal of a matrix before it is factorized.
RIDGE = 1e-13


def sparse_matrix(
    shape: tuple[int, int], rows: ArrayLike, columns: ArrayLike, values: ArrayLike = 1.0
) -> sparse.csr_array:
    """Build a matrix from its elements.

    Parameters
    ----------
    shape : tuple of int
        Shape of the matrix.
    rows, columns : array-like of int
        Row and column of each element.
    values : array-like, optional
        The elements, of a shape that can be broadcast; elements of one place are added.

    Returns
    -------
    sparse array
        The matrix.
    """
    rows, columns, values = (
        part.ravel() for part in np.broadcast_arrays(rows, columns, np.asarray(values, dtype=float))
    )
    places = rows.astype(int), columns.astype(int)
    return sparse.coo_array((values, places), shape=shape).tocsr()


def connected_parts(n: int, pairs: ArrayLike) -> np.ndarray:
    """Label the nodes of a graph by its connected parts.

    Parameters
    ----------
    n : int
        Number of nodes.
    pairs : array-like of int, shape (n_pairs, 2)
        The two nodes of each pair.

    Returns
    -------
    ndarray of int, shape (n,)
        Part of each node, counted from 0 in the order of the first node of each.
    """
    graph = sparse_matrix((n, n), *np.array(pairs, dtype=int).reshape(-1, 2).T)
    # scipy visits the nodes in their order, which a test checks.
    return connected_components(graph, directed=False)[1]


class Factorization:
    """Factorization of a symmetric positive definite matrix.

    Parameters
    ----------
    matrix : sparse array, shape (n, n)
        The matrix, by rows.
    """

    def __init__(self, matrix: sparse.csr_array) -> None:
        by_columns = matrix.T  # without a copy, as it is symmetric
        try:
            self._lu = _factorize(by_columns)
        except RuntimeError:  # a weak prior alone constrains an unknown: singular to rounding
            ridge = sparse.diags_array(RIDGE * by_columns.diagonal())
            self._lu = _factorize((by_columns + ridge).tocsc())

    @property
    def log_determinant(self) -> float:
        """Logarithm of the determinant."""
        return float(np.sum(np.log(np.abs(self._lu.U.diagonal()))))

    def solve(self, right: np.ndarray) -> np.ndarray:
        """Solve for one or several right-hand sides.

        Parameters
        ----------
        right : ndarray, shape (n,) or (n, k)
            The right-hand sides.

        Returns
        -------
        ndarray, shape (n,) or (n, k)
            The solutions.
        """
        return self._lu.solve(right)

    def variances(self, rows: sparse.sparray) -> np.ndarray:
        """Compute the variances of linear combinations, if the inverse is a covariance.

        Parameters
        ----------
        rows : sparse array, shape (k, n)
            The combinations.

        Returns
        -------
        ndarray, shape (k,)
            Their variances.
        """
        rows = rows.tocsr()
        variances = np.zeros(rows.shape[0])
        for start in range(0, len(variances), BATCH):
            batch = rows[start : start + BATCH].toarray().T
            variances[start : start + BATCH] = np.sum(batch * self.solve(batch), axis=0)
        return variances


def _factorize(matrix: sparse.csc_array) -> SuperLU:
    return splu(
        matrix,
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
