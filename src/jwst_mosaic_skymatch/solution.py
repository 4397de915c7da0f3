"""Levels from pairwise offsets by weighted least squares."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import spsolve

from jwst_mosaic_skymatch.covariance import covariance_of_components

__all__ = [
    "Solution",
    "connected_parts",
    "incidence_matrix",
    "solve_levels",
    "solve_shifts",
]

# Offsets come from float32 images: nothing is known better than its rounding.
ROUNDING = float(np.finfo(np.float32).eps)


# Pairs that disagree with the solution by more than this, in sigma, count nothing;
# within 2 sigma they keep nine tenths of their weight.
PAIR_CUTOFF = 9.0


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
    residuals : ndarray of float64, shape (n_pairs,)
        Offset minus the difference of the levels, MJy/sr.
    weights : ndarray of float64, shape (n_pairs,)
        Weight of each equation in the end.
    trust : ndarray of float64, shape (n_pairs,)
        What is left of each equation's weight after comparison with all
        others: 1 for a pair that agrees, 0 for one that is left out.
    """

    levels: np.ndarray
    components: np.ndarray
    residuals: np.ndarray
    weights: np.ndarray
    trust: np.ndarray

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

    An offset that contradicts all loops through it is found by least absolute
    deviations and then left out by the biweight on its residual.
    """
    first, second = _ends(offsets)
    value = np.array([offset.value for offset in offsets], dtype=float)
    precision = _weights(offsets)
    weight = precision if weighted else np.ones(len(offsets))
    parts = connected_parts(n, offsets)
    fit = partial(_fit, incidence_matrix(n, offsets), parts, value)
    levels, residual = fit(weight)
    trust = np.ones(len(offsets))
    redundancy = len(offsets) - n + len(np.unique(parts))
    if weighted and redundancy > 0 and np.abs(residual * np.sqrt(precision)).max() > 3.0:
        trust = _trust(fit, weight, residual)
        levels, residual = fit(weight * trust)
    in_pair = np.bincount(np.r_[first, second], minlength=n) > 0
    components = np.full(n, -1)
    # Parts are in ascending order already; single ones drop out.
    components[in_pair] = np.unique(parts[in_pair], return_inverse=True)[1]
    levels = np.where(in_pair, levels, np.nan)
    return Solution(levels, components, residual, weight * trust, trust)


def solve_shifts(n, offsets, trust, covariance):
    """Solve for the displacement of each member from those of the pairs.

    Parameters
    ----------
    n : int
        Number of members.
    offsets : sequence of PairOffset
        Pairs with their shifts, cells.
    trust : ndarray, shape (n_pairs,)
        Share of its weight that each pair has kept.
    covariance : ndarray, shape (n, n)
        Joint covariance of the members' levels.

    Returns
    -------
    shifts, variances : ndarray, shape (n, 2)
        Displacements (x, y) with zero mean over each connected part, cells, and
        their variances; NaN for members without a pair, or when shifts were not
        fitted.

    Notes
    -----
    Pairs share noise, which the covariance of pairwise fits does not know. It
    makes the errors of the levels too small by a factor that depends on how
    often the sky was seen, and those of the shifts by the same.
    """
    shifts, variances = np.full((n, 2), np.nan), np.full((n, 2), np.nan)
    if not offsets or not np.isfinite(offsets[0].shift).all():
        return shifts, variances
    parts = connected_parts(n, offsets)
    incidence = incidence_matrix(n, offsets)
    in_pair = abs(incidence).sum(axis=0) > 0
    naive = _naive_variance(incidence, parts, _weights(offsets) * trust)
    shared = np.diag(covariance) / np.maximum(naive, np.finfo(float).tiny)
    for axis in (0, 1):
        value = np.array([offset.shift[axis] for offset in offsets])
        variance = np.array([offset.shift_variance[axis] for offset in offsets])
        # A pair on a flat sky says nothing; its variance may come out as zero.
        usable = variance > 0
        weight = np.where(usable, trust / np.where(usable, variance, 1.0), 1e-12)
        found, _ = _fit(incidence, parts, value, weight)
        shifts[in_pair, axis] = found[in_pair]
        errors = _naive_variance(incidence, parts, weight) * np.maximum(shared, 1.0)
        variances[in_pair, axis] = errors[in_pair]
    return shifts, variances


def _naive_variance(incidence, parts, weight):
    normal = (incidence.T @ sparse.diags_array(weight) @ incidence).toarray()
    return np.diag(covariance_of_components(normal, parts))


def incidence_matrix(n, offsets):
    """Build the matrix that takes levels to offsets.

    Parameters
    ----------
    n : int
        Number of levels.
    offsets : sequence of PairOffset
        The pairs.

    Returns
    -------
    sparse array, shape (n_pairs, n)
        +1 at the first and -1 at the second member of each pair.
    """
    first, second = _ends(offsets)
    rows = np.arange(len(offsets))
    signs = np.repeat([1.0, -1.0], len(offsets))
    ends = (np.concatenate([rows, rows]), np.concatenate([first, second]))
    return sparse.coo_array((signs, ends), shape=(len(offsets), n)).tocsc()


def _fit(incidence, parts, value, weight):
    """Solve with given weights; levels have zero mean over each part."""
    free = np.ones(len(parts), dtype=bool)
    free[np.unique(parts, return_index=True)[1]] = False
    levels = np.zeros(len(parts))
    if free.any():
        reduced = incidence[:, np.flatnonzero(free)]
        normal = (reduced.T @ sparse.diags_array(weight) @ reduced).tocsc()
        levels[free] = spsolve(normal, reduced.T @ (weight * value))
    levels -= (np.bincount(parts, levels) / np.bincount(parts))[parts]
    return levels, value - incidence @ levels


def _trust(fit, weight, residual):
    """Find how far each pair can be trusted."""
    for _ in range(30):  # least absolute deviations
        size = np.abs(residual * np.sqrt(weight))
        _, residual = fit(weight / np.maximum(size, 0.1))
    size = np.abs(residual * np.sqrt(weight))
    # A field whose pairs all disagree by more than their errors is judged by
    # its own scatter. Never zero, which would cut the graph.
    scale = PAIR_CUTOFF * max(1.0, 1.48 * float(np.median(size)))
    return np.maximum((1.0 - np.minimum(size / scale, 1.0) ** 2) ** 2, 1e-9)


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
