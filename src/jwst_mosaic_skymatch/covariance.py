"""Inverses of normal matrices, and errors of levels from the joint one."""

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.linalg import splu

from jwst_mosaic_skymatch.tile import candidate_pairs, overlap_windows

__all__ = ["GroundedInverse", "covariance_of_components", "joint_normal_matrix"]

# Columns of an inverse that are held at a time.
BATCH = 256


class GroundedInverse:
    """Inverse of a sparse normal matrix with some unknowns held at zero.

    Parameters
    ----------
    normal : sparse array, shape (n, n)
        Symmetric matrix, positive definite but for one constant in each
        connected component.
    ground : sequence of int
        Unknowns held at zero, one in each component.
    """

    def __init__(self, normal, ground):
        self._n = normal.shape[0]
        free = np.ones(self._n, dtype=bool)
        free[ground] = False
        self._free = np.flatnonzero(free)
        self._factor = None
        if self._free.size:
            reduced = normal.tocsc()[:, self._free].tocsr()[self._free].tocsc()
            self._factor = splu(
                reduced,
                permc_spec="MMD_AT_PLUS_A",
                diag_pivot_thresh=0.0,
                options={"SymmetricMode": True},
            )

    def solve(self, right):
        """Solve for one or several right-hand sides.

        Parameters
        ----------
        right : ndarray, shape (n,) or (n, k)
            Right-hand sides.

        Returns
        -------
        ndarray of float64
            Solutions, of the same shape.
        """
        found = np.zeros(np.shape(right))
        if self._factor is not None:
            found[self._free] = self._factor.solve(np.ascontiguousarray(right[self._free]))
        return found

    def quadratic_forms(self, rows):
        """Compute x K x for each row x, K the inverse.

        Parameters
        ----------
        rows : sparse array, shape (k, n)
            The vectors.

        Returns
        -------
        ndarray, shape (k,)
            Variances of what the rows take from the unknowns.
        """
        forms = np.zeros(rows.shape[0])
        rows = rows.tocsr()
        for start in range(0, rows.shape[0], BATCH):
            batch = rows[start : start + BATCH].toarray().T
            forms[start : start + BATCH] = np.sum(batch * self.solve(batch), axis=0)
        return forms


def joint_normal_matrix(information, inflation):
    r"""Build the normal matrix of all levels with the sky eliminated.

    Parameters
    ----------
    information : sequence of CoarseMap
        Inverse variance of each tile, in small blocks of cells of one grid.
    inflation : sequence of float
        Factor on the variance of each tile's noise.

    Returns
    -------
    sparse array, shape (n, n)
        Inverse variances, (MJy/sr)^-2. Row sums are zero.

    Notes
    -----
    Every cell k is one unknown of the sky, seen by tile i with inverse variance
    :math:`w_{ik}`. Eliminating the sky leaves
    :math:`A_{ij} = \sum_k w_{ik} (\delta_{ij} - w_{jk} / \sum_l w_{lk})`.
    Unlike the covariance of pairwise fits it knows that pairs share noise.
    Cells of a block are taken together.
    """
    scales = [np.float32(1.0 / factor) for factor in inflation]
    pairs = candidate_pairs(information)
    neighbours = [[] for _ in information]
    for i, j in pairs:
        neighbours[i].append(j)
        neighbours[j].append(i)
    first, second, shared = [], [], []
    for i, own in enumerate(information):
        # One tile's window at a time: no array is larger than a tile.
        total = own.weight * scales[i]
        for j in neighbours[i]:
            mine, theirs = overlap_windows(own, information[j])
            total[mine] += information[j].weight[theirs] * scales[j]
        share = own.weight * scales[i] / np.maximum(total, np.finfo(np.float32).tiny)
        for j in neighbours[i]:
            if j > i:
                mine, theirs = overlap_windows(own, information[j])
                first.append(i)
                second.append(j)
                overlap = np.vdot(share[mine], information[j].weight[theirs])
                shared.append(float(overlap) * float(scales[j]))
    n = len(information)
    ends = (np.array(first, dtype=int), np.array(second, dtype=int))
    upper = sparse.coo_array((np.array(shared), ends), shape=(n, n)).tocsr()
    ties = upper + upper.T
    return (sparse.diags_array(ties.sum(axis=1)) - ties).tocsr()


def covariance_of_components(normal, components):
    """Invert a small normal matrix within each connected component.

    Parameters
    ----------
    normal : ndarray, shape (n, n)
        Normal matrix with zero row sums.
    components : ndarray of int, shape (n,)
        Component of each unknown; -1 for none.

    Returns
    -------
    ndarray, shape (n, n)
        Covariance of levels whose mean over each component is zero; NaN for
        unknowns without component.
    """
    covariance = np.zeros_like(normal)
    for component in range(components.max(initial=-1) + 1):
        members = np.flatnonzero(components == component)
        block = normal[np.ix_(members, members)]
        # What leads out of the component (too few cells to be a pair) is no tie.
        block = block - np.diag(block.sum(axis=1))
        # The pseudo-inverse of a Laplacian: lift its null vector, invert, drop it.
        lift = np.full_like(block, np.trace(block) / len(members) ** 2)
        if len(members) > 1:
            inverse = linalg.inv(block + lift)
            centre = np.eye(len(members)) - 1.0 / len(members)
            covariance[np.ix_(members, members)] = centre @ inverse @ centre
    outside = components < 0
    covariance[outside], covariance[:, outside] = np.nan, np.nan
    return covariance
