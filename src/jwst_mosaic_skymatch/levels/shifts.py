"""Misalignments of exposures from those of pairs, and offsets at these."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from jwst_mosaic_skymatch.levels.factorization import Factorization
from jwst_mosaic_skymatch.offsets.results import PairMeasurement

__all__ = ["align_pairs"]

# No exposure lies much farther from its place than this, in cells.
SHIFT_PRIOR = 0.25
# Solutions with absolute deviations.
N_SOLUTIONS = 6


def align_pairs(
    pairs: Sequence[PairMeasurement], shares: sparse.csr_array
) -> tuple[tuple[PairMeasurement, ...], np.ndarray, np.ndarray]:
    """Solve for the shift of each exposure, and correct the offsets of pairs for it.

    Parameters
    ----------
    pairs : sequence of PairMeasurement
        The pairs, with offsets at shift zero.
    shares : sparse array, shape (n_pairs, n)
        Share of each exposure in each pair.

    Returns
    -------
    pairs : tuple of PairMeasurement
        The pairs at the shifts of their exposures.
    shifts : ndarray, shape (n, 2)
        Shift (x, y) of each exposure by least absolute deviations, cells; NaN where the prior alone
        constrains it.
    errors : ndarray, shape (n,)
        Errors along each axis about the mean of the component, cells.

    Notes
    -----
    Offsets hardly constrain shifts, so that levels are solved for afterwards. With both in one
    matrix, 12,000 exposures took more than seven times as long.
    """
    values = np.array([pair.estimate[1:3] for pair in pairs]).reshape(-1, 2)
    squares = np.array([np.trace(pair.covariance[1:3, 1:3]) / 2.0 for pair in pairs])
    weights = np.ones(len(pairs))
    prior = sparse.eye_array(shares.shape[1]) / SHIFT_PRIOR**2
    for _ in range(N_SOLUTIONS):
        weighted = (shares.T @ sparse.diags_array(weights / squares)).tocsr()
        factor = Factorization((weighted @ shares + prior).tocsr())
        shifts = factor.solve(weighted @ values)
        misfits = np.sqrt(np.sum((values - shares @ shifts) ** 2, axis=1) / squares)
        weights = 1.0 / np.maximum(misfits, 1.0)
    parts = connected_components(shares.T @ shares)[1]
    # The prior alone constrains the mean of a component.
    variances = factor.inverse.diagonal() - SHIFT_PRIOR**2 / np.bincount(parts)[parts]
    variances = np.maximum(variances, 0.0)
    common, squared = shares @ shifts, shares.power(2) @ variances
    aligned = tuple(map(_aligned, pairs, common, squared.tolist()))
    known = np.where(variances < 0.5 * SHIFT_PRIOR**2, 1.0, np.nan)
    return aligned, known[:, None] * shifts, known * np.sqrt(variances)


def _aligned(pair: PairMeasurement, shift: np.ndarray, variance: float) -> PairMeasurement:
    """Take the offset of a pair at a shift with a variance along each axis."""
    lever, estimate, covariance = pair.centre[:2], pair.estimate.copy(), pair.covariance.copy()
    estimate[0] -= lever @ shift
    covariance[0, 0] += lever @ lever * variance
    return replace(pair, estimate=estimate, covariance=covariance)
