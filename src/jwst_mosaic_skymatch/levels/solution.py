"""Levels, and shifts, from pairwise measurements by weighted least squares."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from jwst_mosaic_skymatch.levels.inverse import GroundedInverse, subtract_means
from jwst_mosaic_skymatch.offsets.graph import connected_parts
from jwst_mosaic_skymatch.offsets.measure import PairOffset
from jwst_mosaic_skymatch.tiles.scatter import SHIFT_SCATTER

__all__ = ["Solution", "incidence_matrix", "pair_ends", "solve_levels"]

# Offsets come from float32 images: nothing is known better than its rounding.
ROUNDING = float(np.finfo(np.float32).eps)

# Pairs that disagree with the solution by more than this, in sigma, count nothing;
# within 2 sigma they keep nine tenths of their weight.
PAIR_CUTOFF = 9.0
# Never zero, which would cut the graph.
LEAST_WEIGHT = 1e-9

# No exposure lies much farther from its place than this, in cells. It matters
# only where a smooth sky cannot tell a shift from an offset.
SHIFT_PRIOR = 0.25


@dataclass(frozen=True)
class Solution:
    """Levels and shifts that agree best with a set of pairs.

    Attributes
    ----------
    levels : ndarray of float64, shape (n,)
        Level of each unknown, MJy/sr, with zero mean over each connected
        component; NaN for an unknown that is in no pair.
    components : ndarray of int, shape (n,)
        Number of the connected component, counted in the order of its first
        member; -1 for an unknown that is in no pair.
    shifts, shift_variances : ndarray of float64, shape (n, 2)
        Shifts (x, y) with zero mean over each component, cells, and
        their variances if pairs were independent; NaN when not fitted.
    offsets, variances : ndarray of float64, shape (n_pairs,)
        Offset of each pair, MJy/sr, at the shift that all pairs agree on, and
        its variance.
    residuals : ndarray of float64, shape (n_pairs,)
        These offsets minus the difference of the levels, MJy/sr.
    weights : ndarray of float64, shape (n_pairs,)
        Weight of each equation in the end.
    robust_weights : ndarray of float64, shape (n_pairs,)
        What is left of each equation's weight after comparison with all
        others: 1 for a pair that agrees, 0 for one that is left out.
    level_variances : ndarray of float64, shape (n,)
        Variance of each level about the mean of its component, if pairs were
        independent and shifts known.
    inflation : ndarray of float64, shape (n,)
        Factor on it, because the shifts are fitted.
    pair_inflation : ndarray of float64, shape (n_pairs,)
        The same for what the solution says of each pair.
    leverages : ndarray of float64, shape (n_pairs,)
        Share of the error of each offset that the solution follows.
    """

    levels: np.ndarray
    components: np.ndarray
    shifts: np.ndarray
    shift_variances: np.ndarray
    offsets: np.ndarray
    variances: np.ndarray
    residuals: np.ndarray
    weights: np.ndarray
    robust_weights: np.ndarray
    level_variances: np.ndarray
    inflation: np.ndarray
    pair_inflation: np.ndarray
    leverages: np.ndarray

    @property
    def n_components(self) -> int:
        """Number of connected components."""
        return int(self.components.max(initial=-1)) + 1


def pair_ends(offsets: Sequence[PairOffset]) -> np.ndarray:
    """Give the first and the second member of each pair, arrays of int."""
    ends = np.array([(offset.first, offset.second) for offset in offsets], dtype=int)
    return ends.reshape(-1, 2).T


def incidence_matrix(
    n: int, offsets: Sequence[PairOffset]
) -> sparse.csc_array:  # numpydoc ignore=PR01,RT01
    """Build the sparse matrix (n_pairs, n) that takes levels to offsets."""
    rows = np.tile(np.arange(len(offsets)), 2)
    signs = np.repeat([1.0, -1.0], len(offsets))
    columns = np.concatenate(pair_ends(offsets))
    return sparse.coo_array((signs, (rows, columns)), shape=(len(offsets), n)).tocsc()


def solve_levels(n: int, offsets: Sequence[PairOffset], *, weighted: bool = True) -> Solution:
    r"""Solve for levels and shifts from pairwise measurements.

    Parameters
    ----------
    n : int
        Number of unknown levels.
    offsets : sequence of PairOffset
        Measured offsets, MJy/sr, between the unknowns.
    weighted : bool, optional
        Weigh equations by the inverse variance of their offset; if False all
        weigh the same, and shifts do not bear on the levels.

    Returns
    -------
    Solution
        The least-squares levels. Each connected component has one free
        constant, fixed by zero mean: the minimum-norm solution, as
        ``SkyMatchStep`` has it.

    Notes
    -----
    The shift of an exposure is the same for all its pairs. A pair on a sky with
    one slope cannot tell shift from offset; with shifts as unknowns of the
    exposures, other pairs tell it.

    A pair measures :math:`y = R (d, s) + \epsilon` (`PairFit`). Let c be the one
    combination of y whose noise is independent of that of the shift. It
    says :math:`z = c y = d + \kappa s` with variance v, beside what y says of
    s alone. Both are summed into normal equations for a level b and a
    shift s of each member, solved sparsely.

    An offset that contradicts all loops through it is found by least absolute
    deviations and then left out by the biweight on its residual.
    """
    if not offsets:
        return _empty_solution(n)
    first, second = pair_ends(offsets)
    parts = connected_parts(n, first, second)
    equations = _make_equations(parts, offsets, weighted)
    robust_weights = np.ones((2, len(offsets)))
    fit = equations.solve(robust_weights)
    redundancy = len(offsets) - n + parts.max() + 1
    if weighted and redundancy > 0 and fit.misfits.max() > 3.0:
        robust_weights = _robust_weights(equations, fit.misfits)
        fit = equations.solve(robust_weights)
    in_pair = np.isin(np.arange(n), (first, second))
    components = np.full(n, -1)
    # Parts are in ascending order already; single ones drop out.
    components[in_pair] = np.unique(parts[in_pair], return_inverse=True)[1]
    levels, shifts = fit.unknowns[:, 0], _shifts_of(fit.unknowns)
    shift_variances, level_variances, inflation = equations.errors(robust_weights)
    alone, fitted = (equations.fitted_variances(robust_weights, m) for m in (1, equations.size))
    weights = equations.weights * robust_weights[0]
    return Solution(
        levels=np.where(in_pair, levels, np.nan),
        components=components,
        shifts=np.where(in_pair[:, None], shifts, np.nan),
        shift_variances=shift_variances,
        offsets=fit.residuals + levels[first] - levels[second],
        variances=equations.variances,
        residuals=fit.residuals,
        weights=weights,
        robust_weights=robust_weights[0],
        level_variances=level_variances,
        inflation=inflation,
        pair_inflation=np.maximum(_ratio(fitted, alone), 1.0),
        leverages=weights * alone,
    )


def _empty_solution(n: int) -> Solution:
    none, no_shifts, no_pairs = np.full(n, np.nan), np.full((n, 2), np.nan), np.zeros(0)
    return Solution(
        levels=none,
        components=np.full(n, -1),
        shifts=no_shifts,
        shift_variances=no_shifts,
        offsets=no_pairs,
        variances=no_pairs,
        residuals=no_pairs,
        weights=no_pairs,
        robust_weights=no_pairs,
        level_variances=none,
        inflation=np.ones(n),
        pair_inflation=no_pairs,
        leverages=no_pairs,
    )


def _shifts_of(unknowns: np.ndarray) -> np.ndarray:
    """Take the columns of shifts, NaN if these are not among the unknowns."""
    return unknowns[:, 1:] if unknowns.shape[1] > 1 else np.full((len(unknowns), 2), np.nan)


@dataclass(frozen=True)
class _Fit:
    """A solution of the equations."""

    unknowns: np.ndarray  # (n, m): level and shift of each member, zero mean over each part
    residuals: np.ndarray  # of the offsets, (n_pairs,)
    misfits: np.ndarray  # of offset and shift in units of their errors, (2, n_pairs)


@dataclass(frozen=True)
class _Equations:
    """Pairs as equations for m = 1 (level) or 3 (level and shift) unknowns a member."""

    parts: np.ndarray  # (n,)
    incidence: sparse.sparray  # (n_pairs, n)
    values: np.ndarray  # z, (n_pairs,)
    variances: np.ndarray  # v, (n_pairs,)
    weights: np.ndarray  # (n_pairs,)
    rows: np.ndarray  # (1, kappa), (n_pairs, m)
    shift_values: np.ndarray  # in units of their errors, (n_pairs, m - 1)
    shift_design: np.ndarray  # what a shift makes of them, (n_pairs, m - 1, m - 1)

    @property
    def size(self) -> int:
        """Number of unknowns to a member."""
        return self.rows.shape[1]

    def solve(self, robust_weights: np.ndarray) -> _Fit:
        """Solve with weights for the offset, and for the shift, of each pair."""
        right = (robust_weights[0] * self.weights * self.values)[:, None] * self.rows
        right[:, 1:] += np.einsum(
            "p,pab,pa->pb", robust_weights[1], self.shift_design, self.shift_values
        )
        right = np.asarray(self.incidence.T @ right)
        unknowns = self._inverse(robust_weights, self.size).solve(right.ravel())
        unknowns = subtract_means(unknowns.reshape(right.shape), self.parts)
        differences = self.incidence @ unknowns
        residuals = self.values - np.sum(self.rows * differences, axis=1)
        of_shifts = self.shift_values - np.einsum(
            "pab,pb->pa", self.shift_design, differences[:, 1:]
        )
        rms_of_shifts = np.sqrt(np.sum(of_shifts**2, axis=1) / max(self.size - 1, 1))
        misfits = np.stack([np.abs(residuals) / np.sqrt(self.variances), rms_of_shifts])
        return _Fit(unknowns=unknowns, residuals=residuals, misfits=misfits)

    def _inverse(self, robust_weights: np.ndarray, size: int) -> GroundedInverse:
        """Factorize the normal matrix of the first unknowns of each member."""
        n, rows = len(self.parts), self.rows
        blocks = (robust_weights[0] * self.weights)[:, None, None]
        blocks = blocks * rows[:, :, None] * rows[:, None, :]
        blocks[:, 1:, 1:] += np.einsum(
            "p,pac,pab->pcb", robust_weights[1], self.shift_design, self.shift_design
        )

        def summed(a: int, b: int) -> sparse.sparray:
            ties = self.incidence.T @ sparse.diags_array(blocks[:, a, b]) @ self.incidence
            return ties + sparse.eye_array(n) / SHIFT_PRIOR**2 if a == b > 0 else ties

        normal = sparse.block_array([[summed(a, b) for b in range(size)] for a in range(size)])
        order = _by_member(n, size)
        normal = normal.tocsr()[order][:, order]
        return GroundedInverse(normal, size * np.unique(self.parts, return_index=True)[1])

    def errors(self, robust_weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Variances of shifts, of levels with shifts known, and what fitting shifts costs these."""
        n, size = len(self.parts), self.size
        alone = self._centred_variances(self._inverse(robust_weights, 1), 1, 0)
        if size == 1:
            return np.full((n, 2), np.nan), alone, np.ones(n)
        inverse = self._inverse(robust_weights, size)
        level, *shift = (self._centred_variances(inverse, size, column) for column in range(size))
        return np.stack(shift, axis=1), alone, np.maximum(_ratio(level, alone), 1.0)

    def fitted_variances(self, robust_weights: np.ndarray, size: int) -> np.ndarray:
        """Variance of what the solution says of the value of each pair."""
        columns = [self.incidence.multiply(self.rows[:, a : a + 1]) for a in range(size)]
        rows = sparse.hstack(columns, format="csc")[:, _by_member(len(self.parts), size)]
        return self._inverse(robust_weights, size).quadratic_forms(rows)

    def _centred_variances(self, inverse: GroundedInverse, size: int, column: int) -> np.ndarray:
        """Variance of one unknown of each member about the mean of its part."""
        n, counts = len(self.parts), np.bincount(self.parts)
        numbers = column + size * np.arange(n)
        unit = sparse.coo_array((np.ones(n), (np.arange(n), numbers)), shape=(n, size * n))
        mean = np.zeros(size * n)
        mean[numbers] = 1.0 / counts[self.parts]
        with_mean = inverse.solve(mean)[numbers]
        of_mean = np.bincount(self.parts, with_mean) / counts
        return inverse.quadratic_forms(unit) - 2.0 * with_mean + of_mean[self.parts]


