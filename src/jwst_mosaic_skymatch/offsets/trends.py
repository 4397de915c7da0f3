"""Trends of the differences of two tiles with place, brightness, and detector region."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from jwst_mosaic_skymatch.offsets.overlap import Overlap
from jwst_mosaic_skymatch.offsets.regression import Regression
from jwst_mosaic_skymatch.tiles.frame import LYOT, REGIONS, DetectorFrame, region_shares
from jwst_mosaic_skymatch.tiles.scatter import scale_of
from jwst_mosaic_skymatch.tiles.windows import BLOCK_CELLS

__all__ = [
    "FITTED",
    "WIDE",
    "Region",
    "StripScatter",
    "Trends",
    "first_trends",
    "refined_trends",
    "strip_scatter",
]

#: Width of the wider strips, in that of the narrow ones.
WIDE = 4
#: Degrees of freedom that constant and slope take from the strips.
FITTED = 2.0
# Solutions with Huber's weights of the medians of blocks.
N_HUBER = 9
# Deviation of a block's median, in standard deviations, from which on its cells are excluded: the
# wings of an afterglow are too faint for the cutoff of single cells, but add up.
BLOCK_CUTOFF = 5.0
# Standard deviations of chi square beyond its expectation from which on slopes are no noise.
SIGNIFICANCE = 4.0
# No two images of one sky differ by a larger gain: an empty image has one of -2 in all pairs.
LARGEST_GAIN = 0.5
# A smaller share of all blocks leaves the contrast of a region unconstrained.
LEAST_SHARE = 0.1
# Prior precision of each trend in units of the weight of a pair, for columns without any variation.
PRIOR = 1e-9


@dataclass(frozen=True)
class Region:
    """A region of a detector in an overlap.

    Attributes
    ----------
    detector : str
        The detector.
    name : str
        The region, one of `~jwst_mosaic_skymatch.tiles.frame.REGIONS`.
    side : int
        1 and -1 for the region in the first and in the second tile; 0 for the difference.
    """

    detector: str
    name: str
    side: int


@dataclass(frozen=True)
class Trends:
    """A constant and trends, fitted to the blocks of an overlap.

    Attributes
    ----------
    columns : ndarray, shape (m, n_blocks)
        Columns of the design matrix: position x and y (cells), brightness (MJy/sr), and shares of
        regions. Shares are negative in the second tile.
    regions : tuple of Region
        Region of each column after the third; none where both tiles have the same share.
    constant : float
        Difference at ``centre``, MJy/sr.
    centre : ndarray, shape (m,)
        Weighted means of the columns.
    slopes : ndarray, shape (m,)
        Change of the difference for each column: MJy/sr per cell twice, a relative gain, and
        MJy/sr for each region.
    inverse : ndarray, shape (m, m)
        Inverse of the normal matrix; times the variance of a block of unit weight it is the
        covariance of the slopes.
    residuals, weights : ndarray, shape (n_blocks,)
        Mean residual of each block, MJy/sr, and its weight, (MJy/sr)^-2; zero where there is none.
    """

    columns: np.ndarray
    regions: tuple[Region, ...]
    constant: float
    centre: np.ndarray
    slopes: np.ndarray
    inverse: np.ndarray
    residuals: np.ndarray
    weights: np.ndarray

    def in_cells(self, overlap: Overlap) -> np.ndarray:
        """Evaluate constant and trends in the cells.

        Parameters
        ----------
        overlap : Overlap
            The cells of the blocks.

        Returns
        -------
        ndarray of float32, shape (n,)
            The expected difference, MJy/sr. Place and shares of regions are those of the block.
        """
        gain = np.float32(self.slopes[2])
        of_blocks = self.constant + self.slopes @ (self.columns - self.centre[:, None])
        of_blocks -= gain * self.columns[2]
        return np.repeat(of_blocks.astype(np.float32), overlap.sizes) + gain * overlap.brightness


@dataclass(frozen=True)
class StripScatter:
    """Scatter of a pair by strips along the rows and along the columns of detectors.

    Arrays have an element for strips along rows and along columns, each for strips a block wide,
    and `WIDE` times as wide.

    Attributes
    ----------
    detrended, raw : ndarray, shape (2, 2)
        Variance of the offset, (MJy/sr)^2, if strips of blocks, not cells, are independent: without
        the trends, and with them.
    number : ndarray, shape (2, 2)
        Effective number of strips.
    """

    detrended: np.ndarray
    raw: np.ndarray
    number: np.ndarray


def first_trends(
    overlap: Overlap, frames: Sequence[Sequence[DetectorFrame]]
) -> tuple[Trends, np.ndarray]:
    """Fit constant and trends to the medians of blocks.

    Parameters
    ----------
    overlap : Overlap
        The overlap.
    frames : sequence of sequence of DetectorFrame
        Frames of the exposures in each of the two tiles.

    Returns
    -------
    trends : Trends
        The fit, with Huber's weights. Slopes that may be noise are zero, for each would add its
        noise to the offset. Errors of levels with narrow overlaps would be 15 % larger.
    used : ndarray of bool, shape (n_blocks,)
        The blocks that are no outliers.
    """
    shares = _region_shares(overlap.places, frames)
    # Medians: with means, hits would look like gains.
    brightness, values = map(overlap.block_medians, (overlap.brightness, overlap.difference))
    columns = np.array([*overlap.places, brightness, *shares.values()])
    weights = overlap.block_sums(1.0 / overlap.variance)
    robust = np.ones_like(weights)
    for _ in range(N_HUBER):
        trends = _fit(values, columns, tuple(shares), weights * robust * overlap.parts)
        if abs(trends.slopes[2]) > LARGEST_GAIN:
            columns[2] = 0.0
        deviation = np.abs(trends.residuals) * np.sqrt(weights)
        scale = max(scale_of(deviation[weights > 0]), 1e-30)
        robust = scale / np.maximum(deviation, scale)
    # A fit follows a few blocks so closely that all others would be outliers.
    n_blocks = np.count_nonzero(weights)
    unit = scale**2 * n_blocks / max(n_blocks - 1.0 - len(columns), 1e-9)
    used = (weights > 0) & (deviation < BLOCK_CUTOFF * np.sqrt(unit))
    chi2 = trends.slopes @ np.linalg.solve(trends.inverse, trends.slopes) / unit
    if chi2 < len(columns) + SIGNIFICANCE * np.sqrt(2.0 * len(columns)):
        trends = replace(trends, slopes=0.0 * trends.slopes)
    return trends, used


def _region_shares(
    places: np.ndarray, frames: Sequence[Sequence[DetectorFrame]]
) -> dict[Region, np.ndarray]:
    """Compute the share of each region in each block.

    The edge of a strip cuts blocks, which have a share of it by their area. With the share of their
    places, glow of 0.1 MJy/sr looks like gradients. The contrast of the Lyot field makes the fewer
    cells of such a block outliers.
    """
    result: dict[Region, np.ndarray] = {}
    for side, own in zip((1, -1), frames, strict=True):
        detector = own[0].detector if own else ""
        areas, points = region_shares(own, places, BLOCK_CELLS), region_shares(own, places)
        for name, area, point in zip(REGIONS, areas, points, strict=True):
            # Glow at the edges differs between exposures; one Lyot field is like another.
            region = Region(detector, name, 0 if name == LYOT else side)
            share = side * (point if name == LYOT else area)
            result[region] = result.get(region, 0.0) + share
    return {key: share for key, share in result.items() if np.any(np.abs(share) > LEAST_SHARE)}


def refined_trends(overlap: Overlap, start: Trends, fit: Regression) -> Trends:
    """Improve trends by one step of Newton's method from a regression of the cells.

    Parameters
    ----------
    overlap : Overlap
        The overlap, whose cells are those of the regression.
    start : Trends
        Trends that have been subtracted from the cells.
    fit : Regression
        The regression of the rest.

    Returns
    -------
    Trends
        The trends, with the constant of the regression at the new centre.
    """
    score, curvature = fit.newton_terms()
    weights = np.maximum(overlap.block_sums(curvature), 0.0)
    divisor = np.where(weights > 0, weights, np.inf)
    columns = start.columns.copy()
    columns[2] = np.any(columns[2]) * overlap.block_sums(curvature * overlap.brightness) / divisor
    step = _fit(overlap.block_sums(score) / divisor, columns, start.regions, weights)
    constant = start.constant + start.slopes @ (step.centre - start.centre) + fit.coefficients[0]
    return replace(step, constant=constant, slopes=start.slopes + step.slopes)


def _fit(
    values: np.ndarray, columns: np.ndarray, regions: tuple[Region, ...], weights: np.ndarray
) -> Trends:
    """Fit a constant and all columns (m, n_blocks) by weighted least squares."""
    total = weights.sum()
    centre = columns @ weights / total
    constant = values @ weights / total
    centred = columns - centre[:, None]
    weighted = centred * weights
    inverse = np.linalg.inv(weighted @ centred.T + total * PRIOR * np.eye(len(columns)))
    slopes = inverse @ (weighted @ (values - constant))
    residuals = values - constant - slopes @ centred
    return Trends(columns, regions, constant, centre, slopes, inverse, residuals, weights)


def strip_scatter(trends: Trends, angles: Sequence[float]) -> StripScatter:
    r"""Measure the scatter of the residuals of blocks by strips.

    Parameters
    ----------
    trends : Trends
        Trends of a pair and the residuals that they leave.
    angles : sequence of float
        Directions on the grid of the rows of one detector of each tile, radians.

    Returns
    -------
    StripScatter
        The scatter, an average over the angles.

    Notes
    -----
    With the weighted sums :math:`A_s` of the residuals of a strip, the variance of the offset is
    :math:`\sum_s A_s^2 / W^2`, W the sum of all weights.
    """
    x, y = trends.columns[:2]
    scatter = [
        [
            [_scatter(trends, y * np.cos(turned) - x * np.sin(turned), n) for n in (1, WIDE)]
            for turned in (angle, angle + 0.5 * np.pi)
        ]
        for angle in angles
    ]
    return StripScatter(*np.moveaxis(np.mean(scatter, axis=0), -1, 0))


def _scatter(trends: Trends, across: np.ndarray, width: int) -> tuple[float, ...]:
    """Give the variances without trends and with them, and the number of strips."""
    strips = ((across - across.min()) / (BLOCK_CELLS * width) + 0.5).astype(int)
    totals = np.bincount(strips, trends.weights)
    number = totals.sum() ** 2 / np.sum(totals**2)
    raw = trends.residuals + trends.slopes @ (trends.columns - trends.centre[:, None])
    variances = [
        np.sum(np.bincount(strips, values * trends.weights) ** 2) / max(number - fitted, 1.0)
        for values, fitted in ((trends.residuals, FITTED), (raw, 1.0))
    ]
    return *(number / totals.sum() ** 2 * np.array(variances)), number
