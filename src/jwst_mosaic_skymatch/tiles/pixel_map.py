"""Places of an exposure's pixels on the shared grid."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import BSpline, make_interp_spline

from jwst_mosaic_skymatch.tiles.windows import Bounds, Shape

__all__ = ["PixelMap", "map_pixels"]

#: Takes coordinates x, y of points to coordinates x, y elsewhere.
Transform = Callable[[np.ndarray, np.ndarray], Sequence[np.ndarray]]

# Points to a side of the mesh at which the WCS itself is evaluated. A cubic spline between them is
# good to 2e-5 pixel on full frames of MIRI, at a twentieth of the cost.
MESH = 33


@dataclass(frozen=True)
class PixelMap:
    """Grid coordinates of an exposure's pixels, on a coarse mesh.

    Plain numbers, so that a process without the exposure's WCS can use it.

    Attributes
    ----------
    shape : tuple of int
        Shape (ny, nx) of the exposure.
    x, y : ndarray of float64, shape (n_x,), (n_y,)
        Pixel coordinates of the mesh.
    cells : ndarray of float64, shape (n_y, n_x, 2)
        Coordinates (x, y) of its points on the grid, cells.
    """

    shape: Shape
    x: np.ndarray
    y: np.ndarray
    cells: np.ndarray

    @property
    def bounds(self) -> Bounds:
        """First and one-past-last cell (x_min, x_max, y_min, y_max) of the exposure."""
        # Distortion bends the edges by many pixels, but smoothly: the mesh has
        # the extremes to a fraction of a pixel.
        x_min, y_min = np.floor(self.cells.min(axis=(0, 1))).astype(int).tolist()
        x_max, y_max = np.ceil(self.cells.max(axis=(0, 1))).astype(int).tolist()
        return x_min - 1, x_max + 2, y_min - 1, y_max + 2

    @property
    def pixels_per_cell(self) -> float:
        """Median number of the exposure's pixels in the area of a cell."""
        sides = np.gradient(self.cells, self.y, self.x, axis=(0, 1))
        return float(1.0 / np.median(np.abs(np.linalg.det(np.stack(sides, axis=-1)))))

    def coordinates(self, rows: slice | np.ndarray) -> np.ndarray:
        """Map all pixels of some rows to the array that `bounds` limits.

        Parameters
        ----------
        rows : slice or ndarray of int
            The rows.

        Returns
        -------
        ndarray, shape (n_rows, nx, 2)
            Coordinates (x, y) in the array, cells.
        """
        return self._along_y(np.arange(self.shape[0])[rows])

    @cached_property
    def _along_y(self) -> BSpline:
        """A spline for each column of pixels, in the array that `bounds` limits."""
        columns = _spline(self.x, self.cells, 1)(np.arange(self.shape[1]))
        return _spline(self.y, columns - self.bounds[::2], 0)


def _spline(nodes: np.ndarray, values: np.ndarray, axis: int) -> BSpline:
    # Arrays from Dask may be unaligned in memory, which scipy refuses of nodes.
    return make_interp_spline(np.require(nodes, requirements="A"), values, axis=axis)


def map_pixels(to_grid: Transform, shape: Shape) -> PixelMap:
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
    x, y = (np.linspace(-0.5, n - 0.5, MESH) for n in shape[::-1])
    cells = np.stack(to_grid(*np.meshgrid(x, y)), axis=-1)
    return PixelMap(shape, x, y, cells)
