"""Small pictures of the differences of two tiles."""

from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.offsets.overlap import block_numbers
from jwst_mosaic_skymatch.tiles.scatter import scale_of

__all__ = ["DifferencePicture", "draw_differences"]

# Pixels to a side that a picture has at most, and cells to a side of these at least: those of an
# overlap of two whole MIRI exposures have 8.
LARGEST_SIDE = 64
LEAST_BLOCK = 4
# Bins of a histogram, and its half width in robust standard deviations.
N_BINS = 60
HALF_WIDTH = 5.0


@dataclass(frozen=True)
class DifferencePicture:
    """Differences of two tiles minus their offset: means over blocks of cells, and a histogram.

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


def draw_differences(difference: np.ndarray, corner: tuple[int, int]) -> DifferencePicture:
    """Condense the differences of two tiles.

    Parameters
    ----------
    difference : ndarray of float32, shape (ny, nx)
        Differences minus their offset, MJy/sr; NaN where there is none, but not all of them.
    corner : tuple of int
        Cell (x, y) of the grid that is cell (0, 0) of these.

    Returns
    -------
    DifferencePicture
        Picture and histogram.
    """
    places = np.flatnonzero(np.isfinite(difference))
    values = difference.ravel()[places]
    size = max(-(-max(difference.shape) // LARGEST_SIDE), LEAST_BLOCK)
    number, grid = block_numbers(places, difference.shape, size)
    sums, n_cells = (np.bincount(number, v, np.prod(grid)) for v in (values, None))
    image = sums / np.where(n_cells > 0, n_cells, np.nan)
    # The floor is for images that agree exactly.
    half_width = max(HALF_WIDTH * scale_of(values), 1e-30)
    inside = np.clip(values, -half_width, half_width)
    counts, edges = np.histogram(inside, N_BINS, (-half_width, half_width))
    return DifferencePicture(*corner, size, image.reshape(grid).astype(np.float32), edges, counts)
