"""The grid of cells on the sky that all exposures of a mosaic share."""

from dataclasses import dataclass

import numpy as np
from astropy.modeling.models import Shift
from gwcs import WCS
from stcal.alignment.util import wcs_from_sregions
from stcal.resample.utils import calc_pixmap

__all__ = ["Grid", "shared_grid"]

# Spacing of the points, in native pixels, at which the WCS itself is
# evaluated; a cubic spline between them is good to 2e-5 pixel on MIRI.
PIXMAP_STEP = 32


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

    def pixmap(self, wcs, shape):
        """Map the pixels of an exposure to cells.

        Parameters
        ----------
        wcs : `~gwcs.wcs.WCS`
            The exposure's WCS.
        shape : tuple of int
            Shape (ny, nx) of the exposure.

        Returns
        -------
        ndarray of float64, shape (ny, nx, 2)
            Cell coordinates (x, y) of each pixel's centre; NaN outside the
            bounding box of ``wcs``.
        """
        return calc_pixmap(wcs, self.wcs, shape=shape, stepsize=PIXMAP_STEP, order=3)

    def cutout_wcs(self, x0, y0, shape):
        """Make the WCS of a part of the grid.

        Parameters
        ----------
        x0, y0 : int
            Cell of the grid that is the cutout's cell (0, 0).
        shape : tuple of int
            Shape (ny, nx) of the cutout.

        Returns
        -------
        `~gwcs.wcs.WCS`
            From cells of the cutout to the sky.
        """
        first, *rest = self.wcs.pipeline
        shift = Shift(float(x0)) & Shift(float(y0))
        wcs = WCS([(first.frame, shift | first.transform), *rest])
        wcs.bounding_box = ((-0.5, shape[1] - 0.5), (-0.5, shape[0] - 0.5))
        wcs.array_shape = shape
        return wcs


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
