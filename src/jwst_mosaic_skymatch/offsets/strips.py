"""Scatter of strips along the rows and columns of a detector: stripes, glow, and patches."""

from collections.abc import Sequence

import numpy as np

from jwst_mosaic_skymatch.offsets.trends import Trends
from jwst_mosaic_skymatch.tiles.windows import BLOCK_CELLS

__all__ = ["FITTED", "WIDE", "strip_scatter"]

#: Width of the wider strips, in that of the narrow ones.
WIDE = 4
#: Degrees of freedom that constant and slope take from the strips.
FITTED = 2.0


def strip_scatter(trends: Trends, angles: Sequence[float]) -> np.ndarray:
    r"""Measure the scatter of the residuals of blocks by strips.

    Parameters
    ----------
    trends : Trends
        Trends of a pair and the residuals that they leave.
    angles : sequence of float
        Directions on the grid of the rows of one detector of each tile, radians.

    Returns
    -------
    ndarray, shape (2, 2, 2, 2)
        Variance of the offset, (MJy/sr)^2, if strips of blocks, not cells, are independent, and
        effective number of strips. The axes are: without the trends, and with them; rows, and
        columns; strips a block wide, and those `WIDE` times as wide; variance, and number. Each
        is an average over the angles.

    Notes
    -----
    With the weighted sums :math:`A_s` of the residuals of a strip, the variance of the offset is
    :math:`\sum_s A_s^2 / W^2`, W the sum of all weights.
    """
    raw = trends.residuals + trends.slopes @ (trends.columns - trends.centre[:, None])
    x, y = trends.columns[:2]
    across = [
        [y * np.cos(turned) - x * np.sin(turned) for turned in (angle, angle + 0.5 * np.pi)]
        for angle in angles
    ]
    scatter = [
        [
            [[_scatter(a, width, left, fitted, trends.weights) for width in (1, WIDE)] for a in own]
            for own in across
        ]
        for left, fitted in ((trends.residuals, FITTED), (raw, 1.0))
    ]
    return np.mean(scatter, axis=1)


def _scatter(
    across: np.ndarray, width: int, residuals: np.ndarray, fitted: float, weights: np.ndarray
) -> tuple[float, float]:
    """Give the variance of the offset by the scatter of strips, and their number."""
    strips = ((across - across.min()) / (BLOCK_CELLS * width) + 0.5).astype(int)
    sums, totals = np.bincount(strips, residuals * weights), np.bincount(strips, weights)
    n_strips = totals.sum() ** 2 / np.sum(totals**2)
    correction = n_strips / max(n_strips - fitted, 1.0)
    return correction * np.sum(sums**2) / totals.sum() ** 2, n_strips
