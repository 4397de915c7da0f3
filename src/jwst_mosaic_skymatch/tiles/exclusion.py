"""Which pixels of an exposure are left out of the matching, beyond the bad ones."""

from dataclasses import dataclass

import numpy as np
from gwcs import WCS

from jwst_mosaic_skymatch.exposures.areas import Area
from jwst_mosaic_skymatch.exposures.metadata import Exposure
from jwst_mosaic_skymatch.exposures.pixels import ExcludedPixels
from jwst_mosaic_skymatch.tiles.pixel_map import PixelMap, map_pixels
from jwst_mosaic_skymatch.tiles.windows import Bounds, Window

__all__ = [
    "MIRI_LYOT",
    "Exclusion",
    "excluded_pixels",
    "kept_parts",
    "lyot_window",
    "pixels_in_area",
]

#: What may become of the field of MIRI's Lyot coronagraph.
MIRI_LYOT = ("keep", "mask", "separate")

# Rows and columns of a MIRI frame, and those in which the Lyot coronagraph's field lies, 0-based.
# The field itself is smaller (columns 10 to 280, rows 745 to 1019). These are the subarray
# MASKLYOT of JWST's aperture file (SIAF), 320 columns and 304 rows from (1, 719), 1-based, or from
# row 717 up to PRDOPSSOC-045, and all rows above. The imager (MIRIM_ILLUM) begins at column 359.
FULL_FRAME = (1024, 1032)
LYOT_ROWS, LYOT_COLUMNS = (716, 1024), (0, 320)
IMAGER_COLUMN = 359
MARGIN = 10

# Rows looked at at a time.
BAND_ROWS = 128


@dataclass(frozen=True)
class Exclusion:
    """What is left out of the matching.

    Attributes
    ----------
    edge_trim : int
        Rows and columns next to the edge of the bounding box of the WCS.
    miri_lyot : str
        All but 'keep' for the field of MIRI's Lyot coronagraph, too.
    area : Area or None
        An area on the sky or on the detector, too.
    lyot_alone : bool
        All but that field, instead of it.
    """

    edge_trim: int = 0
    miri_lyot: str = "keep"
    area: Area | None = None
    lyot_alone: bool = False


def excluded_pixels(
    exclusion: Exclusion, exposure: Exposure, wcs: WCS, pixel_map: PixelMap
) -> ExcludedPixels | None:
    """Find the pixels of an exposure that are left out.

    Parameters
    ----------
    exclusion : Exclusion
        What is left out.
    exposure : Exposure
        Its metadata.
    wcs : `~gwcs.wcs.WCS`
        Its WCS.
    pixel_map : PixelMap
        Its shape and bounding box.

    Returns
    -------
    ExcludedPixels or None
        The pixels; None if there are none.
    """
    lyot = None if exclusion.miri_lyot == "keep" else lyot_window(exposure, pixel_map.shape)
    if lyot is None and not exclusion.edge_trim and exclusion.area is None:
        return None
    excluded = np.zeros(pixel_map.shape, dtype=bool)
    if exclusion.edge_trim:
        excluded |= _near_edge(pixel_map, exclusion.edge_trim)
    if lyot is not None:
        within = np.zeros(pixel_map.shape, dtype=bool)
        within[lyot] = True
        excluded |= ~within if exclusion.lyot_alone else within
    in_area = False
    if exclusion.area is not None:
        inside = pixels_in_area(exclusion.area, wcs, pixel_map.shape)
        in_area = bool(inside.any())
        excluded |= inside
    return ExcludedPixels.pack(excluded, in_area=in_area) if excluded.any() else None


def _near_edge(pixel_map: PixelMap, width: int) -> np.ndarray:
    """Find pixels up to so many from the edge of the bounding box, and beyond it."""
    excluded = np.ones(pixel_map.shape, dtype=bool)
    limits = [w.indices(n) for w, n in zip(pixel_map.inside, pixel_map.shape, strict=True)]
    rows, columns = (slice(low + width, max(high - width, 0)) for low, high, _ in limits)
    excluded[rows, columns] = False
    return excluded


