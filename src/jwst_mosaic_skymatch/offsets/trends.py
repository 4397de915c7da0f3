"""Trends of the differences of two tiles with place, brightness, and detector region."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from jwst_mosaic_skymatch.offsets.blocks import Blocks
from jwst_mosaic_skymatch.offsets.regression import Regression
from jwst_mosaic_skymatch.tiles.frame import DetectorFrame
from jwst_mosaic_skymatch.tiles.regions import REGIONS, region_shares
from jwst_mosaic_skymatch.tiles.scatter import biweight, scale_of

__all__ = ["LYOT", "N_PLAIN", "Columns", "Region", "Trends", "first_trends", "refined_trends"]

#: Name of the region that all exposures have in common.
LYOT = "lyot"
#: Number of columns that every pair has: place along x and y, and brightness.
N_PLAIN = 3
# Solutions with absolute deviations, and with the biweight, of the medians of blocks.
N_ABSOLUTE, N_BIWEIGHT = 6, 3
# Deviation of a block's median, in standard deviations, from which on its cells are left out: the
# wings of an afterglow are too faint for the cutoff of single cells, but add up.
BLOCK_CUTOFF = 5.0
# Prior precision of each trend beside that of the data, for columns without any variation:
# (MJy/sr per cell)^-2 twice, then gain, then contrasts, for a pair of unit weight.
PRIOR = (1e-6, 1e-6, 1e-12)
PRIOR_OF_CONTRAST = 1e-9


@dataclass(frozen=True)
class Region:
    """A region of a detector in an overlap.

    Attributes
    ----------
    detector : str
        The detector.
    name : str
        The region, one of `~jwst_mosaic_skymatch.tiles.regions.REGIONS`.
    side : int or None
        0 and 1 for the region in the first and in the second tile; None for the difference.
    """

    detector: str
    name: str
    side: int | None


@dataclass(frozen=True)
class Columns:
    """The columns of the regression, evaluated in the blocks of an overlap.

    Attributes
    ----------
    values : ndarray, shape (m, n_blocks)
        Place x and y (cells), brightness (MJy/sr; NaN for an empty block), and shares of regions:
        positive in the first tile, negative in the second.
    regions : tuple of Region
        Region of each column after the third.
    """

    values: np.ndarray
    regions: tuple[Region, ...]

    @classmethod
    def of(cls, blocks: Blocks, frames: Sequence[Sequence[DetectorFrame]]) -> Self:
        """Evaluate the columns.

        Parameters
        ----------
        blocks : Blocks
            The blocks.
        frames : sequence of sequence of DetectorFrame
            Frames of the exposures in each of the two tiles.

        Returns
        -------
        Columns
            The columns; regions whose share is the same in both tiles have none.
        """
        x, y = blocks.centres()
        shares: dict[Region, np.ndarray] = {}
        for side, (sign, own) in enumerate(zip((1.0, -1.0), frames, strict=True)):
            for name, share in zip(REGIONS, region_shares(own, x, y), strict=True):
                # Glow at the edges differs between exposures; one Lyot field is like another.
                region = Region(
                    own[0].detector if own else "", name, None if name == LYOT else side
                )
                shares[region] = shares.get(region, 0.0) + sign * share
        shares = {region: share for region, share in shares.items() if np.any(share)}
        brightness = blocks.medians(blocks.overlap.mean)
        return cls(np.array([x, y, brightness, *shares.values()], dtype=float), tuple(shares))

    @property
    def prior(self) -> np.ndarray:
        """Prior precisions of the trends, shape (m,), per unit weight of the pair."""
        return np.append(PRIOR, np.full(len(self.regions), PRIOR_OF_CONTRAST))


@dataclass(frozen=True)
class Trends:
    """Trends of a pair, and the differences that they and a constant leave.

    Attributes
    ----------
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

    constant: float
    centre: np.ndarray
    slopes: np.ndarray
    inverse: np.ndarray
    residuals: np.ndarray
    weights: np.ndarray

    def values(self, columns: np.ndarray) -> np.ndarray:
        """Evaluate constant and trends.

        Parameters
        ----------
        columns : ndarray, shape (m, ...)
            The columns.

        Returns
        -------
        ndarray
            The expected difference, MJy/sr.
        """
        return self.constant + np.tensordot(self.slopes, (columns.T - self.centre).T, axes=1)


