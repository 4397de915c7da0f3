"""Where the pixels of one exposure fall on the shared grid."""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import BSpline, RectBivariateSpline

__all__ = ["Cutout", "PixelMap", "map_pixels"]

# Spacing of the points, in native pixels, at which the WCS itself is evaluated; a
# cubic spline between them is good to 2e-5 pixel on MIRI.
STEP = 32
DEGREE = 3
# Largest error of the spline, native pixels; if points midway show more, the spacing
# is halved.
TOLERANCE = 1e-3
# Rows mapped at a time: an eighth of a MIRI frame's map, 17 MB in all, is held.
BAND_ROWS = 128


@dataclass(frozen=True)
class Cutout:
    """A rectangular part of a grid.

    Attributes
    ----------
    x0, y0 : int
        Cell of the grid that is the cutout's cell (0, 0).
    shape : tuple of int
        Shape (ny, nx) in cells.
    pixels_per_cell : float
        Mean number of the exposure's pixels in the area of a cell.
    """

    x0: int
    y0: int
    shape: tuple[int, int]
    pixels_per_cell: float


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
    cells : ndarray of float64, shape (2, n_y, n_x)
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
    def cutout(self):
        """The part of the grid that holds all of the exposure."""
        # Distortion bends the edges by many pixels, but smoothly: the mesh finds
        # the extremes to a fraction of a pixel.
        low = np.floor(np.nanmin(self.cells, axis=(1, 2))).astype(int) - 1
        high = np.ceil(np.nanmax(self.cells, axis=(1, 2))).astype(int) + 1
        nx, ny = (high - low + 1).tolist()
        return Cutout(int(low[0]), int(low[1]), (ny, nx), self.pixels_per_cell)

    @property
    def pixels_per_cell(self):
        """Mean number of the exposure's pixels in the area of a cell."""
        along_y, along_x = np.diff(self.cells, axis=1)[..., 1:], np.diff(self.cells, axis=2)[:, 1:]
        area = np.abs(along_x[0] * along_y[1] - along_x[1] * along_y[0])
        return float((self.x[1] - self.x[0]) * (self.y[1] - self.y[0]) / np.nanmedian(area))

    def bands(self, cutout):
        """Map all pixels, some rows at a time.

        Parameters
        ----------
        cutout : Cutout
            The part of the grid to count cells in.

        Yields
        ------
        rows : slice
            Rows of the exposure.
        pixmap : ndarray of float64, shape (n_rows, nx, 2)
            Cell coordinates (x, y) of the centres of these rows' pixels in the
            cutout.
        """
        splines = self._splines()
        corner = cutout.x0, cutout.y0
        # A tensor spline on a regular grid is a product of three small matrices; x and
        # y side by side come out as drizzle wants them. Basis functions add up to one,
        # so that a constant is subtracted from the coefficients.
        along_x = np.stack(
            [
                (_coefficients(spline) - start) @ _basis(spline, 1, np.arange(self.shape[1])).T
                for spline, start in zip(splines, corner, strict=True)
            ],
            axis=-1,
        )
        n_basis = len(along_x)
        along_x = along_x.reshape(n_basis, -1)
        for start in range(0, self.shape[0], BAND_ROWS):
            rows = slice(start, min(start + BAND_ROWS, self.shape[0]))
            along_y = _basis(splines[0], 0, np.arange(rows.start, rows.stop))
            near = np.flatnonzero(along_y.any(axis=0))
            near = slice(near[0], near[-1] + 1)
            pixmap = along_y[:, near] @ along_x[near]
            yield rows, pixmap.reshape(-1, self.shape[1], 2)

    def at(self, x, y):
        """Interpolate at single points.

        Parameters
        ----------
        x, y : ndarray, shape (n,)
            Pixel coordinates.

        Returns
        -------
        ndarray, shape (2, n)
            Coordinates (x, y) on the grid, cells.
        """
        return np.array([spline(y, x, grid=False) for spline in self._splines()])

    def _splines(self):
        return [
            RectBivariateSpline(self.y, self.x, values, kx=DEGREE, ky=DEGREE)
            for values in self.cells
        ]


def _basis(spline, axis, points):
    """Values of the basis splines of an axis (0: y, 1: x), shape (n_points, n_basis)."""
    knots = spline.get_knots()[axis]
    return BSpline.design_matrix(points.astype(float), knots, DEGREE).toarray()


def _coefficients(spline):
    """Coefficients of a spline, shape (n_basis_y, n_basis_x)."""
    ny, nx = (knots.size - DEGREE - 1 for knots in spline.get_knots())
    return spline.get_coeffs().reshape(ny, nx)


def map_pixels(to_grid, shape, box=None):
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
        mesh = [np.linspace(-0.5, n - 0.5, max(int(np.ceil(n / step)) + 1, 4)) for n in shape[::-1]]
        # Midway between the points a spline is worst.
        check = [0.5 * (nodes[1:] + nodes[:-1])[_spread(nodes.size - 1)] for nodes in mesh]
        points, checks = np.meshgrid(*mesh), np.meshgrid(*check)
        found = np.array(
            to_grid(
                *(
                    np.concatenate([p.ravel(), c.ravel()])
                    for p, c in zip(points, checks, strict=True)
                )
            )
        )
        n = points[0].size
        cells = found[:, :n].reshape(2, *points[0].shape)
        mapped = PixelMap(tuple(shape), *mesh, cells, _inside(box))
        error = mapped.at(checks[0].ravel(), checks[1].ravel()) - found[:, n:]
        if step == 1 or not np.abs(error).max() * np.sqrt(mapped.pixels_per_cell) > TOLERANCE:
            return mapped
        step //= 2


def _spread(n):
    """Choose some of n places: the outermost, where a spline is least well held, and more."""
    return np.unique(np.linspace(0, n - 1, 5).astype(int))


def _inside(box):
    if box is None:
        return np.s_[:, :]
    return tuple(
        slice(max(int(np.ceil(low)), 0), max(int(np.floor(high)) + 1, 0))
        for low, high in (box[1], box[0])
    )
