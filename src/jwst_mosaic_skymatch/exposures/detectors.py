"""Regions of JWST's detectors."""

from collections.abc import Sequence
from math import ceil, floor

import numpy as np

from jwst_mosaic_skymatch.tiles.frame import LYOT, REGIONS
from jwst_mosaic_skymatch.tiles.scatter import scale_of
from jwst_mosaic_skymatch.tiles.windows import Bounds, Shape

__all__ = ["LYOT_FIELD", "detector_regions", "lyot_steps", "lyot_variance"]

#: Position of MIRI's Lyot field among the regions.
LYOT_FIELD = REGIONS.index(LYOT)

# Width of the strips, full-frame pixels: glow reaches over the last 40 columns.
STRIP = 40
# Rows of full frames.
FULL_ROWS = {"MIRI": 1024, "NIRCAM": 2048, "NIRISS": 2048}
# One-past-last column and first row of the Lyot coronagraph's field on MIRI's full frame, 0-based.
# The field itself is smaller (columns 10 to 280, rows 745 to 1019). These are the subarray MASKLYOT
# of JWST's aperture file (SIAF), 320 columns and 304 rows from (1, 719), 1-based, or from row 717
# up to PRDOPSSOC-045, and all rows above. No other subarray has both the field and the imager.
LYOT_COLUMNS, LYOT_ROW = 320, 716
# Width of the columns beside the edge of the Lyot field, in its own: of 51 pixels 39 are dark on
# the side of the field, and 37 on the other. Wider ones differ more by their sky.
STEP = 0.16
# Rows that are measured, at least.
N_ROWS = 80
# Step across the edge in its standard deviations from which on it is not taken for sky: of 80
# mosaics without contrast 79 had 2.2 at the most, and 20 with one of 0.5 MJy/sr 7.4 at least.
SIGNIFICANCE = 5.0


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


def lyot_steps(data: np.ndarray, good: np.ndarray, regions: tuple[Bounds, ...]) -> list[float]:
    """Measure steps of the brightness along the rows of MIRI's Lyot field.

    Parameters
    ----------
    data : ndarray, shape (ny, nx)
        Surface brightness, MJy/sr.
    good : ndarray of bool, shape (ny, nx)
        Pixels to use.
    regions : tuple of tuple of int
        Regions of the detector, see `detector_regions`.

    Returns
    -------
    list of float
        The step from the imager to the field across the edge between them, MJy/sr. Steps inside of
        the imager over the same distance follow. NaN without pixels; empty without a field.
    """
    if len(regions) <= LYOT_FIELD:
        return []
    _, edge, first, _ = regions[LYOT_FIELD]
    number = (np.arange(data.shape[1]) - edge) // round(STEP * edge)
    rows = slice(first, None, max((len(data) - first) // N_ROWS, 1))
    strips = [np.s_[rows, number == k] for k in range(-1, number.max())]
    values = [data[strip][good[strip]] for strip in strips]
    levels = np.array([np.median(own) if own.size else np.nan for own in values])
    return [levels[0] - levels[1], *(levels[3:] - levels[1:-2]).tolist()]


def lyot_variance(steps: Sequence[Sequence[float]], visits: np.ndarray) -> dict[str, float]:
    """Estimate the variance of the contrast of MIRI's Lyot field by the pixels of exposures.

    Overlaps that do not constrain the contrast leave it in the errors of levels.

    Parameters
    ----------
    steps : sequence of sequence of float
        Steps of n exposures, see `lyot_steps`.
    visits : ndarray, shape (n,)
        Visit of each exposure. Exposures of a visit see one sky.

    Returns
    -------
    dict of str to float
        Square of the median step across the edge, (MJy/sr)^2, by the name of the region. Empty
        within the error of the step, for which steps inside of the imager stand.
    """
    known = [k for k, own in enumerate(steps) if np.isfinite(own[:1]).any()]
    inside = np.array([step for k in known for step in steps[k][1:]])
    inside = inside[np.isfinite(inside)]
    if not inside.size:
        return {}
    step = float(np.median([steps[k][0] for k in known]))
    error = scale_of(inside) / np.sqrt(np.unique(visits[known]).size)
    return {LYOT: step**2} if abs(step) > SIGNIFICANCE * error else {}
