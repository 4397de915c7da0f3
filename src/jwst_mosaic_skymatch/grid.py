"""The grid of cells on the sky that all exposures of a mosaic share."""

from dataclasses import dataclass

import numpy as np
from astropy.modeling.models import Shift
from gwcs import WCS
from stcal.alignment.util import wcs_from_sregions

from jwst_mosaic_skymatch.pixelmap import map_pixels

__all__ = ["Grid", "shared_grid"]


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

    def map_pixels(self, wcs, shape):
        """Map the pixels of an exposure to cells.

        Parameters
        ----------
        wcs : `~gwcs.wcs.WCS`
            The exposure's WCS.
        shape : tuple of int
            Shape (ny, nx) of the exposure.

        Returns
        -------
        PixelMap
            The map.
        """

        def to_grid(x, y):
            sky = wcs(x, y, with_bounding_box=False)
            return self.wcs.invert(*sky, with_bounding_box=False)

        box = wcs.bounding_box
        return map_pixels(to_grid, shape, box and box.bounding_box(order="F"))

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
        [np.concatenate(footprints)],  # as one: for each it would invert the WCS anew
        ref_wcs=reference_wcs,
        ref_wcsinfo=reference_wcsinfo,
        pscale_ratio=pixel_scale_ratio,
    )
    scale = np.hypot(*np.atleast_1d(wcs.pipeline[0].transform.cdelt)) / np.sqrt(2.0)
    return Grid(wcs=wcs, shape=tuple(wcs.array_shape), cell_scale=float(scale) * 3600.0)
