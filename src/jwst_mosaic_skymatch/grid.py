"""The grid of cells on the sky that all exposures of a mosaic share."""

from dataclasses import dataclass

import numpy as np
from astropy.modeling.models import Shift
from gwcs import WCS
from stcal.alignment.util import wcs_from_sregions
from stcal.resample.utils import calc_pixmap

__all__ = ["Cutout", "Grid", "shared_grid"]

# Spacing of the points, in native pixels, at which the WCS itself is
# evaluated; a cubic spline between them is good to 2e-5 pixel on MIRI.
PIXMAP_STEP = 32


# Rows mapped at a time: a quarter of a MIRI frame's map, 17 MB in all, is held.
BAND_ROWS = 256


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
class Grid:
    """A tangent-plane grid of square cells that covers a mosaic.

    Attributes
    ----------
    wcs : `~gwcs.wcs.WCS`
        From cell indices (x, y), 0-based, to the sky.
    shape : tuple of int
        Number of cells (ny, nx) that would cover all exposures. No array of
        this shape is ever made.
    cell_scale : float
        Side of a cell, arcsec.
    """

    wcs: WCS
    shape: tuple[int, int]
    cell_scale: float

    @property
    def sky_axes(self):
        """Offset on the sky (east, north), arcsec, for one cell in x and in y.

        An array of shape (2, 2): multiply it with a displacement in cells. Taken
        at the centre of the grid.
        """
        x, y = (self.shape[1] - 1) / 2.0, (self.shape[0] - 1) / 2.0
        ra, dec = self.wcs(
            np.array([x, x + 1, x]), np.array([y, y, y + 1]), with_bounding_box=False
        )
        # Right ascension may pass 360 degrees between two cells.
        east = ((ra[1:] - ra[0] + 180.0) % 360.0 - 180.0) * np.cos(np.deg2rad(dec[0]))
        return 3600.0 * np.array([east, dec[1:] - dec[0]])

    def cutout(self, wcs, shape):
        """Find the part of the grid that an exposure falls on.

        Parameters
        ----------
        wcs : `~gwcs.wcs.WCS`
            The exposure's WCS.
        shape : tuple of int
            Shape (ny, nx) of the exposure.

        Returns
        -------
        Cutout
            The part of the grid that holds all of the exposure.
        """
        # Distortion bends the edges by many pixels, but smoothly: 9 points on
        # each axis find the extremes to a fraction of a pixel.
        x, y = np.meshgrid(*(np.linspace(-0.5, n - 0.5, 9) for n in shape[::-1]))
        sky = wcs(x, y, with_bounding_box=False)
        cells = np.array(self.wcs.invert(*sky, with_bounding_box=False))
        low = np.floor(np.nanmin(cells, axis=(1, 2))).astype(int) - 1
        high = np.ceil(np.nanmax(cells, axis=(1, 2))).astype(int) + 1
        nx, ny = (high - low + 1).tolist()
        along_y, along_x = np.diff(cells, axis=1)[..., 1:], np.diff(cells, axis=2)[:, 1:]
        # Cells in each of the 8 x 8 blocks between the points.
        area = np.abs(along_x[0] * along_y[1] - along_x[1] * along_y[0])
        pixels_per_cell = shape[0] * shape[1] / 64.0 / np.nanmedian(area)
        return Cutout(int(low[0]), int(low[1]), (ny, nx), float(pixels_per_cell))

    def pixmaps(self, wcs, shape, cutout):
        """Map the pixels of an exposure to cells, band by band.

        Parameters
        ----------
        wcs : `~gwcs.wcs.WCS`
            The exposure's WCS.
        shape : tuple of int
            Shape (ny, nx) of the exposure.
        cutout : Cutout
            The part of the grid to count cells in.

        Yields
        ------
        rows : slice
            Rows of the exposure.
        pixmap : ndarray of float64, shape (n_rows, nx, 2)
            Cell coordinates (x, y) of the centres of these rows' pixels in the
            cutout; NaN outside the bounding box of ``wcs``.
        """
        target = self.cutout_wcs(cutout)
        for start in range(0, shape[0], BAND_ROWS):
            rows = slice(start, min(start + BAND_ROWS, shape[0]))
            band = _rows_of(wcs, rows)
            band_shape = (rows.stop - rows.start, shape[1])
            yield rows, calc_pixmap(band, target, band_shape, stepsize=PIXMAP_STEP, order=3)

    def cutout_wcs(self, cutout):
        """Make the WCS of a part of the grid.

        Parameters
        ----------
        cutout : Cutout or Tile
            The part.

        Returns
        -------
        `~gwcs.wcs.WCS`
            From cells of the cutout to the sky.
        """
        wcs = _shifted(self.wcs, float(cutout.x0), float(cutout.y0))
        ny, nx = cutout.shape
        wcs.bounding_box = ((-0.5, nx - 0.5), (-0.5, ny - 0.5))
        wcs.array_shape = cutout.shape
        return wcs


def _shifted(wcs, x0, y0):
    first, *rest = wcs.pipeline
    return WCS([(first.frame, Shift(x0) & Shift(y0) | first.transform), *rest])


def _rows_of(wcs, rows):
    """Cut a WCS to a range of rows, bounding box included."""
    band = _shifted(wcs, 0.0, float(rows.start))
    box = wcs.bounding_box
    if box is not None:
        x_limits, y_limits = box.bounding_box(order="F")
        band.bounding_box = (
            tuple(x_limits),
            (max(y_limits[0] - rows.start, -0.5), min(y_limits[1], rows.stop - 0.5) - rows.start),
        )
    return band


def shared_grid(footprints, reference_wcs, reference_wcsinfo, pixel_scale_ratio):
    """Lay a grid over all exposures, as resample does.

    Parameters
    ----------
    footprints : sequence of ndarray, shape (n, 2)
        RA and Dec (degrees) of each exposure's corners. They only place the
        grid; they need not be exact.
    reference_wcs : `~gwcs.wcs.WCS`
        WCS of the exposure that gives orientation and pixel scale.
    reference_wcsinfo : dict
        That exposure's ``meta.wcsinfo``.
    pixel_scale_ratio : float
        Side of a cell in native pixels.

    Returns
    -------
    Grid
        The grid, with its axes along the reference exposure's detector axes.
    """
    wcs = wcs_from_sregions(
        list(footprints),
        ref_wcs=reference_wcs,
        ref_wcsinfo=reference_wcsinfo,
        pscale_ratio=pixel_scale_ratio,
    )
    scale = np.hypot(*np.atleast_1d(wcs.pipeline[0].transform.cdelt)) / np.sqrt(2.0)
    return Grid(wcs=wcs, shape=tuple(wcs.array_shape), cell_scale=float(scale) * 3600.0)
