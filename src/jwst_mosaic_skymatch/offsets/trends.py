"""What the differences of two tiles show beside offset and noise."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np

from jwst_mosaic_skymatch.offsets.blocks import Blocks

__all__ = [
    "FITTED",
    "WIDE",
    "StripScatter",
    "Trends",
    "measure_trends",
]

# Cells to a side of the blocks over which differences are averaged, and the width of strips.
BLOCK_CELLS = 8
# How much wider strips are that tell whether neighbouring ones are alike.
WIDE = 4
# Scatter of strips, in its own errors, from which on it is not taken for noise.
SIGNIFICANCE = 3.0
# Degrees of freedom that the fit takes from the strips.
FITTED = 2.0


@dataclass(frozen=True)
class StripScatter:
    """How much residuals scatter from strip to strip, along the rows or columns of a detector.

    Attributes
    ----------
    n_strips, n_wide : float
        Effective number of strips, and of strips that are ``WIDE`` times as wide.
    variance, variance_wide : float
        Variance of the offset if strips, or wide ones, are what is independent in the
        residuals of the trends, (MJy/sr)^2.
    with_trends, wide_with_trends : float
        The same with the trends left in.
    of_slopes : ndarray, shape (3, 3)
        Covariance of the slopes of `Trends` for independent strips of unit variance.
    """

    n_strips: float
    n_wide: float
    variance: float
    variance_wide: float
    with_trends: float
    wide_with_trends: float
    of_slopes: np.ndarray


@dataclass(frozen=True)
class Trends:
    """How the differences of two tiles change with place and with brightness.

    Attributes
    ----------
    position : ndarray, shape (3,)
        Weighted mean of the cells' positions x and y on the grid, cells, and of their
        brightness, MJy/sr.
    slopes : ndarray, shape (3,)
        Change of the difference for each of these, MJy/sr per cell twice and a relative gain.
    covariance : ndarray, shape (3, 3)
        Covariance of the slopes by noise.
    strips : tuple of StripScatter
        Scatter along rows, and along columns, of the detectors.
    planes : ndarray, shape (3, 4), or None
        What unit gradients of both tiles make of the value and of the slopes (`measure_planes`);
        None if these are not asked for.
    """

    position: np.ndarray
    slopes: np.ndarray
    covariance: np.ndarray
    strips: tuple[StripScatter, ...]
    planes: np.ndarray | None = None

    def excess(self, noise: float, *, with_trends: bool = True) -> float:
        """Give the variance that strips show beyond that by noise; 0 if it is within errors.

        By default with the trends, which in a narrow overlap are hardly told from glow at an
        edge.
        """
        scatter = []
        for one in self.strips:
            narrow = one.with_trends if with_trends else one.variance
            wide = one.wide_with_trends if with_trends else one.variance_wide
            scatter += [(narrow, one.n_strips), (wide, one.n_wide)]
        return max(
            variance - noise
            if variance > noise * (1.0 + SIGNIFICANCE * np.sqrt(2.0 / n_strips))
            else 0.0
            for variance, n_strips in scatter
        )

    def with_planes(self, slopes: np.ndarray, covariance: np.ndarray, planes: np.ndarray) -> Self:
        """Put in the slopes with place, (2,), and their covariance, (2, 2), as fitted elsewhere."""
        own = np.diag(np.append(np.zeros(2), self.covariance[2, 2]))
        own[:2, :2] = covariance
        slopes = np.append(slopes, self.slopes[2])
        return replace(self, slopes=slopes, covariance=own, planes=planes)


def measure_trends(
    valid: np.ndarray,
    corner: tuple[int, int],
    residuals: np.ndarray,
    weights: np.ndarray,
    brightness: np.ndarray,
    *,
    variance: float,
    angles: Sequence[float],
) -> Trends:
    r"""Measure trends, and structure that is none.

    Parameters
    ----------
    valid : ndarray of bool, shape (ny, nx)
        Cells that have a difference; n of them.
    corner : tuple of int
        Cell (x, y) of the grid that is cell (0, 0) of ``valid``.
    residuals : ndarray, shape (n,)
        Differences less their offset, MJy/sr.
    weights : ndarray, shape (n,)
        Their inverse variance, up to a factor; 0 for what is left out.
    brightness : ndarray, shape (n,)
        Mean of the two tiles, MJy/sr.
    variance : float
        Variance of the offset by noise, (MJy/sr)^2, with what neighbours share.
    angles : sequence of float
        Directions of the detectors' rows on the grid, radians.

    Returns
    -------
    Trends
        The trends.

    Notes
    -----
    All is found from means over blocks of cells, of which there are few. Slopes are those of a
    weighted least-squares fit. The sums :math:`A_s` of weighted residuals over strips along
    rows, and along columns, of a detector would scatter around zero by noise alone; the offset
    has the variance :math:`\sum_s A_s^2 / W^2` if strips are what is independent in the
    residuals, W the sum of all weights. Stripes, glow at an edge, and patches make it larger
    than that by noise.
    """
    blocks = Blocks(valid, BLOCK_CELLS)
    weight = blocks.sums(weights)
    filled = weight > 0
    weight = weight[filled]
    total = weight.sum()
    x, y = (centres[filled] for centres in blocks.centres(corner))
    light = blocks.sums(weights * brightness)[filled] / weight
    mean = blocks.sums(weights * residuals)[filled] / weight
    places = np.stack([x, y, light])
    position = places @ weight / total
    centred = places - position[:, None]
    # Where nothing varies its slope is unknown, not zero.
    normal = (centred * weight) @ centred.T
    normal += np.diag(1e-9 * np.diag(normal) + total * np.array([1e-6, 1e-6, 1e-12]))
    inverse = np.linalg.inv(normal)
    slopes = inverse @ (centred * weight) @ mean
    mean -= weight @ mean / total
    left = mean - slopes @ centred

    def scatter(turn: float) -> StripScatter:
        """Scatter of strips along the detectors' rows, turned by some angle."""
        found = []
        for angle in angles:
            across = y * np.cos(angle + turn) - x * np.sin(angle + turn)
            across = (across - across.min()) / BLOCK_CELLS
            found.append(_strip_scatter(across, mean, left, weight, centred, inverse))
        return _mean_scatter(found)

    return Trends(
        position=position,
        slopes=slopes,
        covariance=variance * total * inverse,
        strips=(scatter(0.0), scatter(0.5 * np.pi)),
    )


