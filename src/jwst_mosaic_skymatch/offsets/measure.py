"""One regression for a pair of tiles: offset, shift, gradient, gain, and contrasts of regions."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter

from jwst_mosaic_skymatch.offsets.blocks import Blocks
from jwst_mosaic_skymatch.offsets.overlap import Overlap
from jwst_mosaic_skymatch.offsets.picture import DifferencePicture, draw_differences
from jwst_mosaic_skymatch.offsets.regression import Regression, robust_regression
from jwst_mosaic_skymatch.offsets.statistic import Location, Statistic
from jwst_mosaic_skymatch.offsets.strips import StripScatter, strip_scatter
from jwst_mosaic_skymatch.offsets.trends import (
    Columns,
    Region,
    Trends,
    first_trends,
    refined_trends,
)
from jwst_mosaic_skymatch.tiles.gradient import gradient
from jwst_mosaic_skymatch.tiles.tile import Tile, shift_tile

__all__ = ["PairMeasurement", "PairQuality", "PairSettings", "Shift", "measure_pair"]

# Shift in cells from which on a line along the gradient does not describe a star.
LARGEST_LINEAR_SHIFT = 0.03
# Below this response a sky does not constrain a shift.
LEAST_RESPONSE = 0.1
# Width in cells of the kernel that smooths difference and gradient alike.
SMOOTHING_CELLS = 1.6
# Change of an expected difference, in standard deviations of a cell, from which on trends are
# refined again.
LARGEST_CHANGE = 0.3


@dataclass(frozen=True)
class PairSettings:
    """How two tiles are compared.

    Attributes
    ----------
    statistic : Statistic
        Location of the differences that the trends leave.
    min_cells : int
        Least number of common cells of a pair.
    fit_shift : bool
        Regress the differences on the gradient of the mean image.
    keep_picture : bool
        Keep a small picture of the differences.
    """

    statistic: Statistic
    min_cells: int = 25
    fit_shift: bool = True
    keep_picture: bool = False


@dataclass(frozen=True)
class Shift:
    r"""Misalignment of a pair, and its part in the offset.

    With the true offset d and shift s, the regression has the mean
    :math:`H (d, m - s)`, an image shifted by +s being too faint by s times its gradient.

    Attributes
    ----------
    moved : ndarray, shape (2,)
        Shift m (x, y) that was taken back before the regression, cells.
    coefficients : ndarray, shape (2,)
        Coefficients of the gradients.
    covariance : ndarray, shape (3, 3)
        Covariance of offset and coefficients.
    response : ndarray, shape (3, 3)
        H; noise of the gradients attenuates coefficients.
    """

    moved: np.ndarray
    coefficients: np.ndarray
    covariance: np.ndarray
    response: np.ndarray

    @property
    def is_known(self) -> bool:
        """Whether the sky constrains the shift."""
        return bool(np.linalg.svd(self.response[1:, 1:], compute_uv=False)[-1] > LEAST_RESPONSE)

    @property
    def value(self) -> np.ndarray:
        """Shift (x, y) of the first tile relative to the second, cells; NaN if it is not known."""
        if not self.is_known:
            return np.full(2, np.nan)
        return self.moved - np.linalg.solve(self.response[1:, 1:], self.coefficients)

    @property
    def errors(self) -> np.ndarray:
        """1-sigma errors of ``value``, cells, shape (2,); NaN if it is not known."""
        if not self.is_known:
            return np.full(2, np.nan)
        inverse = np.linalg.inv(self.response[1:, 1:])
        return np.sqrt(np.diag(inverse @ self.covariance[1:, 1:] @ inverse.T))

    def at(self, shift: np.ndarray, variance: float) -> tuple[float, float]:
        r"""Compute the offset for a shift that is known from other pairs as well.

        Parameters
        ----------
        shift : ndarray, shape (2,)
            The shift, cells.
        variance : float
            Its variance along each axis, cells^2.

        Returns
        -------
        change : float
            Change of the offset, MJy/sr: minus the regression of its error on that of the
            coefficients.
        variance : float
            Variance of the changed offset, (MJy/sr)^2.
        """
        by_shift = self.response[:, 1:]
        expected = by_shift @ (self.moved - shift)
        covariance = self.covariance + variance * by_shift @ by_shift.T
        of_coefficients = covariance[1:, 1:] + 1e-12 * np.eye(2)
        regression = np.linalg.solve(of_coefficients, covariance[1:, 0])
        change = -expected[0] - regression @ (self.coefficients - expected[1:])
        return float(change), float(max(covariance[0, 0] - regression @ covariance[1:, 0], 0.0))


@dataclass(frozen=True)
class PairQuality:
    """What the differences of a pair are like.

    Attributes
    ----------
    noise_ratio : float
        Variance of the cells over that by quoted errors, or by unit errors of all pixels.
    quoted_variance : float
        Variance of the offset by these errors, (MJy/sr)^2.
    asymmetry : float
        Offset minus that with half the cutoff, MJy/sr: positive for hits of the first tile.
    excess : tuple of float
        Share of cells in which the first tile, and the second, is brighter beyond the cutoff.
    strips : tuple of StripScatter
        Scatter along rows, and along columns, of the detectors.
    n_cells : int
        Number of cells in which both tiles have data.
    picture : DifferencePicture or None
        The differences minus their offset, if they were asked for.
    """

    noise_ratio: float
    quoted_variance: float
    asymmetry: float
    excess: tuple[float, float]
    strips: tuple[StripScatter, StripScatter]
    n_cells: int
    picture: DifferencePicture | None = None


@dataclass(frozen=True)
class PairMeasurement:
    r"""The measurement :math:`y_p` of a pair with its covariance :math:`R_p` by noise.

    Attributes
    ----------
    first, second : int
        Positions of the two tiles in the caller's sequence.
    estimate : ndarray, shape (4 + n_regions,)
        Offset (level of the first minus level of the second, MJy/sr) at ``centre``; gradient
        along x and y (MJy/sr per cell); relative gain; contrast of each region (MJy/sr).
    covariance : ndarray, shape (4 + n_regions, 4 + n_regions)
        Its covariance, with the correlation that drizzle leaves between cells.
    centre : ndarray, shape (3 + n_regions,)
        Weighted means of place x and y (cells), of brightness (MJy/sr), and of the share of each
        region, negative in the second tile.
    regions : tuple of Region
        The regions.
    shift : Shift or None
        The misalignment; None where it was not fitted.
    quality : PairQuality
        Scatter and outliers of the differences.
    """

    first: int
    second: int
    estimate: np.ndarray
    covariance: np.ndarray
    centre: np.ndarray
    regions: tuple[Region, ...]
    shift: Shift | None
    quality: PairQuality

    @property
    def offset(self) -> float:
        """Level of the first tile minus that of the second, MJy/sr."""
        return float(self.estimate[0])

    @property
    def variance(self) -> float:
        """Variance of the offset by noise, (MJy/sr)^2."""
        return float(self.covariance[0, 0])


def measure_pair(first: Tile, second: Tile, settings: PairSettings) -> PairMeasurement | None:
    r"""Measure the offset of one tile from another, and its trends.

    Parameters
    ----------
    first, second : Tile
        Two tiles of one grid.
    settings : PairSettings
        How to compare them.

    Returns
    -------
    PairMeasurement or None
        The measurement, between positions 0 and 1; None when there are fewer than ``min_cells``
        common cells or the statistic has no value.

    Notes
    -----
    The differences D of two tiles are regressed on

    .. math:: D = d + s \cdot \nabla S + g \cdot x + \gamma S + \sum_r c_r \phi_r

    with the mean image S, the place x and the difference :math:`\phi_r` of the shares of detector
    region r. Medians of blocks give a start for all but the shift; a robust regression of the
    cells then gives constant and shift, and the sums of its estimating equation over blocks one
    more step for the trends. If the tiles turn out to be shifted by much of a cell, one of them
    is moved, and they are compared again.
    """
    overlap = Overlap.of(first, second)
    if np.count_nonzero(overlap.valid) < settings.min_cells:
        return None
    frames = first.frames, second.frames
    compared = _compare(overlap, frames, settings)
    moved = np.zeros(2)
    if settings.fit_shift and _is_shifted(compared.fit):
        moved = _smoothed_shift(compared)
        overlap = Overlap.of(first, shift_tile(second, *(-moved)))
        compared = _compare(overlap, frames, settings)
    return _measurement(compared, overlap, moved, settings)


@dataclass(frozen=True)
class _Compared:
    """An overlap without outlying blocks, and the regression of its differences."""

    blocks: Blocks
    columns: Columns
    trends: Trends
    fit: Regression
    angles: tuple[float, ...]
    remainder: np.ndarray  # differences minus the trends, in the valid cells
    gradient: np.ndarray  # of the mean image, in the valid cells, (2, n)


def _compare(overlap: Overlap, frames: tuple, settings: PairSettings) -> _Compared:
    blocks = Blocks(overlap)
    columns = Columns.of(blocks, frames)
    trends, used = first_trends(blocks, columns, 1.0 / overlap.variance)
    kept = overlap.valid.copy()
    kept.ravel()[overlap.places] = blocks.in_cells(used)
    if np.count_nonzero(kept) >= settings.min_cells:
        overlap = replace(overlap, valid=kept)
        blocks = Blocks(overlap)
    slopes = np.stack([overlap.take(slope) for slope in gradient(overlap.mean)])
    squared = slopes[0] ** 2 + slopes[1] ** 2
    for _ in range(3):
        start = trends
        removed = _in_cells(blocks, columns, start)
        rest = overlap.take(overlap.difference) - removed
        fit = robust_regression(
            rest, slopes if settings.fit_shift else slopes[:0], overlap.variance, squared
        )
        trends = refined_trends(blocks, columns, start, fit, removed)
        change = trends.values(columns.values) - start.values(columns.values)
        change = (change - fit.coefficients[0])[trends.weights > 0]
        sigma = fit.scale * float(np.sqrt(np.median(overlap.variance)))
        if np.abs(change).max(initial=0.0) < LARGEST_CHANGE * sigma:
            break
    angles = tuple({frame.angle for own in frames for frame in own[:1]}) or (0.0,)
    used_slopes = slopes if settings.fit_shift else slopes[:0]
    return _Compared(blocks, columns, trends, fit, angles, rest, used_slopes)


def _in_cells(blocks: Blocks, columns: Columns, trends: Trends) -> np.ndarray:
    """Evaluate the trends in the valid cells; regions are constant over each block."""
    overlap = blocks.overlap
    y, x = np.divmod(overlap.places, overlap.valid.shape[1])
    along = trends.slopes[:2].astype(np.float32)
    middle = np.array(overlap.corner) - trends.centre[:2]
    values = along[0] * (x + np.float32(middle[0])) + along[1] * (y + np.float32(middle[1]))
    gain = np.float32(trends.slopes[2])
    values += gain * (overlap.take(overlap.mean) - np.float32(trends.centre[2]))
    if columns.regions:
        of_regions = trends.slopes[3:] @ (columns.values[3:] - trends.centre[3:, None])
        values += blocks.in_cells(of_regions.astype(np.float32))
    return values.astype(np.float32) + np.float32(trends.constant)


def _measurement(
    compared: _Compared, overlap: Overlap, moved: np.ndarray, settings: PairSettings
) -> PairMeasurement | None:
    trends, fit, kept = compared.trends, compared.fit, compared.blocks.overlap
    aligned = compared.remainder - fit.coefficients[1:].astype(np.float32) @ compared.gradient
    location = settings.statistic.refine(aligned, fit)
    if not np.isfinite(location.value):
        return None
    offset = trends.constant + location.value - float(fit.coefficients[0])
    variance = kept.correlation * location.variance
    m = trends.slopes.size
    covariance = np.zeros((1 + m, 1 + m))
    covariance[0, 0] = variance
    covariance[1:, 1:] = variance * trends.weights.sum() * trends.inverse
    picture = None
    if settings.keep_picture:
        picture = draw_differences(overlap.difference - np.float32(offset), overlap.corner)
    quality = PairQuality(
        noise_ratio=fit.scale**2,
        quoted_variance=1.0 / float((1.0 / kept.variance).sum(dtype=np.float64)),
        asymmetry=fit.asymmetry,
        excess=fit.excess,
        strips=strip_scatter(
            *compared.columns.values[:2],
            trends.residuals,
            trends.values(np.nan_to_num(compared.columns.values)) - trends.constant,
            trends.weights,
            compared.angles,
        ),
        n_cells=int(np.count_nonzero(overlap.valid)),
        picture=picture,
    )
    return PairMeasurement(
        first=0,
        second=1,
        estimate=np.append(offset, trends.slopes),
        covariance=covariance,
        centre=trends.centre,
        regions=compared.columns.regions,
        shift=_shift(fit, location, kept.correlation, moved) if settings.fit_shift else None,
        quality=quality,
    )


def _shift(fit: Regression, location: Location, correlation: float, moved: np.ndarray) -> Shift:
    covariance = correlation * fit.covariance
    covariance[0, 0] = correlation * location.variance
    return Shift(moved, fit.coefficients[1:], covariance, fit.response)


def _is_shifted(fit: Regression) -> bool:
    """Decide whether an image is to be moved."""
    limit = max(LARGEST_LINEAR_SHIFT, 4.0 * np.sqrt(np.trace(fit.covariance[1:, 1:])))
    return np.hypot(*fit.coefficients[1:]) > limit


def _smoothed_shift(compared: _Compared) -> np.ndarray:
    """Measure the shift from difference and gradient, after smoothing both alike.

    A star as narrow as a cell has no accurate gradient; smoothed by the same kernel, difference
    and gradient keep their ratio, and wider structure decides.
    """
    overlap = compared.blocks.overlap
    used = np.zeros(overlap.valid.shape, dtype=bool)
    used.ravel()[overlap.places] = compared.fit.score != 0
    difference = np.zeros(overlap.valid.shape, dtype=np.float32)
    difference.ravel()[overlap.places] = compared.remainder - compared.fit.coefficients[0]

    def smooth(image: np.ndarray | float) -> np.ndarray:
        return gaussian_filter(np.where(used, image, 0.0), SMOOTHING_CELLS, mode="constant")

    covered = smooth(1.0)
    inside = used & (covered > 0.5)
    columns = [smooth(slope)[inside] / covered[inside] for slope in gradient(overlap.mean)]
    values = smooth(difference)[inside] / covered[inside]
    return -np.linalg.lstsq(np.stack(columns, axis=1), values, rcond=1e-8)[0]
