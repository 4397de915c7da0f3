"""Regions of detectors that may differ from the rest by a constant, the same in all exposures."""

from collections.abc import Sequence

import numpy as np

from jwst_mosaic_skymatch.exposures.metadata import Exposure
from jwst_mosaic_skymatch.tiles.frame import DetectorFrame
from jwst_mosaic_skymatch.tiles.windows import Bounds, Shape, Window

__all__ = ["REGIONS", "detector_regions", "lyot_window", "region_shares"]

#: Strips along the edges of the array, and the field of MIRI's Lyot coronagraph.
REGIONS = ("left", "right", "bottom", "top", "lyot")

# Width of the strips, full-frame pixels: glow reaches over the last 40 columns.
STRIP = 40
# Rows of full frames.
FULL_ROWS = {"MIRI": 1024, "NIRCAM": 2048, "NIRISS": 2048}

# Rows and columns of a MIRI frame, and first and one-past-last row and column of the Lyot
# coronagraph's field, 0-based. The field itself is smaller (columns 10 to 280, rows 745 to 1019).
# These are the subarray MASKLYOT of JWST's aperture file (SIAF), 320 columns and 304 rows from
# (1, 719), 1-based, or from row 717 up to PRDOPSSOC-045, and all rows above.
FULL_FRAME = (1024, 1032)
LYOT_FIRST, LYOT_END = (716, 0), (1024, 320)


def detector_regions(
    exposure: Exposure, shape: Shape, miri_lyot: str = "keep"
) -> tuple[Bounds | None, ...]:
    """Find the regions of the detector of an exposure.

    Parameters
    ----------
    exposure : Exposure
        Its metadata.
    shape : tuple of int
        Its shape (ny, nx).
    miri_lyot : {'keep', 'mask'}, optional
        Whether MIRI's Lyot field is matched or left out.

    Returns
    -------
    tuple of tuple of int or None
        First and one-past-last pixel (x_min, x_max, y_min, y_max) of each of `REGIONS`; None
        for the Lyot field where it is left out or not seen beside the imager, and for the
        strips of subarrays.
    """
    ny, nx = shape
    strips: tuple[Bounds | None, ...] = (None,) * 4
    full_rows = FULL_ROWS.get(exposure.instrument or "")
    if full_rows and exposure.subarray in (None, "FULL"):
        # Full frames may be binned, if they are simulated.
        width = round(STRIP * ny / full_rows)
        strips = (
            (0, width, 0, ny),
            (nx - width, nx, 0, ny),
            (0, nx, 0, width),
            (0, nx, ny - width, ny),
        )
    window = lyot_window(exposure, shape) if miri_lyot == "keep" else None
    if window is None:
        return *strips, None
    rows, columns = window
    return *strips, (columns.start, columns.stop, rows.start, rows.stop)


def lyot_window(exposure: Exposure, shape: Shape) -> Window | None:
    """Find the field of MIRI's Lyot coronagraph in an exposure.

    Parameters
    ----------
    exposure : Exposure
        Its metadata.
    shape : tuple of int
        Its shape (ny, nx).

    Returns
    -------
    tuple of slice or None
        Rows and columns; a pixel that is partly within the field is within. None for
        exposures without it, and for those that see nothing else: SUB64, SUB128 and the
        coronagraph's own subarray lie inside that field.
    """
    if exposure.detector != "MIRIMAGE":
        return None
    corner, scale = ((exposure.ystart or 1) - 1, (exposure.xstart or 1) - 1), np.ones(2)
    if exposure.subarray in (None, "FULL"):
        # Full frames may be binned, if they are simulated.
        corner, scale = (0, 0), np.divide(shape, FULL_FRAME)
    edges = np.floor(LYOT_FIRST * scale), np.ceil(LYOT_END * scale)
    first, end = (np.clip(edge - corner, 0, shape).astype(int) for edge in edges)
    sees_lyot, sees_imager = (first < end).all(), end[1] < shape[1]
    rows, columns = map(slice, first.tolist(), end.tolist())
    return (rows, columns) if sees_lyot and sees_imager else None


def region_shares(frames: Sequence[DetectorFrame], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Find the share of exposures that see a place in each region of their detector.

    Parameters
    ----------
    frames : sequence of DetectorFrame
        Frames of the exposures.
    x, y : ndarray
        Places on the grid, cells, of shapes that can be broadcast.

    Returns
    -------
    ndarray of float32, shape (n_regions, ...)
        Share, 0 to 1, of the exposures with the place inside their array; 0 where there are
        none.
    """
    seen = np.zeros(np.broadcast_shapes(x.shape, y.shape), dtype=np.float32)
    counts = np.zeros((len(REGIONS), *seen.shape), dtype=np.float32)
    for frame in frames:
        pixels = frame.pixels(x, y)
        ny, nx = frame.shape
        seen += _inside(pixels, (0, nx, 0, ny))
        for k, bounds in enumerate(frame.regions):
            if bounds is not None:
                counts[k] += _inside(pixels, bounds)
    return counts / np.maximum(seen, 1)


def _inside(pixels: np.ndarray, bounds: Bounds) -> np.ndarray:
    """Test whether places (2, ...) lie in a rectangle of pixels; pixels reach half beyond."""
    (column, row), (x_min, x_max, y_min, y_max) = pixels + 0.5, bounds
    return (column >= x_min) & (column < x_max) & (row >= y_min) & (row < y_max)
