"""Places of an exposure's pixels on the shared grid."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import floor

import numpy as np
from scipy.interpolate import make_interp_spline

from jwst_mosaic_skymatch.tiles.windows import BLOCK_CELLS, Bounds, Shape

__all__ = ["PixelMap", "map_pixels", "mesh_of"]

# Points to a side of the mesh at which the WCS itself is evaluated. A cubic spline between them is
# good to 2e-5 pixel on full frames of MIRI, at a twentieth of the cost.
MESH = 33
# Rows at a time: the places of a whole NIRCam exposure would take 67 MB.
BAND_ROWS = 128


@dataclass(frozen=True)
class PixelMap:
    """Grid coordinates of an exposure's pixels, on the coarse mesh of `mesh_of`.

    Plain numbers, so that a process without the exposure's WCS can use it.

    Attributes
    ----------
    shape : tuple of int
        Shape (ny, nx) of the exposure.
    cells : ndarray of float64, shape (n, n, 2)
        Coordinates (x, y) of the points of the mesh on the grid, cells.
    """

    shape: Shape
    cells: np.ndarray

    @property
    def bounds(self) -> Bounds:
        """First and one-past-last cell (x_min, x_max, y_min, y_max) of the blocks that hold it."""
        # Distortion bends the edges by many pixels, but smoothly: the mesh has
        # the extremes to a fraction of a pixel.
        return tuple(
            BLOCK_CELLS * block
            for v in np.moveaxis(self.cells, -1, 0)
            for block in (floor(v.min() - 1) // BLOCK_CELLS, floor(v.max() + 2) // BLOCK_CELLS + 1)
        )

    @property
    def pixels_per_cell(self) -> float:
        """Median number of the exposure's pixels in the area of a cell."""
        sides = np.gradient(self.cells, *mesh_of(self.shape)[::-1], axis=(0, 1))
        return float(1.0 / np.median(np.abs(np.linalg.det(np.stack(sides, axis=-1)))))

    def bands(self, corner: Sequence[float] = (0, 0)) -> Iterator[tuple[slice, np.ndarray]]:
        """Compute the places of all pixels, some rows at a time.

        Parameters
        ----------
        corner : sequence of float, optional
            The place (x, y) that places are relative to, cells.

        Yields
        ------
        rows : slice
            The rows; the last slice may end beyond them.
        places : ndarray, shape (n_rows, nx, 2)
            Coordinates (x, y) of their pixels on the grid, cells.
        """
        ny, nx = self.shape
        x, y = mesh_of(self.shape)
        # One axis after the other: a third of the time of a spline in both.
        along_x = make_interp_spline(x, self.cells - corner, axis=1)(np.arange(nx))
        along_y = make_interp_spline(y, along_x, axis=0)
        for start in range(0, ny, BAND_ROWS):
            rows = slice(start, start + BAND_ROWS)
            yield rows, along_y(np.arange(ny)[rows])


def map_pixels(to_grid: Callable[..., Sequence[np.ndarray]], shape: Shape) -> PixelMap:
    """Map an exposure's pixels to a grid.

    Parameters
    ----------
    to_grid : callable
        Takes pixel coordinates x, y (arrays) to coordinates x, y on the grid.
    shape : tuple of int
        Shape (ny, nx) of the exposure.

    Returns
    -------
    PixelMap
        The map.

    Notes
    -----
    Where the transform gives NaN, so do the map's ``cells``, and it cannot be interpolated.
    """
    return PixelMap(shape, np.stack(to_grid(*np.meshgrid(*mesh_of(shape))), axis=-1))


def mesh_of(shape: Shape) -> list[np.ndarray]:
    """Divide an exposure by a coarse mesh.

    Parameters
    ----------
    shape : tuple of int
        Shape (ny, nx) of the exposure.

    Returns
    -------
    x, y : ndarray, shape (n,)
        Pixel coordinates of the points of the mesh along both axes, from edge to edge.
    """
    return [np.linspace(-0.5, n - 0.5, MESH) for n in shape[::-1]]
