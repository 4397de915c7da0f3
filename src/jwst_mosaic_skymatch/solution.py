"""Levels, and displacements, from pairwise measurements by weighted least squares."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from jwst_mosaic_skymatch.covariance import GroundedInverse
from jwst_mosaic_skymatch.scatter import SHIFT_SCATTER

__all__ = ["Solution", "connected_parts", "incidence_matrix", "solve_levels"]

# Offsets come from float32 images: nothing is known better than its rounding.
ROUNDING = float(np.finfo(np.float32).eps)

# Pairs that disagree with the solution by more than this, in sigma, count nothing;
# within 2 sigma they keep nine tenths of their weight.
PAIR_CUTOFF = 9.0

# No exposure lies much farther from its place than this, in cells. It matters
# only where a smooth sky cannot tell a displacement from an offset.
SHIFT_PRIOR = 0.25


@dataclass(frozen=True)
class Solution:
    """Levels and displacements that agree best with a set of pairs.

    Attributes
    ----------
    levels : ndarray of float64, shape (n,)
        Level of each unknown, MJy/sr, with zero mean over each connected
        component; NaN for an unknown that is in no pair.
    components : ndarray of int, shape (n,)
        Number of the connected component, counted in the order of its first
        member; -1 for an unknown that is in no pair.
    shifts, shift_variances : ndarray of float64, shape (n, 2)
        Displacements (x, y) with zero mean over each component, cells, and
        their variances if pairs were independent; NaN when not fitted.
    offsets, variances : ndarray of float64, shape (n_pairs,)
        Offset of each pair, MJy/sr, at the displacement that all pairs agree
        on, and its variance.
    residuals : ndarray of float64, shape (n_pairs,)
        These offsets minus the difference of the levels, MJy/sr.
    weights : ndarray of float64, shape (n_pairs,)
        Weight of each equation in the end.
    trust : ndarray of float64, shape (n_pairs,)
        What is left of each equation's weight after comparison with all
        others: 1 for a pair that agrees, 0 for one that is left out.
    level_variances : ndarray of float64, shape (n,)
        Variance of each level about the mean of its component, if pairs were
        independent and displacements known.
    inflation : ndarray of float64, shape (n,)
        Factor on it, because the displacements are fitted.
    pair_variances : ndarray of float64, shape (n_pairs,)
        Variance of what is fitted to each pair, if pairs were independent.
    pair_inflation : ndarray of float64, shape (n_pairs,)
        Factor that the fit of displacements makes in it.
    """

    levels: np.ndarray
    components: np.ndarray
    shifts: np.ndarray
    shift_variances: np.ndarray
    offsets: np.ndarray
    variances: np.ndarray
    residuals: np.ndarray
    weights: np.ndarray
    trust: np.ndarray
    level_variances: np.ndarray
    inflation: np.ndarray
    pair_variances: np.ndarray
    pair_inflation: np.ndarray

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


def solve_levels(n, offsets, *, weighted=True):
    r"""Solve for levels and displacements from pairwise measurements.

    Parameters
    ----------
    n : int
        Number of unknown levels.
    offsets : sequence of PairOffset
        Measured offsets, MJy/sr, between the unknowns.
    weighted : bool, optional
        Weigh equations by the inverse variance of their offset; if False all
        weigh the same, and displacements do not bear on the levels.

    Returns
    -------
    Solution
        The least-squares levels. Each connected component has one free
        constant, fixed by zero mean: the minimum-norm solution, as
        ``SkyMatchStep`` has it.

    Notes
    -----
    The displacement of an exposure is the same for all its pairs. A pair on a
    sky with one slope cannot tell displacement from offset; with displacements
    as unknowns of the exposures, other pairs tell it.

    A pair measures :math:`y = A (d, s) + n` (`PairFit`). Let k be the one
    combination of y whose noise is independent of that of the displacement. It
    says :math:`z = k y = d + \kappa s` with variance v, beside what y says of
    s alone. Both are summed into normal equations for a level and a
    displacement of each member, solved sparsely.

    An offset that contradicts all loops through it is found by least absolute
    deviations and then left out by the biweight on its residual.
    """
    parts = connected_parts(n, offsets)
    if not offsets:
        return _nothing(n)
    equations = _equations(n, parts, offsets, weighted)
    trust = np.ones((2, len(offsets)))
    levels, shifts, residuals, sizes = equations.solve(trust)
    redundancy = len(offsets) - n + len(np.unique(parts))
    if weighted and redundancy > 0 and sizes.max() > 3.0:
        trust = _trust(equations, sizes)
        levels, shifts, residuals, _ = equations.solve(trust)
    first, second = _ends(offsets)
    in_pair = np.bincount(np.r_[first, second], minlength=n) > 0
    components = np.full(n, -1)
    # Parts are in ascending order already; single ones drop out.
    components[in_pair] = np.unique(parts[in_pair], return_inverse=True)[1]
    levels[~in_pair], shifts[~in_pair] = np.nan, np.nan
    shift_variances, *costs = equations.errors(trust)
    return Solution(
        levels,
        components,
        shifts,
        shift_variances,
        residuals + levels[first] - levels[second],
        equations.variances,
        residuals,
        equations.weights * trust[0],
        trust[0],
        *costs,
    )


def _nothing(n):
    none, no_shifts, no_pairs = np.full(n, np.nan), np.full((n, 2), np.nan), np.zeros(0)
    return Solution(
        none,
        np.full(n, -1),
        no_shifts,
        no_shifts,
        *(no_pairs,) * 5,
        none,
        np.ones(n),
        no_pairs,
        no_pairs,
    )


@dataclass(frozen=True)
class _Equations:
    """Pairs as equations for m = 1 (level) or 3 (and displacement) unknowns a member."""

    parts: np.ndarray  # (n,)
    incidence: sparse.sparray  # (n_pairs, n)
    values: np.ndarray  # z, (n_pairs,)
    variances: np.ndarray  # v, (n_pairs,)
    weights: np.ndarray  # (n_pairs,)
    slopes: np.ndarray  # kappa, (n_pairs, m - 1)
    shift_values: np.ndarray  # in units of their errors, (n_pairs, m - 1)
    shift_design: np.ndarray  # what a displacement makes of them, (n_pairs, m - 1, m - 1)

    @property
    def size(self):
        """Number of unknowns to a member."""
        return self.slopes.shape[1] + 1

    @property
    def _rows(self):
        return np.concatenate([np.ones((len(self.values), 1)), self.slopes], axis=1)

    def solve(self, trust):
        """Solve with trust in the offset, and in the displacement, of each pair.

        Levels and shifts have zero mean over each part. Also gives the residuals
        of the offsets, and those of both in units of their errors.
        """
        rows, n = self._rows, len(self.parts)
        gain = (trust[0] * self.weights * self.values)[:, None] * rows
        gain[:, 1:] += np.einsum("p,pab,pa->pb", trust[1], self.shift_design, self.shift_values)
        right = np.asarray(self.incidence.T @ gain)
        found = self._inverse(trust, self.size).solve(right.ravel()).reshape(n, self.size)
        counts = np.bincount(self.parts)
        for column in found.T:
            column -= (np.bincount(self.parts, column) / counts)[self.parts]
        differences = self.incidence @ found
        residuals = self.values - np.sum(rows * differences, axis=1)
        misfit = self.shift_values - np.einsum("pab,pb->pa", self.shift_design, differences[:, 1:])
        sizes = np.stack(
            [
                np.abs(residuals) / np.sqrt(self.variances),
                np.sqrt(np.sum(misfit**2, axis=1) / max(self.size - 1, 1)),
            ]
        )
        shifts = found[:, 1:] if self.size > 1 else np.full((n, 2), np.nan)
        return found[:, 0].copy(), shifts, residuals, sizes

    def _inverse(self, trust, size):
        """Factorize the normal matrix of the first unknowns of each member."""
        n, rows = len(self.parts), self._rows
        blocks = (trust[0] * self.weights)[:, None, None] * rows[:, :, None] * rows[:, None, :]
        blocks[:, 1:, 1:] += np.einsum(
            "p,pac,pab->pcb", trust[1], self.shift_design, self.shift_design
        )

        def summed(a, b):
            ties = self.incidence.T @ sparse.diags_array(blocks[:, a, b]) @ self.incidence
            return ties + sparse.eye_array(n) / SHIFT_PRIOR**2 if a == b > 0 else ties

        normal = sparse.block_array([[summed(a, b) for b in range(size)] for a in range(size)])
        order = _by_member(n, size)
        normal = normal.tocsr()[order][:, order]
        return GroundedInverse(normal, size * np.unique(self.parts, return_index=True)[1])

    def errors(self, trust):
        """Variances of shifts, levels and fitted pairs; what fitting shifts costs these."""
        n, n_pairs, size = len(self.parts), len(self.values), self.size
        known = self._inverse(trust, 1)
        without, taken = self._centred_variances(known, 1, 0), self._fitted_variances(known, 1)
        if size == 1:
            return np.full((n, 2), np.nan), without, np.ones(n), taken, np.ones(n_pairs)
        fitted = self._inverse(trust, size)
        level, *shift = (self._centred_variances(fitted, size, column) for column in range(size))
        taken_too = self._fitted_variances(fitted, size)
        inflation = np.divide(level, without, out=np.ones(n), where=without > 0)
        pair_inflation = np.divide(taken_too, taken, out=np.ones(n_pairs), where=taken > 0)
        return (
            np.stack(shift, axis=1),
            without,
            np.maximum(inflation, 1.0),
            taken_too,
            np.maximum(pair_inflation, 1.0),
        )

    def _centred_variances(self, inverse, size, column):
        """Variance of one unknown of each member about the mean of its part."""
        n, counts = len(self.parts), np.bincount(self.parts)
        numbers = column + size * np.arange(n)
        rows = sparse.coo_array((np.ones(n), (np.arange(n), numbers)), shape=(n, size * n))
        mean = np.zeros(size * n)
        mean[numbers] = 1.0 / counts[self.parts]
        with_mean = inverse.solve(mean)[numbers]
        of_mean = np.bincount(self.parts, with_mean) / counts
        return inverse.quadratic_forms(rows) - 2.0 * with_mean + of_mean[self.parts]

    def _fitted_variances(self, inverse, size):
        """Variance of what the solution says of each pair's value."""
        rows = self._rows[:, :size]
        columns = [self.incidence.multiply(rows[:, a : a + 1]) for a in range(size)]
        order = _by_member(len(self.parts), size)
        return inverse.quadratic_forms(sparse.hstack(columns, format="csc")[:, order])


