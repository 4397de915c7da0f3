"""Misalignments of exposures from those of pairs, and offsets at these."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from jwst_mosaic_skymatch.offsets.measure import PairMeasurement
from jwst_mosaic_skymatch.tiles.scatter import SHIFT_SCATTER

__all__ = ["at_common_shifts", "solve_shifts"]

# No exposure lies much farther from its place than this, in cells.
SHIFT_PRIOR = 0.25
# Solutions with absolute deviations.
N_SOLUTIONS = 6
# Right-hand sides that are solved for at a time.
BATCH = 256


def solve_shifts(
    pairs: Sequence[PairMeasurement], shares: sparse.csr_array, added: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Solve for the shift of each exposure by least absolute deviations.

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
    shifts : ndarray, shape (n, 2)
        Shift (x, y) of each exposure, cells; NaN for one in no pair with a known shift.
    variances : ndarray, shape (n,)
        Variance along each axis about the mean of its component, cells^2; that of the prior where
        there is no shift.
    """
    n = shares.shape[1]
    known = [k for k, pair in enumerate(pairs) if pair.shift is not None and pair.shift.is_known]
    shifts, variances = np.full((n, 2), np.nan), np.full(n, SHIFT_PRIOR**2)
    if not known:
        return shifts, variances
    design = shares[known]
    values = np.array([pairs[k].shift.value for k in known]) + added[known]
    squares = np.mean([pairs[k].shift.errors ** 2 for k in known], axis=1) + SHIFT_SCATTER**2
    weights = np.ones(len(known))
    for _ in range(N_SOLUTIONS):
        weighted = (design.T @ sparse.diags_array(weights / squares)).tocsr()
        factor = splu((weighted @ design + sparse.eye_array(n) / SHIFT_PRIOR**2).tocsc())
        solution = factor.solve(weighted @ values)
        misfits = np.sqrt(np.sum((values - design @ solution) ** 2, axis=1) / squares)
        weights = 1.0 / np.maximum(misfits, 1.0)
    seen = np.unique(design.indices)
    shifts[seen] = solution[seen]
    parts = connected_components(weighted @ design)[1]
    # The mean of a component is known by the prior alone.
    of_mean = SHIFT_PRIOR**2 / np.bincount(parts)[parts]
    for start in range(0, seen.size, BATCH):
        some = seen[start : start + BATCH]
        unit = np.zeros((n, some.size))
        unit[some, np.arange(some.size)] = 1.0
        variances[some] = factor.solve(unit)[some, np.arange(some.size)] - of_mean[some]
    return shifts, np.maximum(variances, 0.0)


def at_common_shifts(
    pairs: Sequence[PairMeasurement],
    shares: sparse.csr_array,
    added: np.ndarray,
    shifts: np.ndarray,
    variances: np.ndarray,
) -> list[PairMeasurement]:
    """Correct the offsets of pairs for the shifts that all pairs agree on.

    Parameters
    ----------
    pairs, shares, added
        See `solve_shifts`.
    shifts, variances : ndarray
        Results of `solve_shifts`.

    Returns
    -------
    list of PairMeasurement
        The pairs. Those without a fitted shift, or whose exposures have none, are as they were.
    """
    common = shares @ np.nan_to_num(shifts) - added
    of_pairs = shares.power(2) @ variances + SHIFT_SCATTER**2
    unknown = abs(shares) @ np.isnan(shifts[:, 0]).astype(float) > 0.0
    corrected = []
    for pair, shift, variance, without in zip(pairs, common, of_pairs, unknown, strict=True):
        if pair.shift is None or without:
            corrected.append(pair)
            continue
        change, of_offset = pair.shift.at(shift, float(variance))
        estimate, covariance = pair.estimate.copy(), pair.covariance.copy()
        estimate[0] += change
        covariance[0, 0] = of_offset
        corrected.append(replace(pair, estimate=estimate, covariance=covariance))
    return corrected
