"""One regression for a pair of tiles: offset, shift, gradient, gain, and contrasts of regions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag
from scipy.ndimage import gaussian_filter

from jwst_mosaic_skymatch.offsets.overlap import Overlap
from jwst_mosaic_skymatch.offsets.picture import DifferencePicture, draw_differences
from jwst_mosaic_skymatch.offsets.regression import Regression, robust_regression
from jwst_mosaic_skymatch.offsets.results import PairMeasurement, PairQuality, Shift
from jwst_mosaic_skymatch.offsets.statistic import Statistic
from jwst_mosaic_skymatch.offsets.strips import StripScatter, strip_scatter
from jwst_mosaic_skymatch.offsets.trends import (
    LYOT,
    Region,
    Trends,
    first_trends,
    refined_trends,
    trend_columns,
)
from jwst_mosaic_skymatch.tiles.frame import DetectorFrame
from jwst_mosaic_skymatch.tiles.tile import Tile, shift_tile

__all__ = ["PairSettings", "measure_pair"]

# Shift in cells from which on a line along the gradient does not describe a star.
LARGEST_LINEAR_SHIFT = 0.03
# Width in cells of the kernel that smooths difference and gradient alike.
SMOOTHING_CELLS = 1.6


@dataclass(frozen=True)
class PairSettings:
    """Settings of the comparison of two tiles.

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


def measure_pair(first: Tile, second: Tile, settings: PairSettings) -> PairMeasurement | None:
    r"""Measure the offset of one tile from another, and its trends.

    Parameters
    ----------
    first, second : Tile
        Two tiles of one grid.
    settings : PairSettings
        Settings of the comparison.

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
    if overlap.places.size < settings.min_cells:
        return None
    frames, moved = (first.frames, second.frames), np.zeros(2)
    comparison = _compare(overlap, frames, settings)
    if settings.fit_shift and _is_shifted(comparison.fit):
        moved = _smoothed_shift(comparison)
        overlap = Overlap.of(first, shift_tile(second, *(-moved)))
        comparison = _compare(overlap, frames, settings)
    kept, trends, fit = comparison.overlap, comparison.trends, comparison.fit
    value, variance = settings.statistic.locate(comparison.aligned(), fit)
    if not np.isfinite(value):
        return None
    offset = trends.constant + value - float(fit.coefficients[0])
    variance *= kept.correlation
    shift = None
    if settings.fit_shift:
        of_shift = kept.correlation * fit.covariance
        of_shift[0, 0] = variance
        shift = Shift(moved, fit.coefficients[1:], of_shift, fit.response)
    return PairMeasurement(
        first=0,
        second=1,
        estimate=np.append(offset, trends.slopes),
        covariance=block_diag(variance, variance * trends.weights.sum() * trends.inverse),
        centre=trends.centre,
        regions=comparison.regions,
        shift=shift,
        quality=PairQuality(
            noise_ratio=fit.scale**2,
            quoted_variance=1.0 / float((1.0 / kept.variance).sum(dtype=float)),
            asymmetry=fit.asymmetry,
            excess=fit.excess,
            strips=comparison.strips(frames),
            n_cells=overlap.places.size,
            picture=_picture(overlap, offset) if settings.keep_picture else None,
        ),
    )


@dataclass(frozen=True)
class _Comparison:
    """Regression of the differences of an overlap without outlying blocks."""

    overlap: Overlap
    regions: tuple[Region, ...]
    trends: Trends
    rest: np.ndarray  # differences minus the first trends
    fit: Regression  # of the rest

    def aligned(self) -> np.ndarray:
        """Subtract the shift from the rest."""
        coefficients = self.fit.coefficients[1:].astype(np.float32)
        return self.rest - coefficients @ self.overlap.slopes[: coefficients.size]

    def strips(self, frames: Sequence[Sequence[DetectorFrame]]) -> tuple[StripScatter, ...]:
        """Measure the scatter of strips along the rows and columns of the detectors.

        In a narrow overlap the columns of gradient and glow are nearly collinear, so that only
        the sum of the two is well known.
        """
        uneven = np.array([True, True, False, *(r.name != LYOT for r in self.regions)])
        return strip_scatter(
            self.trends.columns[:2],
            self.trends.residuals,
            self.trends.part(uneven),
            self.trends.weights,
            [own[0].angle if own else 0.0 for own in frames],
        )


def _compare(
    overlap: Overlap, frames: Sequence[Sequence[DetectorFrame]], settings: PairSettings
) -> _Comparison:
    columns, regions = trend_columns(overlap, frames)
    start, used = first_trends(overlap, columns)
    overlap = overlap.select(used[overlap.blocks[0]])
    rest = overlap.difference - start.in_cells(overlap)
    slopes = overlap.slopes if settings.fit_shift else overlap.slopes[:0]
    fit = robust_regression(rest, slopes, overlap.variance, (overlap.slopes**2).sum(axis=0))
    return _Comparison(overlap, regions, refined_trends(overlap, start, fit), rest, fit)


def _is_shifted(fit: Regression) -> bool:
    """Decide whether an image is to be moved."""
    limit = max(LARGEST_LINEAR_SHIFT, 4.0 * np.sqrt(np.trace(fit.covariance[1:, 1:])))
    return bool(np.hypot(*fit.coefficients[1:]) > limit)


def _smoothed_shift(comparison: _Comparison) -> np.ndarray:
    """Measure the shift from difference and gradient, after smoothing both alike.

    A star as narrow as a cell has no accurate gradient; smoothed by the same kernel, difference
    and gradient keep their ratio, and wider structure decides.
    """
    overlap, fit = comparison.overlap, comparison.fit
    used = fit.score != 0

    def smooth(values: np.ndarray) -> np.ndarray:
        image = _image(overlap, np.where(used, values, np.float32(0)), 0.0)
        return gaussian_filter(image, SMOOTHING_CELLS, mode="constant").ravel()

    slopes = np.stack([smooth(slope) for slope in overlap.slopes])
    difference = smooth(comparison.rest - np.float32(fit.coefficients[0]))
    return -np.linalg.pinv(slopes @ slopes.T) @ (slopes @ difference)


def _picture(overlap: Overlap, offset: float) -> DifferencePicture:
    image = _image(overlap, overlap.difference - np.float32(offset), np.nan)
    return draw_differences(image, overlap.corner)


def _image(overlap: Overlap, values: np.ndarray, fill: float) -> np.ndarray:
    """Put the values of cells into an image."""
    image = np.full(overlap.shape, fill, dtype=np.float32)
    image.ravel()[overlap.places] = values
    return image
