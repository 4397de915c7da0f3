r"""One regression for a pair of tiles: offset, shift, gradient, gain, and contrasts of regions.

The differences D of two tiles are regressed on

.. math:: D = d - s \cdot \nabla S + g \cdot x + \gamma S + \sum_r c_r \phi_r

with the mean image S, the position x and the difference :math:`\phi_r` of the shares of region r.
Trends start from medians of blocks; shifted tiles are moved and compared again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.linalg import block_diag

from jwst_mosaic_skymatch.offsets.overlap import Overlap
from jwst_mosaic_skymatch.offsets.regression import Regression, Statistic, robust_regression
from jwst_mosaic_skymatch.offsets.results import Link, PairMeasurement, PairQuality
from jwst_mosaic_skymatch.offsets.trends import Trends, first_trends, refined_trends, strip_scatter
from jwst_mosaic_skymatch.tiles.frame import DetectorFrame
from jwst_mosaic_skymatch.tiles.tile import Tile, shift_tile

__all__ = ["PairSettings", "measure_pair"]

# Least number of common cells of a pair.
LEAST_CELLS = 25
# Shift in cells, beside four errors, from which on a line along the gradient does not describe a
# star.
LARGEST_LINEAR_SHIFT = 0.03
# Times that an image is moved: the gradient of a star is too steep for the first shift.
N_MOVES = 2
# Scatter of the shift of two exposures over the field by errors of the distortion, cells (rms of an
# axis): a milliarcsecond for MIRI.
SHIFT_SCATTER = 0.005


@dataclass(frozen=True)
class PairSettings:
    """Settings of the comparison of two tiles.

    Attributes
    ----------
    statistic : Statistic
        Location of the differences that the trends leave.
    draw : callable, optional
        Takes an overlap and its offset, and returns a small picture that the result has.
    """

    statistic: Statistic
    draw: Callable[[Overlap, float], Any] | None = None


def measure_pair(
    first: Tile,
    second: Tile,
    settings: PairSettings,
    link: Link,
) -> PairMeasurement | None:
    """Measure the offset of one tile from another, and its trends.

    Parameters
    ----------
    first, second : Tile
        Two tiles of one grid.
    settings : PairSettings
        Settings of the comparison.
    link : Link
        Positions of the two, and their overlap among all others.

    Returns
    -------
    PairMeasurement or None
        The measurement; None for too few cells.
    """
    frames, moved = (first.frames, second.frames), np.zeros(2)
    for n_moves in range(N_MOVES + 1):
        other = shift_tile(second, *(-moved)) if moved.any() else second
        overlap = Overlap.of(first, other, link.part)
        if overlap.difference.size < LEAST_CELLS:
            return None
        trends, rest, fit = _fit(overlap, frames)
        least = max(LARGEST_LINEAR_SHIFT, 4.0 * np.sqrt(np.trace(fit.covariance[1:, 1:])))
        if n_moves == N_MOVES or np.hypot(*fit.shift) <= least:
            break
        moved = moved + fit.shift
    value, variance = settings.statistic.locate(rest, overlap.slopes, fit)
    if not np.isfinite(value):
        return None
    offset = trends.constant + value - fit.coefficients[0]
    covariance = overlap.correlation * fit.covariance
    covariance[0, 0] = overlap.correlation * variance
    of_trends = covariance[0, 0] * trends.weights.sum() * trends.inverse
    estimate, covariance, lever = _at_shift_zero(offset, moved + fit.shift, covariance)
    quality = PairQuality(
        noise_ratio=fit.scale**2,
        asymmetry=fit.asymmetry,
        alone=fit.alone,
        excess=fit.excess,
        strips=strip_scatter(trends, [own[0].angle if own else 0.0 for own in frames]),
        n_cells=overlap.difference.size,
        outside=link.outside,
        picture=settings.draw and settings.draw(overlap, offset),
    )
    return PairMeasurement(
        link.first,
        link.second,
        estimate=np.append(estimate, trends.slopes),
        covariance=block_diag(covariance, of_trends),
        centre=np.append(lever, trends.centre),
        regions=trends.regions,
        quality=quality,
    )


def _at_shift_zero(
    offset: float, shift: np.ndarray, covariance: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Take the offset at shift zero, whose error is independent of that of the shift.

    The results are offset and shift, their covariance, and the change of the offset per cell.
    """
    of_shift, with_shift = covariance[1:, 1:] + SHIFT_SCATTER**2 * np.eye(2), covariance[1:, 0]
    lever = -np.linalg.solve(of_shift, with_shift)
    variance = max(covariance[0, 0] + lever @ with_shift, 0.0)
    return np.array([offset + lever @ shift, *shift]), block_diag(variance, of_shift), lever


def _fit(
    overlap: Overlap, frames: Sequence[Sequence[DetectorFrame]]
) -> tuple[Trends, np.ndarray, Regression]:
    """Fit trends and shift to an overlap.

    The results are the trends, the differences without those that are significant, and their
    regression. Blocks with stars, which constrain the shift, are outliers before an image is moved.
    """
    trends, used = first_trends(overlap, frames)
    overlap = replace(overlap, parts=overlap.parts * used)
    parts = np.repeat(overlap.parts, overlap.sizes)
    rest = overlap.difference - trends.in_cells(overlap)
    fit = robust_regression(rest, overlap.slopes, overlap.variance, parts)
    return refined_trends(overlap, trends, fit), rest, fit
