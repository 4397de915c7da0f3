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
from jwst_mosaic_skymatch.levels.variances import estimate_variances
from jwst_mosaic_skymatch.offsets.results import PairMeasurement
from jwst_mosaic_skymatch.offsets.trends import FITTED, WIDE
from jwst_mosaic_skymatch.tiles.frame import LYOT

__all__ = ["select_model", "structure_variances"]

# Largest number of exposures that variances are estimated from: the likelihood is evaluated a
# hundred times, and 400 exposures estimate a standard deviation to 4 %.
LARGEST_SAMPLE = 400
# Scatter of the strips of a pair, and of all pairs, in its own errors, from which on it is not
# taken for noise.
SIGNIFICANCE, COMMON_SIGNIFICANCE = 3.0, 4.0
# Least variance of an offset by noise, (MJy/sr)^2.
LEAST_VARIANCE = 1e-30
# Range of the exponent of the variance of a mean of strips: 1 if they are independent, smaller
# for 1/f noise.
EXPONENTS = (0.2, 1.0)
# Effects that explain the trends of pairs.
TRENDS = {"visit gradient", "exposure gradient", "gain", LYOT}


def select_model(
    pairs: Sequence[PairMeasurement],
    shares: sparse.csr_array,
    unknowns: Unknowns,
    *,
    beside: np.ndarray | float = 0.0,
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
    beside : ndarray, shape (n_pairs,), optional
        Variances of offsets beside noise and structure, (MJy/sr)^2.
    effects : sequence of str, optional
        Effects that may be part of the model.

    Returns
    -------
    equations : Equations
        The equations of all pairs.
    variances : dict of str to float
        Variance of each effect in the model.
    """
    noise, squares = np.array([pair.variance for pair in pairs]), shares.power(2).sum(axis=1)
    rows = _sample(shares, unknowns)
    sampled = [pairs[k] for k in rows.tolist()]
    # Without an effect that explains them, slopes of 1/f noise are structure: with the structure
    # without slopes alone, the pull of levels on backgrounds with rows was 1.4 and not 1.1.
    for detrended in (True, False):
        structure, factor = structure_variances(pairs, squares, detrended=detrended).T
        errors = np.stack([structure + beside + noise, factor], axis=1)
        equations = build_equations(sampled, shares[rows], errors[rows], unknowns)
        allowed = [name for name in effects if detrended or name not in TRENDS]
        variances = estimate_variances(equations, allowed)
        if not structure.any() or TRENDS & variances.keys():
            break
    return build_equations(pairs, shares, errors, unknowns), variances


def _sample(shares: sparse.csr_array, unknowns: Unknowns) -> np.ndarray:
    """Choose the pairs of the exposures about the middle of the mosaic, if it has too many."""
    is_free = np.isnan(unknowns.held)
    distances = np.hypot(*(unknowns.centres - np.median(unknowns.centres, axis=0)).T)
    limit = np.sort(distances[is_free])[:LARGEST_SAMPLE].max(initial=0.0)
    return np.flatnonzero(abs(shares) @ (is_free & (distances > limit)) == 0.0)


def structure_variances(
    pairs: Sequence[PairMeasurement],
    squares: np.ndarray,
    *,
    detrended: bool = True,
) -> np.ndarray:
    """Estimate the variance of offsets by structure, and the factor that it puts on trends.

    Parameters
    ----------
    pairs : sequence of PairMeasurement
        The pairs.
    squares : ndarray, shape (n_pairs,)
        Sum of the squares of the shares of exposures: 2 for a pair of two.
    detrended : bool, optional
        Whether trends are effects of the model. If not, slopes of 1/f noise are structure.

    Returns
    -------
    ndarray, shape (n_pairs, 2)
        Variance, (MJy/sr)^2, and factor on the covariance of the trends.

    Notes
    -----
    Structure of a whole tile is part of its level, so that the share of the two tiles outside of
    their overlap counts. Strips of an exposure, rows or columns, have a common variance, and the
    mean of n of them :math:`v n^{-\\alpha}`. A pair that scatters by more has its own variance.
    """
    if not pairs:
        return np.zeros((0, 2))
    noise = np.array([max(pair.quality.alone * pair.variance, LEAST_VARIANCE) for pair in pairs])
    strips = [pair.quality.strips for pair in pairs]
    scatter = np.array([own.detrended if detrended else own.raw for own in strips])
    relative, n_strips = scatter / noise[:, None, None], np.array([own.number for own in strips])
    common = np.zeros(len(pairs))
    for axis in (0, 1):
        narrow, wide = (
            _median_excess(relative[:, axis, width], n_strips[:, axis, width], noise / squares)
            for width in (0, 1)
        )
        exponent = 1.0
        if narrow > 0.0 and wide > 0.0:
            exponent = float(np.clip(np.log(narrow / wide) / np.log(WIDE), *EXPONENTS))
        common += squares * narrow * n_strips[:, axis, 0] ** -exponent
    significant = relative > 1.0 + SIGNIFICANCE * np.sqrt(2.0 / n_strips)
    own = np.max(np.where(significant, relative - 1.0, 0.0), axis=(1, 2)) * noise
    variances = np.maximum(common, own)
    outside = [pair.quality.outside for pair in pairs]
    return np.stack([outside * variances, 1.0 + variances / noise], axis=1)


def _median_excess(scatter: np.ndarray, n_strips: np.ndarray, unit: np.ndarray) -> float:
    """Give the variance of a strip from scatter in units of noise; 0 if that is all noise."""
    freedom = np.maximum(n_strips - FITTED, 0.01)
    excess = (scatter - 1.0) * n_strips * unit
    # The median, as glow and patches make single pairs scatter by far more.
    order = np.argsort(excess)
    middle = order[np.searchsorted(np.cumsum(freedom[order]), 0.5 * freedom.sum())]
    if scatter[middle] - 1.0 > COMMON_SIGNIFICANCE * np.sqrt(2.0 / freedom.sum()):
        return float(excess[middle])
    return 0.0
