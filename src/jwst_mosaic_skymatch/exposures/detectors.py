"""Regions of JWST's detectors."""

from math import ceil, floor

from jwst_mosaic_skymatch.tiles.windows import Bounds, Shape

__all__ = ["LYOT", "detector_regions"]

#: Position of MIRI's Lyot field among the regions.
LYOT = 4

# Width of the strips, full-frame pixels: glow reaches over the last 40 columns.
STRIP = 40
# Rows of full frames.
FULL_ROWS = {"MIRI": 1024, "NIRCAM": 2048, "NIRISS": 2048}
# One-past-last column and first row of the Lyot coronagraph's field on MIRI's full frame, 0-based.
# The field itself is smaller (columns 10 to 280, rows 745 to 1019). These are the subarray MASKLYOT
# of JWST's aperture file (SIAF), 320 columns and 304 rows from (1, 719), 1-based, or from row 717
# up to PRDOPSSOC-045, and all rows above. No other subarray has both the field and the imager.
LYOT_COLUMNS, LYOT_ROW = 320, 716


def detector_regions(
    instrument: str | None, detector: str | None, subarray: str | None, shape: Shape
) -> tuple[Bounds, ...]:
    """Give the regions of a detector.

    Parameters
    ----------
    instrument, detector, subarray : str or None
        Names of the instrument, of its detector, and of the subarray.
    shape : tuple of int
        Shape (ny, nx) of the exposure.

    Returns
    -------
    tuple of tuple of int
        First and one-past-last pixel (x_min, x_max, y_min, y_max) of each of
        `~jwst_mosaic_skymatch.tiles.frame.REGIONS`; a pixel partly in the Lyot field belongs to
        it. Only MIRI's imager has the last, and subarrays have none.
    """
    ny, nx = shape
    if instrument not in FULL_ROWS or subarray not in (None, "FULL"):
        return ()
    scale = ny / FULL_ROWS[instrument]  # simulated full frames may be binned
    width = round(STRIP * scale)
    regions = (
        (0, width, 0, ny),
        (nx - width, nx, 0, ny),
        (0, nx, 0, width),
        (0, nx, ny - width, ny),
        (0, ceil(LYOT_COLUMNS * scale), floor(LYOT_ROW * scale), ny),
    )
    return regions if detector == "MIRIMAGE" else regions[:-1]