def _by_member(n, size):
    """Order that puts the unknowns of one member side by side, for a narrow matrix."""
    return np.arange(size * n).reshape(size, n).T.ravel()


def _equations(n, parts, offsets, weighted):
    estimates, covariances, responses = _fits(offsets)
    size = estimates.shape[1]
    to_shifts = responses[:, :, 1:]
    floor = np.zeros_like(covariances)
    floor[:, 0, 0] = _rounding(offsets)
    floor[:, 1:, 1:] = 1e-12 * np.eye(size - 1)
    covariances = covariances + SHIFT_SCATTER**2 * to_shifts @ np.swapaxes(to_shifts, 1, 2)
    covariances += floor
    precision = np.linalg.inv(covariances)
    variances = 1.0 / precision[:, 0, 0]
    combination = variances[:, None] * precision[:, 0]
    if not weighted:
        # All weigh the same, and displacements are nobody's business.
        variances = covariances[:, 0, 0]
        combination = np.eye(size)[np.zeros(len(offsets), dtype=int)]
    slopes = np.einsum("pa,pab->pb", combination, to_shifts) if weighted else to_shifts[:, 0] * 0
    to_errors = np.swapaxes(np.linalg.cholesky(np.linalg.inv(covariances[:, 1:, 1:])), 1, 2)
    return _Equations(
        parts,
        incidence_matrix(n, offsets),
        np.sum(combination * estimates, axis=1),
        variances,
        1.0 / variances if weighted else np.ones(len(offsets)),
        slopes,
        np.einsum("pab,pb->pa", to_errors, estimates[:, 1:]),
        to_errors @ responses[:, 1:, 1:],
    )


