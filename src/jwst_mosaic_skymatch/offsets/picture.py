"""Small pictures of the differences of two tiles."""

from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.offsets.overlap import block_grid, block_numbers

__all__ = ["DifferencePicture", "draw_differences"]

# Pixels to a side that a picture has at most, and cells to a side of these at least: those of an
# overlap of two whole MIRI exposures have 8.
LARGEST_SIDE = 64
LEAST_BLOCK = 4
# Values that a histogram is made of, its bins, and its half width in robust standard deviations.
N_SAMPLE = 20_000
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
        Cells in each bin, of a sample of the cells.
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
    values = difference.ravel()[places].astype(float)
    size = max(-(-max(difference.shape) // LARGEST_SIDE), LEAST_BLOCK)
    grid = block_grid(difference.shape, size)
    numbers = block_numbers(places, difference.shape, size)
    sums, counts = (np.bincount(numbers, v, np.prod(grid)) for v in (values, None))
    image = np.divide(sums, counts, out=np.full(counts.size, np.nan), where=counts > 0)
    row, column = np.divmod(np.unique(numbers), grid[1])
    edges, histogram = _histogram(values[:: max(values.size // N_SAMPLE, 1)])
    return DifferencePicture(
        x0=corner[0] + size * int(column.min()),
        y0=corner[1] + size * int(row.min()),
        block=size,
        image=image.reshape(grid).astype(np.float32)[
            row.min() : row.max() + 1, column.min() : column.max() + 1
        ],
        edges=edges,
        counts=histogram,
    )


def _histogram(sample: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count values in bins about zero, as wide as they scatter."""
    quartiles = np.percentile(sample, [25.0, 75.0])
    half_width = max(HALF_WIDTH * float(np.ptp(quartiles)) / 1.349, 1e-30)
    edges = np.linspace(-half_width, half_width, N_BINS + 1)
    return edges, np.histogram(np.clip(sample, -half_width, half_width), edges)[0]
