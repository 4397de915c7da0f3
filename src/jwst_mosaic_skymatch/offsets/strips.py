"""Scatter of strips along the rows and columns of a detector: stripes, glow, and patches."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.offsets.blocks import BLOCK_CELLS

__all__ = ["WIDE", "StripScatter", "strip_scatter"]

#: Width of the wider strips, in that of the narrow ones.
WIDE = 4
# Degrees of freedom that constant and slope take from the strips.
FITTED = 2.0


@dataclass(frozen=True)
class StripScatter:
    """Variance of an offset if strips of blocks, not cells, are independent.

    Attributes
    ----------
    n_strips, n_wide : float
        Effective number of strips that are a block wide, and of those `WIDE` times as wide.
    variance, variance_wide : float
        Variance of the offset by the scatter of either, (MJy/sr)^2.
    with_trends, wide_with_trends : float
        The same with the trends left in the residuals.
    """

    n_strips: float
    n_wide: float
    variance: float
    variance_wide: float
    with_trends: float
    wide_with_trends: float

    def scatter(self, detrended: bool) -> tuple[tuple[float, float], tuple[float, float]]:
        """Give variance and number of narrow strips, and of wide ones.

        Parameters
        ----------
        detrended : bool
            Whether without the trends.

        Returns
        -------
        tuple of tuple of float
            The two variances, each with the number of strips.
        """
        narrow = self.variance if detrended else self.with_trends
        wide = self.variance_wide if detrended else self.wide_with_trends
        return (narrow, self.n_strips), (wide, self.n_wide)


def strip_scatter(
    x: np.ndarray,
    y: np.ndarray,
    residuals: np.ndarray,
    trends: np.ndarray,
    weights: np.ndarray,
    angles: Sequence[float],
) -> tuple[StripScatter, StripScatter]:
    r"""Measure the scatter of the residuals of blocks by strips.

    Parameters
    ----------
    x, y : ndarray, shape (n_blocks,)
        Places of the blocks, cells.
    residuals, trends, weights : ndarray, shape (n_blocks,)
        Mean residual of each block, value of the trends in it, MJy/sr, and its weight.
    angles : sequence of float
        Directions of the detectors' rows on the grid, radians.

    Returns
    -------
    tuple of StripScatter
        For rows, and for columns; averages over the detectors.

    Notes
    -----
    With the weighted sums :math:`A_s` of the residuals of a strip, the variance of the offset is
    :math:`\sum_s A_s^2 / W^2`, W the sum of all weights.
    """
    filled = weights > 0
    x, y, residuals, trends, weights = (v[filled] for v in (x, y, residuals, trends, weights))

    def scatter(turn: float) -> StripScatter:
        measured = []
        for angle in angles:
            across = y * np.cos(angle + turn) - x * np.sin(angle + turn)
            across = (across - across.min()) / BLOCK_CELLS
            narrow, wide = (across + 0.5).astype(int), (across / WIDE + 0.5).astype(int)
            (n, v), (n_wide, v_wide) = (
                _scatter(strips, residuals, weights, FITTED) for strips in (narrow, wide)
            )
            raw, raw_wide = (
                _scatter(strips, residuals + trends, weights, 1.0)[1] for strips in (narrow, wide)
            )
            measured.append((n, n_wide, v, v_wide, raw, raw_wide))
        return StripScatter(*np.mean(measured, axis=0).tolist())

    return scatter(0.0), scatter(0.5 * np.pi)


def _scatter(
    number: np.ndarray, residuals: np.ndarray, weights: np.ndarray, fitted: float
) -> tuple[float, float]:
    """Count strips, and give the variance of the offset by their scatter."""
    sums, totals = np.bincount(number, residuals * weights), np.bincount(number, weights)
    total = totals.sum()
    n_strips = total**2 / np.sum(totals**2)
    correction = n_strips / max(n_strips - fitted, 1.0)
    return float(n_strips), float(correction * np.sum(sums**2) / total**2)