def _strip_scatter(
    across: np.ndarray,
    mean: np.ndarray,
    left: np.ndarray,
    weight: np.ndarray,
    centred: np.ndarray,
    inverse: np.ndarray,
) -> StripScatter:
    """Measure the scatter of strips; ``across`` is the place of each block, in strips."""
    number, wide = (across + 0.5).astype(int), (across / WIDE + 0.5).astype(int)
    moments = np.stack([np.bincount(number, weight * column) for column in centred])
    n_strips, variance = _scatter(number, left, weight, FITTED)
    n_wide, variance_wide = _scatter(wide, left, weight, FITTED)
    return StripScatter(
        n_strips=n_strips,
        n_wide=n_wide,
        variance=variance,
        variance_wide=variance_wide,
        with_trends=_scatter(number, mean, weight, 1.0)[1],
        wide_with_trends=_scatter(wide, mean, weight, 1.0)[1],
        of_slopes=inverse @ (moments @ moments.T) @ inverse,
    )


def _scatter(
    number: np.ndarray, left: np.ndarray, weight: np.ndarray, fitted: float
) -> tuple[float, float]:
    """Count strips, and find the variance of the offset by their scatter."""
    sums, weights = np.bincount(number, left * weight), np.bincount(number, weight)
    total = weights.sum()
    n_strips = total**2 / np.sum(weights**2)
    # What is fitted is lost from the scatter.
    lost = n_strips / max(n_strips - fitted, 1.0)
    return float(n_strips), float(lost * np.sum(sums**2) / total**2)


def _mean_scatter(found: Sequence[StripScatter]) -> StripScatter:
    return StripScatter(
        *(np.mean([getattr(one, f.name) for one in found], axis=0) for f in fields(StripScatter))
    )
