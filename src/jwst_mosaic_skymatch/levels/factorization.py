"""Factorization of a sparse matrix, and as many elements of its inverse as the factors have."""

from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import SuperLU, splu

__all__ = ["Factorization"]

# Part that is added to the diagonal of a matrix before it is factorized.
RIDGE = 1e-13


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

    @cached_property
    def inverse(self) -> sparse.csc_array:
        """Elements of the inverse, at least those where the matrix has elements."""
        order = self._lu.perm_c
        return _selected_inverse(self._lu.L, self._lu.U.diagonal())[order][:, order]

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
            The combinations, each of unknowns that have common elements in the matrix.

        Returns
        -------
        ndarray, shape (k,)
            Their variances.
        """
        # By rounding the difference of two equal unknowns may be negative.
        return np.maximum((rows @ self.inverse).multiply(rows).sum(axis=1), 0.0)


def _selected_inverse(lower: sparse.csc_array, pivots: np.ndarray) -> sparse.csc_array:
    r"""Compute the elements of an inverse where the factors have elements.

    Parameters
    ----------
    lower : sparse array, shape (n, n)
        Factor L of a symmetric matrix :math:`L D L^T`, with a diagonal of one.
    pivots : ndarray, shape (n,)
        Diagonal of D.

    Returns
    -------
    sparse array, shape (n, n)
        The elements.

    Notes
    -----
    Column j of L has elements l in rows S below the diagonal. The inverse Z has
    :math:`Z_{Sj} = -Z_{SS} l` and :math:`Z_{jj} = 1 / D_j - l^T Z_{Sj}` [1]_. The column of the
    first row in S has elements in all of S, so that its block of Z contains :math:`Z_{SS}`.

    References
    ----------
    .. [1] Erisman & Tinney 1975, Communications of the ACM 18, 177, doi:10.1145/360680.360704
    """
    known, values = (np.split(own, lower.indptr[1:-1]) for own in (lower.indices, lower.data))
    rows, first_child = list(known), dict[int, int]()
    for j in range(len(pivots)):
        # Elements that cancel have been dropped from L, but the inverse has them.
        rows[j] = np.unique(rows[j])
        for parent in rows[j][1:2].tolist():
            rows[parent] = np.append(rows[parent], rows[j][1:])
            first_child.setdefault(parent, j)
    blocks = dict[int, np.ndarray]()
    for j in reversed(range(len(pivots))):
        own = rows[j]
        column = np.zeros(own.size)
        column[np.searchsorted(own, known[j])] = values[j]
        block = np.zeros((own.size, own.size))
        for parent in own[1:2].tolist():
            places = np.searchsorted(rows[parent], own[1:])
            block[1:, 1:] = blocks[parent][np.ix_(places, places)]
            if first_child[parent] == j:
                del blocks[parent]
        block[0] = block[:, 0] = -block @ column
        block[0, 0] = 1.0 / pivots[j] - column @ block[0]
        if j in first_child:
            blocks[j] = block
        values[j] = block[0] / (1.0 + (own == j))  # half of the diagonal
    starts = np.cumsum([0, *map(len, rows)])[: len(pivots) + 1]
    half = sparse.csc_array(
        (np.concatenate(values), np.concatenate(rows), starts), shape=lower.shape
    )
    return half + half.T


def _factorize(matrix: sparse.csc_array) -> SuperLU:
    return splu(
        matrix,
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
