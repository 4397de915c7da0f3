"""Variance of offsets by structure of backgrounds: stripes, glow, patches."""

from collections.abc import Sequence

import numpy as np

from jwst_mosaic_skymatch.offsets.measure import PairMeasurement
from jwst_mosaic_skymatch.offsets.strips import FITTED, WIDE

__all__ = ["structure_variances"]

# Scatter of the strips of a pair, and of all pairs, in its own errors, from which on it is not
# taken for noise.
SIGNIFICANCE, COMMON_SIGNIFICANCE = 3.0, 4.0
# Range of the exponent of the variance of a mean of strips: 1 if they are independent, smaller
# for 1/f noise.
EXPONENTS = (0.2, 1.0)


def structure_variances(
    pairs: Sequence[PairMeasurement],
    squares: np.ndarray,
    outside: np.ndarray,
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
    outside : ndarray, shape (n_pairs,)
        Share of the two tiles that lies outside of their overlap: structure of a whole tile is
        part of its level.
    detrended : bool, optional
        Whether trends are effects of the model. If not, slopes of 1/f noise are structure.

    Returns
    -------
    ndarray, shape (n_pairs, 2)
        Variance, (MJy/sr)^2, and factor on the covariance of the trends.

    Notes
    -----
    Strips of an exposure, rows or columns, have a common variance, and the mean of n of them
    :math:`v n^{-\\alpha}`. A pair that scatters by more has its own variance.
    """
    common = np.zeros(len(pairs))
    for axis in (0, 1):
        variance, exponent = _strip_noise(pairs, squares, axis, detrended)
        n_strips = np.array([pair.quality.strips[axis].n_strips for pair in pairs])
        common += squares * variance * n_strips**-exponent
    own = np.array([_excess(pair, detrended) for pair in pairs])
    noise = np.array([max(pair.variance, 1e-30) for pair in pairs])
    variances = np.maximum(common, own)
    return np.stack([outside * variances, 1.0 + variances / noise], axis=1)


def _excess(pair: PairMeasurement, detrended: bool) -> float:
    """Give the variance that the strips of a pair have beyond noise; 0 within errors."""
    noise, excess = pair.variance, 0.0
    for one in pair.quality.strips:
        for variance, n in one.scatter(detrended):
            if variance > noise * (1.0 + SIGNIFICANCE * np.sqrt(2.0 / n)):
                excess = max(excess, variance - noise)
    return excess


def _strip_noise(
    pairs: Sequence[PairMeasurement], squares: np.ndarray, axis: int, detrended: bool
) -> tuple[float, float]:
    """Estimate the variance of a strip of one exposure, and the exponent."""
    if not pairs:
        return 0.0, 1.0
    noise = np.array([max(pair.variance, 1e-30) for pair in pairs])
    scatter = np.array([pair.quality.strips[axis].scatter(detrended) for pair in pairs])
    narrow, wide = (
        _median_excess(of_width[:, 0] / noise, of_width[:, 1], noise / squares)
        for of_width in np.moveaxis(scatter, 1, 0)
    )
    if narrow <= 0.0 or wide <= 0.0:
        return narrow, 1.0
    exponent = float(np.log(narrow / wide) / np.log(WIDE))
    return narrow, min(max(exponent, EXPONENTS[0]), EXPONENTS[1])


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