def first_trends(
    blocks: Blocks, columns: Columns, precision: np.ndarray
) -> tuple[Trends, np.ndarray]:
    """Fit constant and trends to the medians of blocks.

    Parameters
    ----------
    blocks : Blocks
        The blocks.
    columns : Columns
        The columns.
    precision : ndarray, shape (n,)
        Inverse variance of each valid cell, up to a factor.

    Returns
    -------
    trends : Trends
        The fit, by least absolute deviations and then the biweight.
    used : ndarray of bool, shape (n_blocks,)
        Blocks that are no outliers.
    """
    medians = blocks.medians(blocks.overlap.difference)
    weights = blocks.sums(precision)
    weights[~np.isfinite(medians)] = 0.0
    filled = weights > 0
    values, design, own = medians[filled], columns.values[:, filled], weights[filled]
    robust = np.ones_like(own)
    for k in range(N_ABSOLUTE + N_BIWEIGHT):
        fit = _fit(values, design, own * robust, columns.prior)
        left = np.abs(values - fit.values(design))
        scale = max(scale_of(left * np.sqrt(own)), 1e-30) / np.sqrt(own)
        robust = scale / np.maximum(left, scale) if k < N_ABSOLUTE else biweight(left / scale, 1.0)
    used = np.zeros(weights.size, dtype=bool)
    used[filled] = left < BLOCK_CUTOFF * scale
    return fit, used


def refined_trends(
    blocks: Blocks, columns: Columns, start: Trends, fit: Regression, removed: np.ndarray
) -> Trends:
    """Improve trends by one step of Newton's method from a regression of the cells.

    Parameters
    ----------
    blocks : Blocks
        The blocks, whose valid cells are those of the regression.
    columns : Columns
        The columns.
    start : Trends
        The trends so far.
    fit : Regression
        The regression of the differences without them.
    removed : ndarray, shape (n,)
        Values of these in the cells, MJy/sr.

    Returns
    -------
    Trends
        The trends, with the constant of the regression at the new centre.
    """
    weights, score = blocks.sums(fit.curvature), blocks.sums(fit.score)
    filled = weights > 0
    weights, score = np.where(filled, weights, 0.0), np.where(filled, score, 0.0)
    light = blocks.sums(fit.curvature * blocks.overlap.take(blocks.overlap.mean))
    values = np.nan_to_num(columns.values)
    values[2, filled] = light[filled] / weights[filled]
    mean = np.divide(score, weights, out=np.zeros_like(score), where=filled)
    step = _fit(mean, values, weights, columns.prior)
    # From the cells: in a narrow overlap their mean place differs from that of the blocks.
    before = float(fit.curvature @ removed / fit.curvature.sum())
    return Trends(
        constant=before + float(fit.coefficients[0]),
        centre=step.centre,
        slopes=start.slopes + step.slopes,
        inverse=step.inverse,
        residuals=step.residuals,
        weights=weights,
    )


def _fit(values: np.ndarray, columns: np.ndarray, weights: np.ndarray, prior: np.ndarray) -> Trends:
    """Fit a constant and all columns (m, n_blocks) by weighted least squares."""
    total = weights.sum()
    centre = columns @ weights / total
    constant = float(values @ weights / total)
    centred = columns - centre[:, None]
    weighted = centred * weights
    normal = weighted @ centred.T
    normal[np.diag_indices_from(normal)] *= 1.0 + 1e-9
    inverse = np.linalg.inv(normal + total * np.diag(prior))
    slopes = inverse @ (weighted @ (values - constant))
    residuals = values - constant - slopes @ centred
    return Trends(constant, centre, slopes, inverse, residuals, weights)
