"""Pixels of an exposure that are left out of the matching, beyond the bad ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from astropy.coordinates import SkyCoord
from gwcs import WCS

from jwst_mosaic_skymatch.exposures.pixels import ExcludedPixels
from jwst_mosaic_skymatch.exposures.sky_files import AreaAbout
from jwst_mosaic_skymatch.tiles.pixel_map import map_pixels
from jwst_mosaic_skymatch.tiles.windows import Bounds, Shape

__all__ = ["MIRI_LYOT", "Exclusion", "excluded_pixels", "pixels_in_area"]

#: Options for the field of MIRI's Lyot coronagraph.
MIRI_LYOT = ("keep", "mask")

# Rows tested at a time.
BAND_ROWS = 128


@dataclass(frozen=True)
class Exclusion:
    """Parts of all exposures that are left out of the matching.

    Attributes
    ----------
    edge_trim : int
        Rows and columns next to the edge of the bounding box of the WCS.
    miri_lyot : str
        'mask' for the field of MIRI's Lyot coronagraph, too.
    area : callable or None
        An area on the sky or on the detector, too.
    kept : callable or None
        An area outside of which all is left out, too.
    """

    edge_trim: int = 0
    miri_lyot: str = "keep"
    area: AreaAbout | None = None
    kept: AreaAbout | None = None


def excluded_pixels(
    exclusion: Exclusion, regions: Sequence[Bounds | None], wcs: WCS, shape: Shape
) -> ExcludedPixels | None:
    """Mark the pixels of an exposure that are left out.

    Parameters
    ----------
    exclusion : Exclusion
        The parts to leave out, beside pixels outside of the bounding box of the WCS.
    regions : sequence of tuple of int or None
        Regions of its detector, see `~jwst_mosaic_skymatch.tiles.regions.detector_regions`.
    wcs : `~gwcs.wcs.WCS`
        Its WCS.
    shape : tuple of int
        Its shape (ny, nx).

    Returns
    -------
    ExcludedPixels or None
        The pixels; None if there are none.
    """
    box, trim, in_area = wcs.bounding_box, exclusion.edge_trim, False
    limits = box.bounding_box(order="F") if box else ((0, shape[1] - 1), (0, shape[0] - 1))
    columns, rows = (
        slice(max(ceil(low), 0) + trim, max(min(floor(high) + 1, n) - trim, 0))
        for (low, high), n in zip(limits, shape[::-1], strict=True)
    )
    excluded = np.ones(shape, dtype=bool)
    excluded[rows, columns] = False
    lyot = regions[-1] if exclusion.miri_lyot == "mask" else None
    if lyot is not None:
        x_min, x_max, y_min, y_max = lyot
        excluded[y_min:y_max, x_min:x_max] = True
    if exclusion.area is not None:
        inside = pixels_in_area(exclusion.area, wcs, shape)
        in_area = bool(inside.any())
        excluded |= inside
    if exclusion.kept is not None:
        excluded |= ~pixels_in_area(exclusion.kept, wcs, shape)
    return ExcludedPixels(excluded, in_area) if excluded.any() else None


def pixels_in_area(area: AreaAbout, wcs: WCS, shape: Shape) -> np.ndarray:
    """Mark the pixels whose centres lie in an area.

    Parameters
    ----------
    area : callable
        The area; see `~jwst_mosaic_skymatch.exposures.sky_files.read_area`.
    wcs : `~gwcs.wcs.WCS`
        WCS of the exposure, whose sky is ICRS.
    shape : tuple of int
        Its shape (ny, nx).

    Returns
    -------
    ndarray of bool, shape (ny, nx)
        True in the area. Places are interpolated to a thousandth of a pixel. False for
        exposures that a mask's projection does not reach.
    """
    ny, nx = shape
    plane = area(*wcs((nx - 1) / 2, (ny - 1) / 2))
    inside = np.zeros(shape, dtype=bool)

    def project(x: np.ndarray, y: np.ndarray) -> Sequence[np.ndarray]:
        sky = SkyCoord(*wcs(x, y, with_bounding_box=False), unit="deg")
        return plane.wcs.world_to_pixel(sky)

    pixel_map = map_pixels(project, shape)
    if not np.isfinite(pixel_map.cells).all():
        return inside
    columns = np.arange(nx)
    for rows in np.array_split(np.arange(ny), -(-ny // BAND_ROWS)):
        x, y = np.moveaxis(pixel_map.coordinates(rows) + pixel_map.bounds[::2], -1, 0)
        inside[rows] = plane.contains(x, y, *np.meshgrid(columns, rows))
    return inside
