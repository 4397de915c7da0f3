"""Scatter of strips along the rows and columns of a detector: stripes, glow, and patches."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.offsets.overlap import BLOCK_CELLS
from jwst_mosaic_skymatch.offsets.trends import Trends

__all__ = ["FITTED", "WIDE", "StripScatter", "strip_scatter"]

#: Width of the wider strips, in that of the narrow ones.
WIDE = 4
#: Degrees of freedom that constant and slope take from the strips.
FITTED = 2.0


@dataclass(frozen=True)
class StripScatter:
    """Variance of an offset if strips of blocks, not cells, are independent.

    Attributes
    ----------
    detrended, raw : ndarray, shape (2, 2)
        Variance, (MJy/sr)^2, and effective number of strips, for strips a block wide and for
        those `WIDE` times as wide; without the trends, and with them.
    """

    detrended: np.ndarray
    raw: np.ndarray

    @property
    def variance(self) -> float:
        """Variance of the offset by narrow strips without the trends, (MJy/sr)^2."""
        return self.detrended[0, 0]


def strip_scatter(trends: Trends, angles: Sequence[float]) -> tuple[StripScatter, StripScatter]:
    r"""Measure the scatter of the residuals of blocks by strips.

    Parameters
    ----------
    trends : Trends
        Trends of a pair and the residuals that they leave.
    angles : sequence of float
        Directions on the grid of the rows of one detector of each tile, radians.

    Returns
    -------
    tuple of StripScatter
        For rows, and for columns; averages over the angles.

    Notes
    -----
    With the weighted sums :math:`A_s` of the residuals of a strip, the variance of the offset is
    :math:`\sum_s A_s^2 / W^2`, W the sum of all weights.
    """
    raw = trends.residuals + trends.slopes @ (trends.columns - trends.centre[:, None])
    x, y = trends.columns[:2]
    axes = []
    for turn in (0.0, 0.5 * np.pi):
        across = [y * np.cos(angle + turn) - x * np.sin(angle + turn) for angle in angles]
        kinds = [
            [
                [_scatter(a, width, left, fitted, trends.weights) for width in (1, WIDE)]
                for a in across
            ]
            for left, fitted in ((trends.residuals, FITTED), (raw, 1.0))
        ]
        axes.append(StripScatter(*np.mean(kinds, axis=1)))
    return axes[0], axes[1]


def _scatter(
    across: np.ndarray, width: int, residuals: np.ndarray, fitted: float, weights: np.ndarray
) -> tuple[float, float]:
    """Give the variance of the offset by the scatter of strips, and their number."""
    strips = ((across - across.min()) / (BLOCK_CELLS * width) + 0.5).astype(int)
    sums, totals = np.bincount(strips, residuals * weights), np.bincount(strips, weights)
    n_strips = totals.sum() ** 2 / np.sum(totals**2)
    correction = n_strips / max(n_strips - fitted, 1.0)
    return correction * np.sum(sums**2) / totals.sum() ** 2, n_strips
