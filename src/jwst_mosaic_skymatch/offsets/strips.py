"""Scatter of strips along the rows and columns of a detector: stripes, glow, and patches."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.offsets.overlap import BLOCK_CELLS

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
        those `WIDE` times as wide; without gradient and glow, and with them.
    """

    detrended: np.ndarray
    raw: np.ndarray

    @property
    def variance(self) -> float:
        """Variance of the offset by narrow strips without gradient and glow, (MJy/sr)^2."""
        return float(self.detrended[0, 0])

    @property
    def n_strips(self) -> float:
        """Effective number of narrow strips."""
        return float(self.detrended[0, 1])

    def scatter(self, detrended: bool) -> np.ndarray:
        """Give variance and number of narrow strips, and of wide ones.

        Parameters
        ----------
        detrended : bool
            Whether without gradient and glow.

        Returns
        -------
        ndarray, shape (2, 2)
            The two variances, each with the number of strips.
        """
        return self.detrended if detrended else self.raw


def strip_scatter(
    places: np.ndarray,
    residuals: np.ndarray,
    trends: np.ndarray,
    weights: np.ndarray,
    angles: Sequence[float],
) -> tuple[StripScatter, StripScatter]:
    r"""Measure the scatter of the residuals of blocks by strips.

    Parameters
    ----------
    places : ndarray, shape (2, n_blocks)
        Places x and y of the blocks, cells.
    residuals, trends, weights : ndarray, shape (n_blocks,)
        Mean residual of each block, value of gradient and glow in it, MJy/sr, and its weight.
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
    filled = weights > 0
    (x, y), residuals, trends, weights = (
        v[..., filled] for v in (places, residuals, trends, weights)
    )

    def strips(angle: float, width: int) -> np.ndarray:
        across = y * np.cos(angle) - x * np.sin(angle)
        return ((across - across.min()) / (BLOCK_CELLS * width) + 0.5).astype(int)

    def scatter(turn: float) -> StripScatter:
        kinds = [
            [
                [_scatter(strips(angle + turn, width), *kind, weights) for width in (1, WIDE)]
                for angle in angles
            ]
            for kind in ((residuals, FITTED), (residuals + trends, 1.0))
        ]
        return StripScatter(*np.mean(kinds, axis=1))

    return scatter(0.0), scatter(0.5 * np.pi)


def _scatter(
    strips: np.ndarray, residuals: np.ndarray, fitted: float, weights: np.ndarray
) -> tuple[float, float]:
    """Give the variance of the offset by the scatter of strips, and their number."""
    sums, totals = np.bincount(strips, residuals * weights), np.bincount(strips, weights)
    n_strips = totals.sum() ** 2 / np.sum(totals**2)
    correction = n_strips / max(n_strips - fitted, 1.0)
    return correction * np.sum(sums**2) / totals.sum() ** 2, n_strips
