"""The grid of cells on the sky that all exposures of a mosaic share."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.modeling import Model
from gwcs import WCS
from stcal.alignment.util import wcs_from_sregions

from jwst_mosaic_skymatch.tiles.pixel_map import PixelMap, map_pixels
from jwst_mosaic_skymatch.tiles.windows import Shape

__all__ = ["Grid", "shared_grid"]


@dataclass(frozen=True)
class Grid:
    """A tangent-plane grid of square cells that covers a mosaic.

    Attributes
    ----------
    wcs : `~gwcs.wcs.WCS`
        From cell indices (x, y), 0-based, to the sky. Its ``pixel_shape`` is the number of cells
        (nx, ny) that would cover all exposures. No array of this shape is ever made.
    """

    wcs: WCS

    @property
    def sky_axes(self) -> np.ndarray:
        """Offset on the sky (east, north), arcsec, for one cell in x and in y.

        An array of shape (2, 2): multiply it with a shift in cells. Taken
        where the grid touches the sky.
        """
        plane = self.wcs.forward_transform
        return 3600.0 * plane.cdelt.value[:, None] * plane.pc.value

    @property
    def cell_scale(self) -> float:
        """Side of a cell where the grid touches the sky, arcsec."""
        return 3600.0 * float(self.wcs.forward_transform.cdelt[0])

    @cached_property
    def from_sky(self) -> Model:
        """Transform from right ascension and declination, ICRS degrees, to cells (x, y).

        The WCS inverts its steps anew for every call: half of the time of a pixel map.
        """
        return self.wcs.backward_transform

    def map_pixels(self, wcs: WCS, shape: Shape) -> PixelMap:
        """Map the pixels of an exposure to the grid.

        Parameters
        ----------
        wcs : `~gwcs.wcs.WCS`
            Its WCS.
        shape : tuple of int
            Its shape (ny, nx).

        Returns
        -------
        PixelMap
            Places of its pixels; NaN where the WCS gives NaN.
        """
        return map_pixels(lambda x, y: self.from_sky(*wcs(x, y, with_bounding_box=False)), shape)


def shared_grid(
    footprints: Sequence[np.ndarray],
    reference_wcs: WCS,
    reference_shape: Shape,
    pixel_scale_ratio: float,
) -> Grid:
    """Lay a grid over all exposures, as resample does.

    Parameters
    ----------
    footprints : sequence of ndarray, shape (n, 2)
        RA and Dec (degrees) of each exposure's corners. They only place the
        grid; they need not be exact.
    reference_wcs : `~gwcs.wcs.WCS`
        WCS of the exposure that gives orientation and pixel scale.
    reference_shape : tuple of int
        Shape (ny, nx) of that exposure.
    pixel_scale_ratio : float
        Side of a cell in native pixels.

    Returns
    -------
    Grid
        The grid, with its axes along the reference exposure's detector axes.
    """
    # From the WCS: meta.wcsinfo may be incomplete, or contradict it.
    y, x = np.divide(reference_shape, 2.0) - 0.5
    centre, above = SkyCoord(*reference_wcs([x, x], [y, y + 1.0]), unit="deg")
    orientation = {
        "ra_ref": centre.ra.deg,
        "dec_ref": centre.dec.deg,
        "roll_ref": centre.position_angle(above).deg,
        "v3yangle": 0.0,
        "vparity": -1,
    }
    whole = [np.concatenate(footprints)]  # for each footprint it would invert the WCS anew
    return Grid(
        wcs_from_sregions(whole, reference_wcs, orientation, pscale_ratio=pixel_scale_ratio)
    )
