"""Differences of overlapping tiles, cell by cell."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter, label, maximum_filter, uniform_filter
from scipy.ndimage import mean as labelled_mean

from jwst_mosaic_skymatch.correlation import CellCorrelation, drizzle_correlation
from jwst_mosaic_skymatch.gradient import banded_gradient, gradient
from jwst_mosaic_skymatch.noise import UNIFORM
from jwst_mosaic_skymatch.outliers import Outliers
from jwst_mosaic_skymatch.regression import robust_regression
from jwst_mosaic_skymatch.tile import overlap_windows, shift_tile

__all__ = ["PairFit", "PairOffset", "measure_offset"]

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
    share : float
        Share of these cells that are no outliers.
    fit : PairFit or None
        The regression behind ``value``; None when no displacement was fitted.
    outliers : Outliers or None
        Cells that the regression left out, if they were asked for.
    """

    first: int
    second: int
    value: float
    variance: float
    n_cells: int
    noise_variance: float = 1.0
    share: float = 1.0
    fit: PairFit | None = None
    outliers: Outliers | None = None

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


def measure_offset(
    first, second, statistic, *, min_cells, fit_shift=True, quoted=True, keep_outliers=False
):
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
        of the mean image, so that a misalignment does not pass for an offset. If
        the tiles turn out to be displaced by much of a cell, one is moved, and they
        are compared again.
    quoted : bool, optional
        Take the variance of cells from the exposures' errors, if both quote
        them.
    keep_outliers : bool, optional
        Record the cells that the regression leaves out.

    Returns
    -------
    PairOffset or None
        The offset, between positions 0 and 1; None when there are fewer than
        ``min_cells`` common cells or no offset can be found.
    """
    overlap = _Overlap.of(first, second, quoted)
    if np.count_nonzero(overlap.known) < min_cells:
        return None
    if statistic.skystat != "biweight":
        return _plain_offset(overlap, statistic)
    offset, fit, kept = _fit_overlap(overlap, min_cells, fit_shift, keep_outliers)
    if not (fit_shift and _displaced(offset.fit)):
        return offset
    shift = _smooth_shift(kept, fit)
    moved = _Overlap.of(first, shift_tile(second, *(-shift)), quoted)
    offset, *_ = _fit_overlap(moved, min_cells, fit_shift, keep_outliers)
    rest = offset.fit
    estimate = rest.estimate + rest.response[:, 1:] @ shift
    return replace(offset, fit=replace(rest, estimate=estimate))


def _fit_overlap(overlap, min_cells, fit_shift, keep_outliers):
    """Find the offset, and with it the regression and the part that it kept."""
    fit, noise_variance, kept = _regress_without_patches(overlap, fit_shift, min_cells)
    # An image displaced by +s has lost s times its gradient.
    sign = np.array([1.0, -1.0, -1.0])[: len(fit.coefficients)]
    signs = np.outer(sign, sign)
    covariance = fit.covariance * signs
    offset = PairOffset(
        0,
        1,
        float(fit.coefficients[0]),
        float(covariance[0, 0]),
        int(np.count_nonzero(kept.known)),
        noise_variance,
        float(np.mean(fit.used)),
        PairFit(sign * fit.coefficients, covariance, fit.response * signs) if fit_shift else None,
        _outliers(overlap, kept, fit) if keep_outliers else None,
    )
    return offset, fit, kept


def _regress_without_patches(overlap, fit_shift, min_cells):
    """Regress, and again without spoiled patches; also give what was kept."""
    fit, noise_variance = _regress(overlap, fit_shift)
    patches = _spoiled_patches(overlap.known, fit.used)
    if patches is None or np.count_nonzero(overlap.known & ~patches) < min_cells:
        return fit, noise_variance, overlap
    kept = replace(overlap, known=overlap.known & ~patches)
    return *_regress(kept, fit_shift), kept


def _displaced(found):
    """Tell whether it is worth moving an image."""
    limit = max(WORTH_REALIGNING, 4.0 * np.sqrt(np.trace(found.covariance[1:, 1:])))
    return np.hypot(*found.estimate[1:]) > limit


@dataclass(frozen=True)
class _Overlap:
    """The part of the grid that two tiles share."""

    x0: int
    y0: int
    data: tuple[np.ndarray, np.ndarray]
    weights: tuple[np.ndarray, np.ndarray]
    noises: tuple | None
    known: np.ndarray
    correlation: float  # variance of a mean, over that of independent cells

    @classmethod
    def of(cls, first, second, quoted):
        tiles = first, second
        windows = overlap_windows(first, second)
        data = tuple(t.data[w] for t, w in zip(tiles, windows, strict=True))
        return cls(
            max(first.x0, second.x0),
            max(first.y0, second.y0),
            data,
            tuple(t.weight[w] for t, w in zip(tiles, windows, strict=True)),
            (first.noise, second.noise) if quoted else None,
            np.isfinite(data[0]) & np.isfinite(data[1]),
            # What drizzle, and moving an image, hide of the variance of a mean.
            drizzle_correlation(min(first.pixels_per_cell, second.pixels_per_cell))
            * 2.0
            / (first.smoothing + second.smoothing),
        )

    def mean(self, rows=np.s_[:]):
        """Mean image, or some rows of it; NaN in holes of either."""
        return np.float32(0.5) * (self.data[0][rows] + self.data[1][rows])

    def columns(self):
        """Find what is compared in the n known cells.

        Returns
        -------
        difference, variance : ndarray, shape (n,)
            Difference of the images, and its variance.
        slopes : ndarray, shape (2, n)
            Gradient of the mean image. In holes of one image that is NaN, and gradients
            are taken beside them.
        """
        columns = np.empty((4, np.count_nonzero(self.known)), dtype=np.float32)
        end = 0
        for rows, mean, *slopes in banded_gradient(self.known.shape, self.mean):
            # Several times faster than the mask itself.
            places = np.flatnonzero(self.known[rows])
            start, end = end, end + places.size
            images = *(image[rows] for image in self.data + self.weights), mean, *slopes
            first, second, *weights, brightness, along_x, along_y = (
                image.ravel().take(places) for image in images
            )
            columns[0, start:end] = first - second
            columns[1, start:end] = self._variance(brightness, weights)
            columns[2:, start:end] = along_x, along_y
        return columns[0], columns[1], columns[2:]

    def _variance(self, brightness, weights):
        """Variance of differences, from quoted errors if both have them."""
        noises = self.noises or (UNIFORM, UNIFORM)
        measured = all(noise.measured for noise in noises)
        variance = np.zeros(brightness.size, dtype=np.float32)
        for noise, weight in zip(noises, weights, strict=True):
            pixel = noise.approximate(brightness) if measured else np.float32(1.0)
            variance += pixel / weight
        return variance


def _plain_offset(overlap, statistic):
    difference, variance, _ = overlap.columns()
    location = statistic(difference.astype(np.float64))
    if not np.isfinite(location.value):
        return None
    return PairOffset(
        0,
        1,
        location.value,
        overlap.correlation * location.variance,
        difference.size,
        _variance_of_mean(variance),
    )


def _regress(overlap, fit_shift):
    """Regress the differences of the known cells; also give the noise of their mean."""
    difference, variance, regressors = overlap.columns()
    fit = robust_regression(
        difference,
        regressors if fit_shift else regressors[:0],
        variance,
        regressors[0] ** 2 + regressors[1] ** 2,
        CellCorrelation(overlap.known, overlap.correlation),
    )
    return fit, _variance_of_mean(variance)


def _variance_of_mean(variance):
    return 1.0 / float((1.0 / variance).sum(dtype=np.float64))


def _outliers(overlap, kept, fit):
    """Cells that were left out, by the tile that is brighter there."""
    left_out = overlap.known.copy()
    left_out[kept.known] = ~fit.used
    excess = overlap.data[0] - overlap.data[1] - np.float32(fit.coefficients[0])
    # A patch belongs to one tile as a whole: in its wings single cells are noise.
    if kept is not overlap:
        patches, n_patches = label(overlap.known & ~kept.known)
        numbers = np.arange(n_patches + 1)
        mean = np.nan_to_num(labelled_mean(np.nan_to_num(excess), patches, numbers))
        excess = np.where(patches > 0, mean[patches], excess)
    first_brighter = excess > 0
    return Outliers(
        overlap.x0,
        overlap.y0,
        left_out.shape,
        np.packbits(overlap.known),
        np.packbits(left_out & first_brighter),
        np.packbits(left_out & ~first_brighter),
    )


def _spoiled_patches(known, used):
    """Find patches in which nearly all cells are outliers, with a margin.

    The wings of an afterglow or a ghost are too faint for any one cell to be
    recognized, but add up. Cosmic rays never fill a patch.
    """
    outliers = np.zeros(known.shape, dtype=np.float32)
    outliers[known] = ~used
    if not _any_dense_block(outliers):
        return None
    share = uniform_filter(outliers, PATCH_CELLS, mode="constant")
    core = share > 0.8 * np.maximum(
        uniform_filter(known.astype(np.float32), PATCH_CELLS, mode="constant"), 0.5
    )
    if not core.any():
        return None
    return maximum_filter(core, PATCH_CELLS + 4)


def _any_dense_block(outliers):
    """Look at blocks of three by three, of which a patch holds one that is as full."""
    ny, nx = (n - n % 3 for n in outliers.shape)
    sums = sum(outliers[j:ny:3, i:nx:3] for j in range(3) for i in range(3))
    return bool((sums >= 7).any())


def _smooth_shift(overlap, fit):
    """Find the displacement from difference and gradient, after smoothing both alike.

    What is as narrow as a cell has no accurate gradient; smoothed by the same
    kernel, difference and gradient keep their ratio, and wider structure decides.
    """
    trusted = np.zeros(overlap.known.shape, dtype=bool)
    trusted[overlap.known] = fit.used
    difference = overlap.data[0] - overlap.data[1] - np.float32(fit.coefficients[0])

    def smooth(image):
        return gaussian_filter(np.where(trusted, image, 0.0), 1.6, mode="constant")

    share = smooth(1.0)
    inside = trusted & (share > 0.5)
    columns = [smooth(slope)[inside] / share[inside] for slope in gradient(overlap.mean())]
    values = smooth(difference)[inside] / share[inside]
    return -np.linalg.lstsq(np.stack(columns, axis=1), values, rcond=1e-8)[0]
