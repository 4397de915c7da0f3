"""Variance of offsets by structure of backgrounds: stripes, glow, patches."""

from collections.abc import Sequence

import numpy as np

from jwst_mosaic_skymatch.offsets.results import PairMeasurement
from jwst_mosaic_skymatch.offsets.strips import FITTED, WIDE

__all__ = ["structure_variances"]

# Scatter of the strips of a pair, and of all pairs, in its own errors, from which on it is not
# taken for noise.
SIGNIFICANCE, COMMON_SIGNIFICANCE = 3.0, 4.0
# Least variance of an offset by noise, (MJy/sr)^2.
LEAST_VARIANCE = 1e-30
# Range of the exponent of the variance of a mean of strips: 1 if they are independent, smaller
# for 1/f noise.
EXPONENTS = (0.2, 1.0)


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
    noise = np.array([max(pair.variance_alone, LEAST_VARIANCE) for pair in pairs])
    # Variance and number of strips, (n_pairs, 2 axes, 2 widths, 2).
    scatter = np.array([pair.quality.strips[0 if detrended else 1] for pair in pairs])
    relative, n_strips = scatter[..., 0] / noise[:, None, None], scatter[..., 1]
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