def _ratio(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.divide(first, second, out=np.ones_like(second), where=second > 0)


def _by_member(n: int, size: int) -> np.ndarray:
    """Order that puts the unknowns of one member side by side, for a narrow matrix."""
    return np.arange(size * n).reshape(size, n).T.ravel()


def _make_equations(parts: np.ndarray, offsets: Sequence[PairOffset], weighted: bool) -> _Equations:
    estimates, covariances, responses = _fits(offsets)
    size = estimates.shape[1]
    to_shifts = responses[:, :, 1:]
    covariances = covariances + SHIFT_SCATTER**2 * to_shifts @ np.swapaxes(to_shifts, 1, 2)
    covariances[:, 0, 0] += _rounding(offsets)
    covariances[:, 1:, 1:] += 1e-12 * np.eye(size - 1)
    if weighted:
        precision = np.linalg.inv(covariances)
        variances = 1.0 / precision[:, 0, 0]
        combination = variances[:, None] * precision[:, 0]
        rows = np.einsum("pa,pab->pb", combination, responses)
        rows[:, 0] = 1.0
    else:  # all weigh the same, and shifts do not bear on levels
        variances = covariances[:, 0, 0]
        combination = rows = np.eye(size)[np.zeros(len(offsets), dtype=int)]
    to_errors = np.swapaxes(np.linalg.cholesky(np.linalg.inv(covariances[:, 1:, 1:])), 1, 2)
    return _Equations(
        parts=parts,
        incidence=incidence_matrix(len(parts), offsets),
        values=np.sum(combination * estimates, axis=1),
        variances=variances,
        weights=1.0 / variances if weighted else np.ones(len(offsets)),
        rows=rows,
        shift_values=np.einsum("pab,pb->pa", to_errors, estimates[:, 1:]),
        shift_design=to_errors @ responses[:, 1:, 1:],
    )


def _fits(offsets: Sequence[PairOffset]) -> tuple[np.ndarray, ...]:
    """Estimates, covariances, responses of all pairs; of offsets only if any has no more."""
    fits = [offset.fit for offset in offsets]
    if any(fit is None for fit in fits):
        estimates = np.array([[offset.value] for offset in offsets])
        covariances = np.array([[[offset.variance]] for offset in offsets])
        return estimates, covariances, np.ones_like(covariances)
    return tuple(
        np.array([getattr(fit, name) for fit in fits])
        for name in ("estimate", "covariance", "response")
    )


def _robust_weights(equations: _Equations, misfits: np.ndarray) -> np.ndarray:
    """Find how far the offset, and the shift, of each pair can be relied on."""
    for _ in range(30):  # least absolute deviations
        misfits = equations.solve(1.0 / np.maximum(misfits, 0.1)).misfits
    # A field whose pairs all disagree by more than their errors is judged by
    # its own scatter.
    scale = PAIR_CUTOFF * np.maximum(1.0, 1.48 * np.median(misfits, axis=1, keepdims=True))
    return np.maximum((1.0 - np.minimum(misfits / scale, 1.0) ** 2) ** 2, LEAST_WEIGHT)


def _rounding(offsets: Sequence[PairOffset]) -> np.ndarray:
    """Least variance that each offset can have."""
    n_cells = np.array([offset.n_cells for offset in offsets])
    scale = max(abs(offset.value) for offset in offsets)
    return (ROUNDING * (scale or 1.0)) ** 2 / n_cells