def _fits(offsets):
    """Estimates, covariances and responses of all pairs; of offsets only if any has no more."""
    fits = [offset.fit for offset in offsets]
    if any(fit is None for fit in fits):
        estimates = np.array([[offset.value] for offset in offsets])
        covariances = np.array([[[offset.variance]] for offset in offsets])
        return estimates, covariances, np.ones_like(covariances)
    return tuple(
        np.array([getattr(fit, name) for fit in fits])
        for name in ("estimate", "covariance", "response")
    )


def _trust(equations, sizes):
    """Find how far the offset, and the displacement, of each pair can be trusted."""
    for _ in range(30):  # least absolute deviations
        sizes = equations.solve(1.0 / np.maximum(sizes, 0.1))[3]
    # A field whose pairs all disagree by more than their errors is judged by
    # its own scatter. Never zero, which would cut the graph.
    scale = PAIR_CUTOFF * np.maximum(1.0, 1.48 * np.median(sizes, axis=1, keepdims=True))
    return np.maximum((1.0 - np.minimum(sizes / scale, 1.0) ** 2) ** 2, 1e-9)


def _ends(offsets):
    first = np.array([offset.first for offset in offsets], dtype=int)
    second = np.array([offset.second for offset in offsets], dtype=int)
    return first, second


def _rounding(offsets):
    """Least variance that an offset can have."""
    n_cells = np.array([offset.n_cells for offset in offsets])
    scale = max((abs(offset.value) for offset in offsets), default=0.0)
    return (ROUNDING * (scale or 1.0)) ** 2 / n_cells