def lyot_window(
    exposure: Exposure, shape: tuple[int, int]
) -> Window | None:  # numpydoc ignore=PR01,RT01
    """Find rows and columns of the field of MIRI's Lyot coronagraph in an exposure.

    None for exposures without it, and for those that see nothing else: SUB64, SUB128 and the
    coronagraph's own subarray lie inside that field.
    """
    if (exposure.instrument, exposure.detector) != ("MIRI", "MIRIMAGE"):
        return None
    is_full = exposure.subarray in (None, "FULL")
    corner = (0, 0) if is_full else ((exposure.ystart or 1) - 1, (exposure.xstart or 1) - 1)
    rows, columns = (
        # Full frames may be binned, if they are simulated.
        _in_frame(limits, n / full if is_full else 1.0, first, n)
        for limits, n, full, first in zip(
            (LYOT_ROWS, LYOT_COLUMNS), shape, FULL_FRAME, corner, strict=True
        )
    )
    sees_lyot = rows.start < rows.stop and columns.start < columns.stop
    sees_imager = columns.stop < shape[1]
    return (rows, columns) if sees_lyot and sees_imager else None


def kept_parts(
    exclusion: Exclusion, exposure: Exposure, shape: tuple[int, int]
) -> tuple[Bounds, Bounds] | None:
    """Find imager and Lyot field in an exposure of which both are matched together.

    Parameters
    ----------
    exclusion : Exclusion
        What is left out.
    exposure : Exposure
        Its metadata.
    shape : tuple of int
        Its shape (ny, nx).

    Returns
    -------
    tuple of tuple of int, or None
        First and one-past-last pixel (x_min, x_max, y_min, y_max) of both; None for exposures
        without that field, or not together.

    Notes
    -----
    With a margin of 10 full-frame pixels on all sides, a quarter of the gap between them, so that
    pixels may be known to some only.
    """
    window = lyot_window(exposure, shape) if exclusion.miri_lyot == "keep" else None
    if window is None:
        return None
    ny, nx = shape
    rows, columns = window
    # Of a frame that begins in other columns, they begin in others, too.
    scale = nx / FULL_FRAME[1] if exposure.subarray in (None, "FULL") else 1.0
    margin = round(MARGIN * scale)
    imager = columns.stop + round((IMAGER_COLUMN - LYOT_COLUMNS[1]) * scale)
    return (
        (imager - margin, nx + margin, -margin, ny + margin),
        (columns.start - margin, columns.stop + margin, rows.start - margin, rows.stop + margin),
    )


def _in_frame(limits: tuple[int, int], scale: float, first: int, size: int) -> slice:
    """Take limits on the detector to a frame; a pixel that is partly within them is within."""
    low, high = int(limits[0] * scale) - first, int(np.ceil(limits[1] * scale)) - first
    return slice(min(max(low, 0), size), min(max(high, 0), size))


def pixels_in_area(area: Area, wcs: WCS, shape: tuple[int, int]) -> np.ndarray:
    """Find the pixels whose centres lie in an area.

    Parameters
    ----------
    area : Area
        The area.
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
    plane = area.on_plane(*map(float, wcs((nx - 1) / 2, (ny - 1) / 2)))

    def to_plane(x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        sky = wcs(x, y, with_bounding_box=False)
        return list(plane.from_sky(*sky))

    inside = np.zeros(shape, dtype=bool)
    corners = to_plane(np.array([0.0, nx, 0.0, nx]) - 0.5, np.array([0.0, 0.0, ny, ny]) - 0.5)
    if not np.all(np.isfinite(corners)):
        return inside
    pixel_map = map_pixels(to_plane, shape)
    columns = np.arange(nx)
    for start in range(0, ny, BAND_ROWS):
        rows = np.arange(ny)[start : start + BAND_ROWS]
        x, y = np.moveaxis(pixel_map.at(columns, rows), -1, 0)
        inside[rows] = plane.contains(x, y, *np.meshgrid(columns, rows))
    return inside
