"""Places of an exposure's pixels on the shared grid."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import BSpline, make_interp_spline

from jwst_mosaic_skymatch.tiles.windows import Shape, Window

__all__ = ["Cutout", "PixelMap", "map_pixels"]

#: Takes coordinates x, y of points to coordinates x, y elsewhere.
Transform = Callable[[np.ndarray, np.ndarray], Sequence[np.ndarray]]
#: Limits ((x_min, x_max), (y_min, y_max)).
Box = tuple[tuple[float, float], tuple[float, float]]

# Largest spacing of the mesh at which the WCS itself is evaluated, native pixels, and least number
# of its points to a side. A cubic spline between them is good to 2e-5 pixel on full frames of
# MIRI, NIRCam and NIRISS, at a twentieth of the cost, and to 1e-4 pixel on binned frames.
STEP = 32
LEAST_POINTS = 17


@dataclass(frozen=True)
class Cutout:
    """A rectangular part of a grid.

    Attributes
    ----------
    x0, y0 : int
        Cell of the grid that is the cutout's cell (0, 0).
    shape : tuple of int
        Shape (ny, nx) in cells.
    """

    x0: int
    y0: int
    shape: Shape


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
    inside : tuple of slice
        Rows and columns of the exposure within the bounding box of its WCS.
    """

    shape: Shape
    x: np.ndarray
    y: np.ndarray
    cells: np.ndarray
    inside: Window

    @property
    def cutout(self) -> Cutout:
        """The part of the grid that holds all of the exposure."""
        # Distortion bends the edges by many pixels, but smoothly: the mesh has
        # the extremes to a fraction of a pixel.
        first = np.floor(self.cells.min(axis=(0, 1))) - 1
        end = np.ceil(self.cells.max(axis=(0, 1))) + 2
        (x0, y0), (nx, ny) = np.array([first, end - first], dtype=int).tolist()
        return Cutout(x0, y0, shape=(ny, nx))

    @property
    def pixels_per_cell(self) -> float:
        """Mean number of the exposure's pixels in the area of a cell."""
        sides = np.diff(self.cells, axis=0)[:, 1:], np.diff(self.cells, axis=1)[1:]
        area = np.median(np.abs(np.linalg.det(np.stack(sides, axis=-1))))
        return float(np.ptp(self.x[:2]) * np.ptp(self.y[:2]) / area)

    def within_box(self, good: np.ndarray) -> np.ndarray:
        """Select the good pixels that the WCS holds for.

        Parameters
        ----------
        good : ndarray of bool, shape (ny, nx)
            Good pixels.

        Returns
        -------
        ndarray of bool, shape (ny, nx)
            Good pixels within the bounding box of the WCS.
        """
        usable = np.zeros_like(good)
        usable[self.inside] = good[self.inside]
        return usable

    def coordinates(self, rows: slice) -> np.ndarray:
        """Map all pixels of some rows to the cutout.

        Parameters
        ----------
        rows : slice
            The rows.

        Returns
        -------
        ndarray, shape (n_rows, nx, 2)
            Coordinates (x, y) in the cutout, cells.
        """
        return self._along_y(np.arange(self.shape[0])[rows])

    @cached_property
    def _along_y(self) -> BSpline:
        """A spline for each column of pixels."""
        columns = _spline(self.x, self.cells, axis=1)(np.arange(self.shape[1]))
        return _spline(self.y, columns - (self.cutout.x0, self.cutout.y0), axis=0)

    def at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Interpolate on another mesh, with a tensor-product spline.

        Parameters
        ----------
        x, y : ndarray, shape (n_x,), (n_y,)
            Pixel coordinates of the mesh.

        Returns
        -------
        ndarray, shape (n_y, n_x, 2)
            Coordinates (x, y) on the grid, cells.
        """
        along_y = _spline(self.y, self.cells, axis=0)(y)
        return _spline(self.x, along_y, axis=1)(x)


def _spline(nodes: np.ndarray, values: np.ndarray, axis: int) -> BSpline:
    # Arrays from Dask may be unaligned in memory, which scipy refuses of nodes.
    return make_interp_spline(np.require(nodes, requirements="A"), values, axis=axis)


def map_pixels(to_grid: Transform, shape: Shape, box: Box | None = None) -> PixelMap:
    """Map an exposure's pixels to a grid.

    Parameters
    ----------
    to_grid : callable
        Takes pixel coordinates x, y (arrays) to coordinates x, y on the grid.
    shape : tuple of int
        Shape (ny, nx) of the exposure.
    box : tuple of tuple of float or None, optional
        Limits ((x_min, x_max), (y_min, y_max)) of the pixels that the WCS holds
        for; None for all.

    Returns
    -------
    PixelMap
        The map.

    Notes
    -----
    Where the transform gives NaN, so do the map's ``cells``, and it cannot be interpolated.
    """
    x, y = (np.linspace(-0.5, n - 0.5, max(-(-n // STEP) + 1, LEAST_POINTS)) for n in shape[::-1])
    cells = np.stack(to_grid(*np.meshgrid(x, y)), axis=-1)
    columns, rows = (
        slice(*np.clip([np.ceil(low), np.floor(high) + 1], 0, n).astype(int).tolist())
        for n, (low, high) in zip(shape[::-1], box or ((-1, np.inf),) * 2, strict=True)
    )
    return PixelMap(shape, x, y, cells, inside=(rows, columns))
