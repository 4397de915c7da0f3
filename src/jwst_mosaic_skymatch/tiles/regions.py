"""Regions of detectors that may differ from the rest by a constant, the same in all exposures."""

from collections.abc import Sequence
from math import ceil, floor

import numpy as np

from jwst_mosaic_skymatch.exposures.metadata import Exposure
from jwst_mosaic_skymatch.tiles.frame import DetectorFrame
from jwst_mosaic_skymatch.tiles.windows import Bounds, Shape

__all__ = ["REGIONS", "detector_regions", "region_shares"]

#: Strips along the edges of the array, and the field of MIRI's Lyot coronagraph.
REGIONS = ("left", "right", "bottom", "top", "lyot")

# Width of the strips, full-frame pixels: glow reaches over the last 40 columns.
STRIP = 40
# Rows of full frames.
FULL_ROWS = {"MIRI": 1024, "NIRCAM": 2048, "NIRISS": 2048}
# One-past-last column and first row of the Lyot coronagraph's field on MIRI's full frame, 0-based.
# The field itself is smaller (columns 10 to 280, rows 745 to 1019). These are the subarray MASKLYOT
# of JWST's aperture file (SIAF), 320 columns and 304 rows from (1, 719), 1-based, or from row 717
# up to PRDOPSSOC-045, and all rows above. No other subarray has both the field and the imager.
LYOT_COLUMNS, LYOT_ROW = 320, 716


def detector_regions(exposure: Exposure, shape: Shape) -> tuple[Bounds | None, ...]:
    """Give the regions of the detector of an exposure.

    Parameters
    ----------
    exposure : Exposure
        Its metadata.
    shape : tuple of int
        Its shape (ny, nx).

    Returns
    -------
    tuple of tuple of int or None
        First and one-past-last pixel (x_min, x_max, y_min, y_max) of each of `REGIONS`; a pixel
        partly in the Lyot field belongs to it. None for the Lyot field of other detectors, and
        for all regions of subarrays.
    """
    full_rows = FULL_ROWS.get(exposure.instrument or "")
    if not full_rows or exposure.subarray not in (None, "FULL"):
        return (None,) * len(REGIONS)
    (ny, nx), scale = shape, shape[0] / full_rows  # simulated full frames may be binned
    width = round(STRIP * scale)
    lyot = (0, ceil(LYOT_COLUMNS * scale), floor(LYOT_ROW * scale), ny)
    return (
        (0, width, 0, ny),
        (nx - width, nx, 0, ny),
        (0, nx, 0, width),
        (0, nx, ny - width, ny),
        lyot if exposure.detector == "MIRIMAGE" else None,
    )


def region_shares(frames: Sequence[DetectorFrame], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Compute the share of exposures that see a place in each region of their detector.

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
    counts = np.zeros((1 + len(REGIONS), *np.broadcast_shapes(x.shape, y.shape)), dtype=np.float32)
    for frame in frames:
        column, row = frame.pixels(x, y) + 0.5  # pixels reach half beyond their centres
        ny, nx = frame.shape
        for k, bounds in enumerate(((0, nx, 0, ny), *frame.regions)):
            if bounds is not None:
                x_min, x_max, y_min, y_max = bounds
                counts[k] += (column >= x_min) & (column < x_max) & (row >= y_min) & (row < y_max)
    return counts[1:] / np.maximum(counts[0], 1)
