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
from jwst_mosaic_skymatch.levels.measurements import Measurements
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

# Pairs, their shares, the variances of their offsets and trends, and the unknowns.
_Problem = tuple[Sequence[PairMeasurement], sparse.csr_array, np.ndarray, Unknowns]


def select_model(
    measurements: Measurements,
    unknowns: Unknowns,
    *,
    biases: np.ndarray | float = 0.0,
    effects: Sequence[str] = (*EFFECTS, MISFIT),
) -> tuple[Equations, dict[str, float]]:
    """Select random effects, estimate their variances, and build the equations.

    Parameters
    ----------
    measurements : Measurements
        Pairs of n images.
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
    pairs, squares = measurements.pairs, measurements.shares.power(2)
    noise = np.array([pair.variance for pair in pairs])
    beside = squares @ np.broadcast_to(np.square(biases), squares.shape[1])
    # Without an effect that explains them, slopes of 1/f noise are structure: with the structure
    # without slopes alone, the pull of levels on backgrounds with rows was 1.4 and not 1.1.
    for detrended in (True, False):
        structure, factor = structure_variances(pairs, squares.sum(axis=1), detrended=detrended).T
        errors = np.stack([structure + beside + noise, factor], axis=1)
        allowed = [name for name in effects if detrended or name not in TRENDS]
        whole = pairs, measurements.shares, errors, unknowns
        variances = estimate_variances(build_equations(*_sample(whole)), allowed)
        if not structure.any() or TRENDS & variances.keys():
            break
    return build_equations(*whole), variances


def _sample(whole: _Problem) -> _Problem:
    """Choose the pairs of the exposures about the middle of the mosaic, if it has too many."""
    pairs, shares, errors, unknowns = whole
    free = np.flatnonzero(np.isnan(unknowns.held))
    if free.size <= LARGEST_SAMPLE:
        return whole
    distances = np.hypot(*(unknowns.centres[free] - np.median(unknowns.centres[free], axis=0)).T)
    outside = np.zeros(shares.shape[1])
    outside[free[np.argsort(distances, kind="stable")[LARGEST_SAMPLE:]]] = 1.0
    rows = np.flatnonzero(abs(shares) @ outside == 0.0)
    return [pairs[k] for k in rows.tolist()], shares[rows], errors[rows], unknowns
