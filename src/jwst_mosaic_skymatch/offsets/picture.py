"""Small pictures of the differences of two tiles."""

from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.offsets.overlap import BLOCK_CELLS, Overlap
from jwst_mosaic_skymatch.tiles.scatter import scale_of

__all__ = ["DifferencePicture", "draw_differences"]

# Bins of a histogram, and its half width in robust standard deviations.
N_BINS = 60
HALF_WIDTH = 5.0


@dataclass(frozen=True)
class DifferencePicture:
    """Differences of two tiles minus their offset: means over blocks, and a histogram.

    Attributes
    ----------
    x0, y0 : int
        Cell of the grid that is the first of the picture.
    block : int
        Cells to a side of a pixel.
    image : ndarray of float32, shape (ny, nx)
        Mean of each block, MJy/sr; NaN where the two have no cell in common.
    edges : ndarray of float64, shape (n_bins + 1,)
        Edges of the bins, MJy/sr; the outer bins hold all that lies beyond, too.
    counts : ndarray of int, shape (n_bins,)
        Cells in each bin.
    """

    x0: int
    y0: int
    block: int
    image: np.ndarray
    edges: np.ndarray
    counts: np.ndarray


def draw_differences(overlap: Overlap, offset: float) -> DifferencePicture:
    """Condense the differences of two tiles.

    Parameters
    ----------
    overlap : Overlap
        Their common cells.
    offset : float
        The offset that is subtracted, MJy/sr.

    Returns
    -------
    DifferencePicture
        Picture and histogram.
    """
    x0, y0 = overlap.corners.min(axis=1).astype(int).tolist()
    places = (overlap.corners - [[x0], [y0]]).astype(int) // BLOCK_CELLS
    image = np.full(places.max(axis=1)[::-1] + 1, np.nan, dtype=np.float32)
    image[*places[::-1]] = overlap.block_sums(overlap.difference) / overlap.sizes - offset
    values = overlap.difference - np.float32(offset)
    # The floor is for images that agree exactly.
    half_width = max(HALF_WIDTH * scale_of(values), 1e-30)
    inside = np.clip(values, -half_width, half_width)
    counts, edges = np.histogram(inside, N_BINS, (-half_width, half_width))
    return DifferencePicture(x0, y0, BLOCK_CELLS, image, edges, counts)
