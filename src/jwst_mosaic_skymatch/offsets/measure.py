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

# Shift in cells, beside four errors, from which on a line along the gradient does not describe a
# star.
LARGEST_LINEAR_SHIFT = 0.03
# Times that an image is moved: the gradient of a star is too steep for the first shift.
N_MOVES = 2

# Comparisons in which trends are refined, and their rms change in errors of a cell that ends them:
# a region with a contrast of many errors takes two.
N_ROUNDS, LARGEST_CHANGE = 3, 0.1


@dataclass(frozen=True)
class PairSettings:
    """Settings of the comparison of two tiles.

    Attributes
    ----------
    statistic : Statistic
        Location of the differences that the trends leave.
    min_cells : int
        Least number of common cells of a pair.
    keep_picture : bool
        Keep a small picture of the differences.
    """

    statistic: Statistic
    min_cells: int = 25
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
        The measurement, between positions 0 and 1; None for too few cells.

    Notes
    -----
    The differences D of two tiles are regressed on

    .. math:: D = d + s \cdot \nabla S + g \cdot x + \gamma S + \sum_r c_r \phi_r

    with the mean image S, the position x and the difference :math:`\phi_r` of the shares of
    region r. Trends start from medians of blocks; shifted tiles are moved and compared again.
    """
    overlap = Overlap.of(first, second)
    if overlap.places.size < settings.min_cells:
        return None
    frames, moved = (first.frames, second.frames), np.zeros(2)
    kept, trends, fit, aligned = _compare(overlap, frames, settings)
    for _ in range(N_MOVES):
        shift, variance = fit.coefficients[1:], np.trace(fit.covariance[1:, 1:])
        if shift @ shift <= max(LARGEST_LINEAR_SHIFT**2, 16.0 * variance):
            break
        moved = moved - shift
        overlap = Overlap.of(first, shift_tile(second, *(-moved)))
        kept, trends, fit, aligned = _compare(overlap, frames, settings)
    value, variance = settings.statistic.locate(aligned, fit)
    if not np.isfinite(value):
        return None
    offset = trends.constant + value - fit.coefficients[0]
    variance *= kept.correlation
    of_shift = kept.correlation * fit.covariance
    of_shift[0, 0] = variance
    return PairMeasurement(
        first=0,
        second=1,
        estimate=np.append(offset, trends.slopes),
        covariance=block_diag(variance, variance * trends.weights.sum() * trends.inverse),
        centre=trends.centre,
        regions=trends.regions,
        shift=Shift(moved, fit.coefficients[1:], of_shift, fit.response),
        quality=PairQuality(
            noise_ratio=fit.scale**2,
            asymmetry=fit.asymmetry,
            excess=fit.excess,
            strips=strip_scatter(trends, [own[0].angle if own else 0.0 for own in frames]),
            n_cells=overlap.places.size,
            picture=_picture(overlap, offset) if settings.keep_picture else None,
        ),
    )


def _compare(
    overlap: Overlap, frames: Sequence[Sequence[DetectorFrame]], settings: PairSettings
) -> tuple[Overlap, Trends, Regression, np.ndarray]:
    """Compare two tiles.

    The results are the overlap without outlying blocks, trends of its differences, the regression
    of the rest, and the differences without trends and shift.
    """
    trends, used = first_trends(overlap, frames)
    chosen = overlap.select(used[overlap.blocks[0]])
    if chosen.places.size >= settings.min_cells:
        overlap = chosen
    squared = (overlap.slopes**2).sum(axis=0)
    for _ in range(N_ROUNDS):
        removed = trends.in_cells(overlap)
        rest = overlap.difference - removed
        fit = robust_regression(rest, overlap.slopes, overlap.variance, squared)
        trends, change = refined_trends(overlap, trends, removed, fit)
        if change < LARGEST_CHANGE * fit.scale:
            break
    shifted = fit.coefficients[1:].astype(np.float32) @ overlap.slopes
    return overlap, trends, fit, rest - shifted


def _picture(overlap: Overlap, offset: float) -> DifferencePicture:
    image = np.full(overlap.shape, np.nan, dtype=np.float32)
    image.ravel()[overlap.places] = overlap.difference - np.float32(offset)
    return draw_differences(image, overlap.corner)
