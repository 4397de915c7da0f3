"""Where the pixels of one exposure fall on the shared grid."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import BSpline, make_interp_spline

__all__ = ["Cutout", "PixelMap", "map_pixels"]

#: Takes coordinates x, y of points to coordinates x, y elsewhere.
Transform = Callable[[np.ndarray, np.ndarray], Sequence[np.ndarray]]
#: Limits ((x_min, x_max), (y_min, y_max)).
Box = tuple[tuple[float, float], tuple[float, float]]

# Spacing of the mesh, in native pixels, at which the WCS itself is evaluated. A cubic
# spline between its points is good to 2e-5 pixel on MIRI, at a twentieth of the cost.
STEP = 32
# Largest error of the spline, native pixels; if points midway show more, the spacing
# is halved.
TOLERANCE = 1e-3


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
    shape: tuple[int, int]


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

    shape: tuple[int, int]
    x: np.ndarray
    y: np.ndarray
    cells: np.ndarray
    inside: tuple[slice, slice]

    @property
    def cutout(self) -> Cutout:
        """The part of the grid that holds all of the exposure."""
        # Distortion bends the edges by many pixels, but smoothly: the mesh finds
        # the extremes to a fraction of a pixel.
        low = np.floor(np.nanmin(self.cells, axis=(0, 1))).astype(int) - 1
        high = np.ceil(np.nanmax(self.cells, axis=(0, 1))).astype(int) + 1
        nx, ny = (high - low + 1).tolist()
        return Cutout(x0=int(low[0]), y0=int(low[1]), shape=(ny, nx))

    @property
    def pixels_per_cell(self) -> float:
        """Mean number of the exposure's pixels in the area of a cell."""
        along_y, along_x = np.diff(self.cells, axis=0)[:, 1:], np.diff(self.cells, axis=1)[1:]
        area = np.abs(along_x[..., 0] * along_y[..., 1] - along_x[..., 1] * along_y[..., 0])
        return float((self.x[1] - self.x[0]) * (self.y[1] - self.y[0]) / np.nanmedian(area))

    @property
    def angle(self) -> float:
        """Direction of the exposure's rows on the grid, radians."""
        dx, dy = np.nanmean(self.cells[:, -1] - self.cells[:, 0], axis=0)
        return float(np.arctan2(dy, dx))

    def coordinates(self, rows: slice) -> np.ndarray:  # numpydoc ignore=PR01,RT01
        """Map all pixels of some rows to coordinates (x, y) in the cutout, (n_rows, nx, 2)."""
        return self._along_y(np.arange(self.shape[0])[rows])

    @cached_property
    def _along_y(self) -> BSpline:
        """A spline for each column of pixels."""
        columns = _spline(self.x, self.cells, axis=1)(np.arange(self.shape[1]))
        columns -= (self.cutout.x0, self.cutout.y0)
        return _spline(self.y, columns, axis=0)

    def at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:  # numpydoc ignore=PR01,RT01
        """Interpolate on another mesh, with a tensor-product spline; shape (n_y, n_x, 2)."""
        along_y = _spline(self.y, self.cells, axis=0)(y)
        return _spline(self.x, along_y, axis=1)(x)


def _spline(nodes: np.ndarray, values: np.ndarray, axis: int) -> BSpline:
    # Arrays that Dask has sent may be unaligned in memory, which scipy refuses of nodes.
    return make_interp_spline(np.require(nodes, requirements="A"), values, axis=axis)


def map_pixels(to_grid: Transform, shape: tuple[int, int], box: Box | None = None) -> PixelMap:
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
        The map; its error at some points midway between those of the mesh is
        below a thousandth of a pixel, or the mesh is as fine as the pixels.
    """
    step = STEP
    while True:
        x, y = (np.linspace(-0.5, n - 0.5, max(-(-n // step) + 1, 4)) for n in shape[::-1])
        # Midway between the points a spline is worst; at the edges it is least well held.
        x_check, y_check = (
            0.5 * (nodes[1:] + nodes[:-1])[_spread(nodes.size - 1)] for nodes in (x, y)
        )
        cells, truth = _evaluate(to_grid, (x, y), (x_check, y_check))
        pixel_map = PixelMap(shape=shape, x=x, y=y, cells=cells, inside=_inside(box))
        error = np.abs(pixel_map.at(x_check, y_check) - truth).max()
        if step == 1 or not error * np.sqrt(pixel_map.pixels_per_cell) > TOLERANCE:
            return pixel_map
        step //= 2


def _evaluate(to_grid: Transform, *meshes: tuple[np.ndarray, np.ndarray]) -> list[np.ndarray]:
    """Evaluate a transform on several meshes (x, y) by one call, which costs less than several."""
    points = [np.meshgrid(*mesh) for mesh in meshes]
    x, y = (np.concatenate([p[axis].ravel() for p in points]) for axis in (0, 1))
    cells = np.stack(to_grid(x, y), axis=-1)
    ends = np.cumsum([p[0].size for p in points])[:-1]
    return [
        part.reshape(*p[0].shape, 2) for part, p in zip(np.split(cells, ends), points, strict=True)
    ]


def _spread(n: int) -> np.ndarray:
    """Choose up to five of n places, the outermost among them."""
    return np.unique(np.linspace(0, n - 1, 5).astype(int))


def _inside(box: Box | None) -> tuple[slice, slice]:
    if box is None:
        return np.s_[:, :]
    rows, columns = (
        slice(max(int(np.ceil(low)), 0), max(int(np.floor(high)) + 1, 0))
        for low, high in (box[1], box[0])
    )
    return rows, columns
