"""The part of the grid that two tiles share."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from jwst_mosaic_skymatch.tiles.noise import UNIFORM, NoiseCurve
from jwst_mosaic_skymatch.tiles.tile import Tile
from jwst_mosaic_skymatch.tiles.windows import overlap_windows

__all__ = ["Overlap", "drizzle_correlation"]


@dataclass(frozen=True)
class Overlap:
    """The part of the grid that two tiles share.

    Attributes
    ----------
    corner : tuple of int
        Cell (x, y) of the grid that is cell (0, 0) of the arrays.
    data, weights : tuple of ndarray, shape (ny, nx)
        Brightness of both tiles, MJy/sr, NaN where they have none, and their weights, see `Tile`.
    noises : tuple of NoiseCurve
        Variance of a pixel of each.
    valid : ndarray of bool, shape (ny, nx)
        Cells that are compared, n of them.
    correlation : float
        Variance of a mean over cells, over that of independent cells.
    """

    corner: tuple[int, int]
    data: tuple[np.ndarray, np.ndarray]
    weights: tuple[np.ndarray, np.ndarray]
    noises: tuple[NoiseCurve, NoiseCurve]
    valid: np.ndarray
    correlation: float

    @classmethod
    def of(cls, first: Tile, second: Tile) -> Self:
        """Cut the common cells out of two tiles.

        Parameters
        ----------
        first, second : Tile
            Two tiles of one grid.

        Returns
        -------
        Overlap
            Their common part. All pixels have the same noise unless both tiles quote errors.
        """
        own, others = overlap_windows(first, second)
        data = first.data[own], second.data[others]
        quoted = first.noise.quoted and second.noise.quoted
        correlation = drizzle_correlation(min(first.pixels_per_cell, second.pixels_per_cell))
        return cls(
            corner=(max(first.x0, second.x0), max(first.y0, second.y0)),
            data=data,
            weights=(first.weight[own], second.weight[others]),
            noises=(first.noise, second.noise) if quoted else (UNIFORM, UNIFORM),
            valid=np.isfinite(data[0]) & np.isfinite(data[1]),
            # A shifted image has smoother noise; the noise of its mean is what it was.
            correlation=correlation * 2.0 / (first.smoothing + second.smoothing),
        )

    @cached_property
    def places(self) -> np.ndarray:
        """Flat indices of the valid cells, an array of shape (n,)."""
        return np.flatnonzero(self.valid)

    def take(self, image: np.ndarray) -> np.ndarray:
        """Take the values of an image in the valid cells.

        Parameters
        ----------
        image : ndarray, shape (ny, nx)
            The image.

        Returns
        -------
        ndarray, shape (n,)
            Its values; indices are faster than the mask.
        """
        return image.ravel().take(self.places)

    @cached_property
    def difference(self) -> np.ndarray:
        """First image minus the second, MJy/sr, shape (ny, nx); NaN where either has none."""
        return self.data[0] - self.data[1]

    @cached_property
    def mean(self) -> np.ndarray:
        """Mean image, MJy/sr, shape (ny, nx); NaN where either has none."""
        return np.float32(0.5) * (self.data[0] + self.data[1])

    @cached_property
    def variance(self) -> np.ndarray:
        """Quoted variance of the difference in the valid cells, shape (n,), (MJy/sr)^2."""
        brightness = self.take(self.mean)
        (a, b), (u, v) = self.noises, self.weights
        return a(brightness) / self.take(u) + b(brightness) / self.take(v)


def drizzle_correlation(pixels_per_cell: float) -> float:
    r"""Compute the factor by which drizzle hides the variance of a mean.

    Parameters
    ----------
    pixels_per_cell : float
        Number of native pixels in the area of a cell.

    Returns
    -------
    float
        Variance of the mean over many cells, over that of independent cells with the same
        scatter.

    Notes
    -----
    A pixel is shared by the cells that it overlaps. With square pixels and cells, r pixels long,
    at random phase, the overlaps f along one axis have :math:`\sum f = r` and
    :math:`\langle\sum f^2\rangle = r - 1/3` (r >= 1) or :math:`r^2 - r^3/3` (r < 1); the ratio is
    :math:`(\sum f / \sum f^2)^2` for both axes together [1]_.

    References
    ----------
    .. [1] Fruchter & Hook 2002, PASP 114, 144, doi:10.1086/338393, section 7
    """
    r = np.sqrt(pixels_per_cell)
    squares = r - 1.0 / 3.0 if r >= 1 else r**2 - r**3 / 3.0
    return float((r / squares) ** 2)
