"""One regression for a pair of tiles: offset, shift, gradient, gain, and contrasts of regions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag

from jwst_mosaic_skymatch.offsets.overlap import Overlap
from jwst_mosaic_skymatch.offsets.picture import DifferencePicture, draw_differences
from jwst_mosaic_skymatch.offsets.regression import Regression, robust_regression
from jwst_mosaic_skymatch.offsets.results import PairMeasurement, PairQuality, Shift
from jwst_mosaic_skymatch.offsets.statistic import Statistic
from jwst_mosaic_skymatch.offsets.strips import strip_scatter
from jwst_mosaic_skymatch.offsets.trends import Trends, first_trends, refined_trends
from jwst_mosaic_skymatch.tiles.frame import DetectorFrame
from jwst_mosaic_skymatch.tiles.tile import Tile, shift_tile

__all__ = ["PairSettings", "measure_pair"]

# Shift in cells from which on a line along the gradient does not describe a star.
LARGEST_LINEAR_SHIFT = 0.03
# Times that an image is moved: the gradient of a star is too steep for the first shift.
N_MOVES = 2


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
    more step for the trends. If the tiles turn out to be shifted by much of a cell, the second is
    moved, and they are compared again.
    """
    overlap = Overlap.of(first, second)
    if overlap.places.size < settings.min_cells:
        return None
    frames, moved = (first.frames, second.frames), np.zeros(2)
    comparison = _compare(overlap, frames, settings)
    for _ in range(N_MOVES):
        if not _is_shifted(comparison.fit):
            break
        moved = moved - comparison.fit.coefficients[1:]
        overlap = Overlap.of(first, shift_tile(second, *(-moved)))
        comparison = _compare(overlap, frames, settings)
    kept, trends, fit = comparison.overlap, comparison.trends, comparison.fit
    value, variance = settings.statistic.locate(comparison.aligned, fit)
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
        regions=trends.regions,
        shift=shift,
        quality=PairQuality(
            noise_ratio=fit.scale**2,
            quoted_variance=1.0 / float((1.0 / kept.variance).sum(dtype=float)),
            asymmetry=fit.asymmetry,
            excess=fit.excess,
            strips=strip_scatter(trends, [own[0].angle if own else 0.0 for own in frames]),
            n_cells=overlap.places.size,
            picture=_picture(overlap, offset) if settings.keep_picture else None,
        ),
    )


@dataclass(frozen=True)
class _Comparison:
    """Regression of the differences of an overlap without outlying blocks."""

    overlap: Overlap
    trends: Trends
    fit: Regression
    aligned: np.ndarray  # differences minus the first trends and the shift, (n,)


def _compare(
    overlap: Overlap, frames: Sequence[Sequence[DetectorFrame]], settings: PairSettings
) -> _Comparison:
    start, used = first_trends(overlap, frames)
    chosen = overlap.select(used[overlap.blocks[0]])
    if chosen.places.size >= settings.min_cells:
        overlap = chosen
    removed = start.in_cells(overlap)
    rest = overlap.difference - removed
    slopes = overlap.slopes if settings.fit_shift else overlap.slopes[:0]
    fit = robust_regression(rest, slopes, overlap.variance, (overlap.slopes**2).sum(axis=0))
    aligned = rest - fit.coefficients[1:].astype(np.float32) @ slopes
    return _Comparison(overlap, refined_trends(overlap, start, removed, fit), fit, aligned)


def _is_shifted(fit: Regression) -> bool:
    """Decide whether an image is to be moved."""
    limit = max(LARGEST_LINEAR_SHIFT, 4.0 * np.sqrt(np.trace(fit.covariance[1:, 1:])))
    return np.linalg.norm(fit.coefficients[1:]) > limit


def _picture(overlap: Overlap, offset: float) -> DifferencePicture:
    image = np.full(overlap.shape, np.nan, dtype=np.float32)
    image.ravel()[overlap.places] = overlap.difference - np.float32(offset)
    return draw_differences(image, overlap.corner)
