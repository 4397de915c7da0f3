"""The part of the grid that two tiles share."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from jwst_mosaic_skymatch.offsets.correlation import drizzle_correlation
from jwst_mosaic_skymatch.tiles.frame import DetectorFrame
from jwst_mosaic_skymatch.tiles.noise import UNIFORM, NoiseCurve
from jwst_mosaic_skymatch.tiles.tile import Tile
from jwst_mosaic_skymatch.tiles.windows import overlap_windows

__all__ = ["Overlap"]


@dataclass(frozen=True)
class Overlap:
    """The part of the grid that two tiles share.

    Attributes
    ----------
    x0, y0 : int
        Cell of the grid that is cell (0, 0) of the arrays.
    data, weights : tuple of ndarray, shape (ny, nx)
        Brightness of both tiles, MJy/sr, NaN where they have none, and their weights, see `Tile`.
    noises : tuple of NoiseCurve
        Variance of a pixel of each.
    valid : ndarray of bool, shape (ny, nx)
        Cells where both have data, n of them; a part of these may be enough.
    correlation : float
        Variance of a mean over cells, over that of independent ones.
    angles : tuple of float
        Directions of the detectors' rows on the grid, radians.
    frames : tuple of tuple of DetectorFrame
        Frames of the exposures in each tile.
    quoted : bool
        Whether the variance of cells is from the exposures' errors.
    """

    x0: int
    y0: int
    data: tuple[np.ndarray, ...]
    weights: tuple[np.ndarray, ...]
    noises: tuple[NoiseCurve, NoiseCurve]
    valid: np.ndarray
    correlation: float
    angles: tuple[float, ...]
    frames: tuple[tuple[DetectorFrame, ...], ...]
    quoted: bool

    @classmethod
    def of(  # numpydoc ignore=PR01,RT01
        cls, first: Tile, second: Tile, quoted: bool
    ) -> Self:
        """Find what two tiles share; ``quoted`` if their errors may be used."""
        windows = overlap_windows(first, second)
        tiles = list(zip((first, second), windows, strict=True))
        data = tuple(t.data[w] for t, w in tiles)
        quoted = quoted and first.noise.quoted and second.noise.quoted
        # What drizzle, and moving an image, hide of the variance of a mean.
        correlation = drizzle_correlation(min(first.pixels_per_cell, second.pixels_per_cell))
        return cls(
            x0=max(first.x0, second.x0),
            y0=max(first.y0, second.y0),
            data=data,
            weights=tuple(t.weight[w] for t, w in tiles),
            noises=(first.noise, second.noise) if quoted else (UNIFORM, UNIFORM),
            valid=np.isfinite(data[0]) & np.isfinite(data[1]),
            correlation=correlation * 2.0 / (first.smoothing + second.smoothing),
            angles=tuple({first.angle, second.angle}),
            frames=(first.frames, second.frames),
            quoted=quoted,
        )

    @cached_property
    def _places(self) -> np.ndarray:
        return np.flatnonzero(self.valid)

    def take(self, image: np.ndarray) -> np.ndarray:  # numpydoc ignore=PR01,RT01
        """Take the values of an image in the valid cells, (n,); faster than by the mask."""
        return image.ravel().take(self._places)

    @cached_property
    def middle(self) -> np.ndarray:
        """Mean place (x, y) of the valid cells on the grid, (2,)."""
        return np.array([self.x0, self.y0]) + [axis.mean() for axis in self._columns_and_rows]

    @property
    def span(self) -> int:
        """Larger side in cells, the unit of `positions`: regressors are to be small numbers."""
        return max(self.valid.shape)

    def positions(self) -> np.ndarray:  # numpydoc ignore=RT01
        """Give places (x, y) of the valid cells about `middle`, in units of `span`, (2, n)."""
        places = np.stack([axis - axis.mean() for axis in self._columns_and_rows])
        return (places / self.span).astype(np.float32)

    @cached_property
    def _columns_and_rows(self) -> tuple[np.ndarray, np.ndarray]:
        y, x = np.divmod(self._places, self.valid.shape[1])
        return x, y

    def difference(self) -> np.ndarray:  # numpydoc ignore=RT01
        """Subtract the second image from the first in the valid cells, (n,), MJy/sr."""
        return self.take(self.data[0]) - self.take(self.data[1])

    @cached_property
    def mean(self) -> np.ndarray:
        """Mean image; NaN in holes of either, beside which gradients are one-sided."""
        return np.float32(0.5) * (self.data[0] + self.data[1])

    def variance(self) -> np.ndarray:  # numpydoc ignore=RT01
        """Find the variance of the difference in the valid cells, (n,), (MJy/sr)^2."""
        brightness = self.take(self.mean)
        return sum(
            noise(brightness) / self.take(weight)
            for noise, weight in zip(self.noises, self.weights, strict=True)
        )
