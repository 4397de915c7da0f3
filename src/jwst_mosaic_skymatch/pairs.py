"""Differences of overlapping tiles, cell by cell."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter, uniform_filter

from jwst_mosaic_skymatch.regression import drizzle_correlation, gradient, robust_regression
from jwst_mosaic_skymatch.tile import candidate_pairs, overlap_windows, shift_tile

__all__ = ["PairOffset", "measure_offset", "measure_offsets"]

# From here on a line along the gradient does not describe a displaced star.
WORTH_REALIGNING = 0.03
# Side of the square, in cells, that outliers must fill to count as a patch.
PATCH_CELLS = 9


# Below this response a sky says nothing of a displacement.
LEAST_RESPONSE = 0.1


@dataclass(frozen=True)
class PairFit:
    """What a regression with displacement says: estimate = response @ truth + noise.

    Attributes
    ----------
    estimate : ndarray, shape (3,)
        Offset, MJy/sr, and displacement (x, y), cells.
    covariance : ndarray, shape (3, 3)
        Covariance of the estimate.
    response : ndarray, shape (3, 3)
        Mean estimate for a true offset and displacement. On a sky without
        structure, of which the gradient is mere noise, an estimate of the
        displacement is zero whatever the truth.
    """

    estimate: np.ndarray
    covariance: np.ndarray
    response: np.ndarray


@dataclass(frozen=True)
class PairOffset:
    """How much higher one tile lies than another.

    Attributes
    ----------
    first, second : int
        Positions of the two tiles in the caller's sequence.
    value : float
        Level of ``first`` minus level of ``second``, MJy/sr.
    variance : float
        Variance of ``value``, (MJy/sr)^2, from the scatter of the differences
        and with the correlation that drizzle leaves between cells.
    n_cells : int
        Number of cells where both have data.
    noise_variance : float
        Variance of ``value`` if the quoted errors of the exposures were all
        its noise, (MJy/sr)^2; for exposures without errors, if pixels had
        unit variance.
    fit : PairFit or None
        The regression behind ``value``; None when no displacement was fitted.
    """

    first: int
    second: int
    value: float
    variance: float
    n_cells: int
    noise_variance: float = 1.0
    fit: PairFit | None = None

    @property
    def shift(self):
        """Displacement (x, y) of ``first`` relative to ``second``, cells, as an array.

        NaN when it was not fitted or the sky does not show it.
        """
        inverse = self._inverse_response()
        return inverse @ self.fit.estimate[1:] if self.fit else np.full(2, np.nan)

    @property
    def shift_variance(self):
        """Variance of ``shift``, cells^2."""
        inverse = self._inverse_response()
        if self.fit is None:
            return np.full(2, np.nan)
        return np.diag(inverse @ self.fit.covariance[1:, 1:] @ inverse.T)

    def _inverse_response(self):
        if self.fit is None:
            return None
        own = self.fit.response[1:, 1:]
        if np.linalg.svd(own, compute_uv=False)[-1] < LEAST_RESPONSE:
            return np.full((2, 2), np.nan)
        return np.linalg.inv(own)


def measure_offset(first, second, statistic, *, min_cells, fit_shift=True, realign=True):
    """Measure the offset of one tile from another.

    Parameters
    ----------
    first, second : Tile
        Two tiles of one grid.
    statistic : Statistic
        How to take the location of the differences, MJy/sr.
    min_cells : int
        Least number of cells in which both tiles have data.
    fit_shift : bool, optional
        With the 'biweight' statistic, regress the differences on the gradient
        of the mean image, so that a misalignment does not pass for an offset.
    realign : bool, optional
        If the tiles turn out to be displaced by much of a cell, move one and
        measure again.

    Returns
    -------
    PairOffset or None
        The offset, between positions 0 and 1; None when there are fewer than
        ``min_cells`` common cells or no offset can be found.
    """
    windows = overlap_windows(first, second)
    a, b = first.data[windows[0]], second.data[windows[1]]
    known = np.isfinite(a) & np.isfinite(b)
    if np.count_nonzero(known) < min_cells:
        return None
    # What drizzle, and moving an image, hide of the variance of a mean.
    correlation = drizzle_correlation(min(first.pixels_per_cell, second.pixels_per_cell))
    correlation *= 2.0 / (first.smoothing + second.smoothing)
    if statistic.skystat != "biweight":
        return _plain_offset(first, second, windows, known, statistic, correlation)
    fit, noise_variance = _regress(first, second, windows, known, fit_shift)
    patches = _spoiled_patches(known, fit.used)
    if patches is not None and np.count_nonzero(known & ~patches) >= min_cells:
        known &= ~patches
        fit, noise_variance = _regress(first, second, windows, known, fit_shift)
    sign = np.array([1.0, -1.0, -1.0])[: len(fit.coefficients)]
    covariance = correlation * fit.covariance * np.outer(sign, sign)
    offset = PairOffset(
        0,
        1,
        float(fit.coefficients[0]),
        float(covariance[0, 0]),
        int(np.count_nonzero(known)),
        noise_variance,
    )
    if not fit_shift:
        return offset
    # An image displaced by +s has lost s times its gradient.
    response = fit.response * np.outer(sign, sign)
    found = PairFit(sign * fit.coefficients, covariance, response)
    limit = max(WORTH_REALIGNING, 4.0 * np.sqrt(np.trace(covariance[1:, 1:])))
    if realign and np.hypot(*found.estimate[1:]) > limit:
        trusted = np.zeros(known.shape, dtype=bool)
        trusted[known] = fit.used
        slopes = gradient(np.float32(0.5) * (a + b))
        shift = -_smooth_slopes(a - b - fit.coefficients[0], slopes, trusted)
        moved = shift_tile(second, *(-shift))
        again = measure_offset(
            first, moved, statistic, min_cells=min_cells, fit_shift=True, realign=False
        )
        rest = again.fit
        return replace(
            again, fit=replace(rest, estimate=rest.estimate + rest.response[:, 1:] @ shift)
        )
    return replace(offset, fit=found)


def _plain_offset(first, second, windows, known, statistic, correlation):
    difference = first.data[windows[0]][known] - second.data[windows[1]][known]
    brightness = second.data[windows[1]][known] + np.float32(0.5) * difference
    variance = _cell_variance(first, second, windows, brightness, known)
    location = statistic(difference.astype(np.float64))
    if not np.isfinite(location.value):
        return None
    return PairOffset(
        0,
        1,
        location.value,
        correlation * location.variance,
        difference.size,
        _variance_of_mean(variance),
    )


def _regress(first, second, windows, known, fit_shift):
    """Regress the differences of the known cells; also give the noise of their mean."""
    a, b = first.data[windows[0]], second.data[windows[1]]
    mean = np.float32(0.5) * (a + b)
    variance = _cell_variance(first, second, windows, mean[known], known)
    # In holes of one tile the mean is NaN, and gradients are taken beside it.
    regressors = np.stack([slope[known] for slope in gradient(mean)])
    fit = robust_regression(
        a[known] - b[known],
        regressors if fit_shift else regressors[:0],
        variance,
        np.square(regressors).sum(axis=0),
    )
    return fit, _variance_of_mean(variance)


def _variance_of_mean(variance):
    return 1.0 / float((1.0 / variance).sum(dtype=np.float64))


def _spoiled_patches(known, used):
    """Find patches in which nearly all cells are outliers, with a margin.

    The wings of an afterglow or a ghost are too faint for any one cell to be
    recognized, but add up. Cosmic rays never fill a patch.
    """
    outliers = np.zeros(known.shape, dtype=np.float32)
    outliers[known] = ~used
    share = uniform_filter(outliers, PATCH_CELLS, mode="constant")
    core = share > 0.8 * np.maximum(
        uniform_filter(known.astype(np.float32), PATCH_CELLS, mode="constant"), 0.5
    )
    if not core.any():
        return None
    return maximum_filter(core, PATCH_CELLS + 4)


def _smooth_slopes(difference, slopes, trusted):
    """Fit the difference with the gradient after smoothing both alike.

    What is as narrow as a cell has no accurate gradient; smoothed by the same
    kernel, difference and gradient keep their ratio, and wider structure decides.
    """

    def smooth(image):
        return gaussian_filter(np.where(trusted, image, 0.0), 1.6, mode="constant")

    share = smooth(1.0)
    inside = trusted & (share > 0.5)
    columns = [smooth(slope)[inside] / share[inside] for slope in slopes]
    values = smooth(difference)[inside] / share[inside]
    return np.linalg.lstsq(np.stack(columns, axis=1), values, rcond=1e-8)[0]


def measure_offsets(tiles, statistic, *, min_cells, fit_shift=True):
    """Measure the offsets of all overlapping tiles.

    Parameters
    ----------
    tiles : sequence of Tile
        Tiles of one grid.
    statistic, min_cells, fit_shift
        See `measure_offset`.

    Returns
    -------
    tuple of PairOffset
        Usable pairs in ascending order of their positions.
    """
    offsets = []
    for i, j in candidate_pairs(tiles):
        offset = measure_offset(
            tiles[i], tiles[j], statistic, min_cells=min_cells, fit_shift=fit_shift
        )
        if offset is not None:
            offsets.append(replace(offset, first=i, second=j))
    return tuple(offsets)


def _cell_variance(first, second, windows, brightness, known):
    """Variance of each cell's difference, from quoted errors if both have them."""
    measured = first.noise.measured and second.noise.measured
    variance = np.zeros(brightness.size, dtype=np.float32)
    for tile, window in zip((first, second), windows, strict=True):
        pixel = tile.noise(brightness) if measured else 1.0
        variance += pixel / tile.weight[window][known]
    return variance
