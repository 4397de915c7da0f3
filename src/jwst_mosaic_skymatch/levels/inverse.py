"""Inverses of sparse normal matrices that leave constants free."""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

__all__ = ["GroundedInverse", "LevelCovariance", "subtract_means"]

# Columns of an inverse that are held at a time.
BATCH = 256


class GroundedInverse:
    """Inverse of a sparse normal matrix with some unknowns held at zero.

    Parameters
    ----------
    normal : sparse array, shape (n, n)
        Symmetric matrix, positive definite but for one constant in each
        connected part.
    ground : sequence of int
        Unknowns held at zero, one in each part.
    """

    def __init__(self, normal: sparse.sparray, ground: Sequence[int] | np.ndarray) -> None:
        self._n = normal.shape[0]
        self._free = np.delete(np.arange(self._n), ground)
        if self._free.size:
            reduced = normal.tocsc()[:, self._free].tocsr()[self._free].tocsc()
            self._factor = splu(
                reduced,
                permc_spec="MMD_AT_PLUS_A",
                diag_pivot_thresh=0.0,
                options={"SymmetricMode": True},
            )

    def solve(self, right: np.ndarray) -> np.ndarray:  # numpydoc ignore=PR01,RT01
        """Solve for one or several right-hand sides, shape (n,) or (n, k)."""
        solution = np.zeros(np.shape(right))
        if self._free.size:
            solution[self._free] = self._factor.solve(np.ascontiguousarray(right[self._free]))
        return solution

    @property
    def log_determinant(self) -> float:
        """Logarithm of the determinant of the matrix without what is held at zero."""
        if not self._free.size:
            return 0.0
        return float(np.sum(np.log(np.abs(self._factor.U.diagonal()))))

    def quadratic_forms(self, rows: sparse.sparray) -> np.ndarray:  # numpydoc ignore=PR01,RT01
        """Compute x K x for each row x of a sparse array (k, n), K the inverse."""
        forms = np.zeros(rows.shape[0])
        rows = rows.tocsr()
        for start in range(0, rows.shape[0], BATCH):
            batch = rows[start : start + BATCH].toarray().T
            forms[start : start + BATCH] = np.sum(batch * self.solve(batch), axis=0)
        return forms


class LevelCovariance:
    """Covariance of levels that have zero mean over each connected part.

    It is held as a factorized sparse matrix: for thousands of stacks the
    covariance itself would fill the memory.

    Parameters
    ----------
    normal : sparse array, shape (n, n)
        Normal matrix with zero row sums.
    parts : ndarray of int, shape (n,)
        Connected part of each level, from 0.
    """

    def __init__(self, normal: sparse.sparray, parts: np.ndarray) -> None:
        self.parts = parts
        # What leads out of a part (too few cells to be a pair) is no tie.
        ties = normal.tocoo()
        inside = (parts[ties.row] == parts[ties.col]) & (ties.row != ties.col)
        ends = (ties.row[inside], ties.col[inside])
        off = sparse.coo_array((ties.data[inside], ends), shape=ties.shape).tocsr()
        normal = off - sparse.diags_array(off.sum(axis=1))
        self._inverse = GroundedInverse(normal, np.unique(parts, return_index=True)[1])

    def apply(self, values: np.ndarray) -> np.ndarray:  # numpydoc ignore=PR01,RT01
        """Multiply one or several columns, shape (n,) or (n, k), with the covariance."""
        centred = subtract_means(values, self.parts)
        return subtract_means(self._inverse.solve(centred), self.parts)

    def columns(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:  # numpydoc ignore=YD01
        """Yield the numbers of some columns of the covariance, and these columns, (n, k)."""
        n = len(self.parts)
        for start in range(0, n, BATCH):
            numbers = np.arange(start, min(start + BATCH, n))
            yield numbers, self.apply(np.eye(n, numbers.size, -start))

    @property
    def variances(self) -> np.ndarray:
        """Diagonal of the covariance, an array of shape (n,)."""
        diagonals = [np.diag(columns[numbers]) for numbers, columns in self.columns()]
        return np.concatenate(diagonals)

    def of_differences(self, incidence: sparse.sparray) -> np.ndarray:  # numpydoc ignore=PR01,RT01
        """Find the variance of the difference of levels of each pair of an incidence matrix."""
        return self._inverse.quadratic_forms(incidence)


def subtract_means(
    values: np.ndarray, labels: np.ndarray
) -> np.ndarray:  # numpydoc ignore=PR01,RT01
    """Subtract from values (n,) or (n, k) their mean over each label, 0 and up."""
    n = len(labels)
    membership = sparse.csr_array((np.ones(n), (labels, np.arange(n))))
    means = (membership @ values).T / np.bincount(labels)
    return values - means.T[labels]
