"""Misalignments of exposures from those of pairs, and offsets at these."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from jwst_mosaic_skymatch.levels.matrices import Factorization
from jwst_mosaic_skymatch.offsets.results import PairMeasurement
from jwst_mosaic_skymatch.tiles.scatter import SHIFT_SCATTER

__all__ = ["align_pairs"]

# No exposure lies much farther from its place than this, in cells.
SHIFT_PRIOR = 0.25
# Solutions with absolute deviations.
N_SOLUTIONS = 6


def align_pairs(
    pairs: Sequence[PairMeasurement], shares: sparse.csr_array, added: np.ndarray
) -> tuple[tuple[PairMeasurement, ...], np.ndarray, np.ndarray]:
    """Solve for the shift of each exposure, and correct the offsets of pairs for it.

    Parameters
    ----------
    pairs : sequence of PairMeasurement
        The pairs.
    shares : sparse array, shape (n_pairs, n)
        Share of each exposure in each pair.
    added : ndarray, shape (n_pairs, 2)
        Shift that was taken out of a pair before it was measured, cells.

    Returns
    -------
    pairs : tuple of PairMeasurement
        The pairs. A pair is unchanged if it, or its exposures, have no shift.
    shifts : ndarray, shape (n, 2)
        Shift (x, y) of each exposure by least absolute deviations, cells; NaN for one in no pair
        with a known shift.
    variances : ndarray, shape (n,)
        Variance along each axis about the mean of its component, cells^2; that of the prior where
        there is no shift.
    """
    shifts, variances = _solve_shifts(pairs, shares, added)
    common = shares @ np.nan_to_num(shifts) - added
    of_pairs = shares.power(2) @ variances + SHIFT_SCATTER**2
    unknown = abs(shares) @ np.isnan(shifts[:, 0]).astype(float) > 0.0
    aligned = list(pairs)
    for k, pair in enumerate(pairs):
        if unknown[k]:
            continue
        estimate, covariance = pair.estimate.copy(), pair.covariance.copy()
        change, covariance[0, 0] = pair.shift.at(common[k], float(of_pairs[k]))
        estimate[0] += change
        aligned[k] = replace(pair, estimate=estimate, covariance=covariance)
    return tuple(aligned), shifts, variances


def _solve_shifts(
    pairs: Sequence[PairMeasurement], shares: sparse.csr_array, added: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    n = shares.shape[1]
    fitted = [pair.shift for pair in pairs]
    known = [k for k, shift in enumerate(fitted) if shift.is_known]
    shifts, variances = np.full((n, 2), np.nan), np.full(n, SHIFT_PRIOR**2)
    if not known:
        return shifts, variances
    design = shares[known]
    values = np.array([fitted[k].value for k in known]) + added[known]
    squares = np.mean([fitted[k].errors ** 2 for k in known], axis=1) + SHIFT_SCATTER**2
    weights = np.ones(len(known))
    prior = (sparse.eye_array(n) / SHIFT_PRIOR**2).tocsr()
    for _ in range(N_SOLUTIONS):
        weighted = (design.T @ sparse.diags_array(weights / squares)).tocsr()
        factor = Factorization(weighted @ design + prior)
        solution = factor.solve(weighted @ values)
        misfits = np.sqrt(np.sum((values - design @ solution) ** 2, axis=1) / squares)
        weights = 1.0 / np.maximum(misfits, 1.0)
    measured = np.unique(design.indices)
    shifts[measured] = solution[measured]
    parts = connected_components(design.T @ design)[1]
    # The mean of a component is known by the prior alone.
    of_mean = SHIFT_PRIOR**2 / np.bincount(parts)[parts]
    own = factor.variances(sparse.eye_array(n).tocsr()[measured])
    variances[measured] = np.maximum(own - of_mean[measured], 0.0)
    return shifts, variances
