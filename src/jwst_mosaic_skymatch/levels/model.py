"""The model of all pairs: its random effects, their variances, and its equations."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from jwst_mosaic_skymatch.levels.equations import (
    EFFECTS,
    Equations,
    Unknowns,
    build_equations,
)
from jwst_mosaic_skymatch.levels.solve import MISFIT
from jwst_mosaic_skymatch.levels.structure import structure_variances
from jwst_mosaic_skymatch.levels.variances import estimate_variances
from jwst_mosaic_skymatch.offsets.results import PairMeasurement

__all__ = ["select_model"]

# Largest number of exposures that variances are estimated from: the likelihood is evaluated a
# hundred times, and 400 exposures estimate a standard deviation to 4 %.
LARGEST_SAMPLE = 400
# Effects that explain the trends of pairs.
TRENDS = {"visit gradient", "exposure gradient", "gain", "lyot"}


def select_model(
    pairs: Sequence[PairMeasurement],
    shares: sparse.csr_array,
    unknowns: Unknowns,
    *,
    biases: np.ndarray | float = 0.0,
    effects: Sequence[str] = (*EFFECTS, MISFIT),
) -> tuple[Equations, dict[str, float]]:
    """Select random effects, estimate their variances, and build the equations.

    Parameters
    ----------
    pairs : sequence of PairMeasurement
        The measurements.
    shares : sparse array, shape (n_pairs, n)
        Share of each image in each pair, see `Measurements`.
    unknowns : Unknowns
        Images and their unknowns.
    biases : ndarray, shape (n,), optional
        1-sigma errors of images beside noise, MJy/sr.
    effects : sequence of str, optional
        Effects that may be part of the model.

    Returns
    -------
    equations : Equations
        The equations of all pairs.
    variances : dict of str to float
        Variance of each effect in the model.
    """
    squares, noise = shares.power(2), np.array([pair.variance for pair in pairs])
    beside = squares @ np.broadcast_to(np.square(biases), squares.shape[1])
    rows = _sample(shares, unknowns)
    sampled = [pairs[k] for k in rows.tolist()]
    # Without an effect that explains them, slopes of 1/f noise are structure: with the structure
    # without slopes alone, the pull of levels on backgrounds with rows was 1.4 and not 1.1.
    for detrended in (True, False):
        structure, factor = structure_variances(pairs, squares.sum(axis=1), detrended=detrended).T
        errors = np.stack([structure + beside + noise, factor], axis=1)
        equations = build_equations(sampled, shares[rows], errors[rows], unknowns)
        allowed = [name for name in effects if detrended or name not in TRENDS]
        variances = estimate_variances(equations, allowed)
        if not structure.any() or TRENDS & variances.keys():
            break
    return build_equations(pairs, shares, errors, unknowns), variances


def _sample(shares: sparse.csr_array, unknowns: Unknowns) -> np.ndarray:
    """Choose the pairs of the exposures about the middle of the mosaic, if it has too many."""
    free = np.flatnonzero(np.isnan(unknowns.held))
    distances = np.hypot(*(unknowns.centres[free] - np.median(unknowns.centres, axis=0)).T)
    outside = np.zeros(shares.shape[1])
    outside[free[np.argsort(distances, kind="stable")[LARGEST_SAMPLE:]]] = 1.0
    return np.flatnonzero(abs(shares) @ outside == 0.0)
