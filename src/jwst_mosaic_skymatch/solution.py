"""Levels from pairwise offsets by weighted least squares."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import spsolve

__all__ = ["Solution", "connected_parts", "solve_levels"]

# Offsets come from float32 images: nothing is known better than its rounding.
ROUNDING = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Solution:
    """Levels that agree best with a set of pairwise offsets.

    Attributes
    ----------
    levels : ndarray of float64, shape (n,)
        Level of each unknown, MJy/sr, with zero mean over each connected
        component; NaN for an unknown that is in no pair.
    components : ndarray of int, shape (n,)
        Number of the connected component, counted in the order of its first
        member; -1 for an unknown that is in no pair.
    """

    levels: np.ndarray
    components: np.ndarray

    @property
    def n_components(self):
        """Number of connected components."""
        return int(self.components.max(initial=-1)) + 1


def connected_parts(n, offsets):
    """Label what is connected by offsets, directly or through others.

    Parameters
    ----------
    n : int
        Number of items.
    offsets : sequence of PairOffset
        The connections.

    Returns
    -------
    ndarray of int, shape (n,)
        Labels from 0, counted in the order of each part's first member.
    """
    first, second = _ends(offsets)
    graph = sparse.coo_array((np.ones(len(first)), (first, second)), shape=(n, n))
    _, labels = connected_components(graph, directed=False)
    # scipy promises no order of the labels; this one is the members'.
    _, start, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(start))[inverse]


def solve_levels(n, offsets, *, weighted=True):
    """Solve for levels from pairwise offsets.

    Parameters
    ----------
    n : int
        Number of unknown levels.
    offsets : sequence of PairOffset
        Measured offsets, MJy/sr, between the unknowns.
    weighted : bool, optional
        Weigh equations by the inverse variance of their offset; if False all
        weigh the same.

    Returns
    -------
    Solution
        The least-squares levels. Each connected component has one free
        constant, fixed by zero mean: the minimum-norm solution, as
        ``SkyMatchStep`` has it.

    Notes
    -----
    With incidence matrix B, weights W and offsets d the levels b solve the
    normal equations :math:`B^T W B b = B^T W d`. The matrix is the Laplacian
    of the weighted graph, singular once for each component; holding one member
    of each at zero makes it positive definite and changes nothing else.
    """
    first, second = _ends(offsets)
    value = np.array([offset.value for offset in offsets], dtype=float)
    weight = _weights(offsets) if weighted else np.ones(len(offsets))
    rows = np.arange(len(offsets))
    incidence = sparse.coo_array(
        (
            np.concatenate([np.ones(len(rows)), -np.ones(len(rows))]),
            (np.concatenate([rows, rows]), np.concatenate([first, second])),
        ),
        shape=(len(rows), n),
    ).tocsc()
    parts = connected_parts(n, offsets)
    free = np.ones(n, dtype=bool)
    free[np.unique(parts, return_index=True)[1]] = False
    levels = np.zeros(n)
    if free.any():
        reduced = incidence[:, np.flatnonzero(free)]
        normal = (reduced.T @ sparse.diags_array(weight) @ reduced).tocsc()
        levels[free] = spsolve(normal, reduced.T @ (weight * value))
    return _centred(levels, parts, in_pair=np.bincount(np.r_[first, second], minlength=n) > 0)


def _centred(levels, parts, in_pair):
    levels = levels - (np.bincount(parts, levels) / np.bincount(parts))[parts]
    levels[~in_pair] = np.nan
    components = np.full(len(parts), -1)
    # Parts are in ascending order already; single ones drop out.
    components[in_pair] = np.unique(parts[in_pair], return_inverse=True)[1]
    return Solution(levels, components)


def _ends(offsets):
    first = np.array([offset.first for offset in offsets], dtype=int)
    second = np.array([offset.second for offset in offsets], dtype=int)
    return first, second


def _weights(offsets):
    variance = np.array([offset.variance for offset in offsets])
    n_cells = np.array([offset.n_cells for offset in offsets])
    scale = max((abs(offset.value) for offset in offsets), default=0.0)
    floor = (ROUNDING * (scale or 1.0)) ** 2 / n_cells
    return 1.0 / np.maximum(variance, floor)
