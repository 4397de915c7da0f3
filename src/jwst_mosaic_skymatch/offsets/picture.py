"""Differences of two tiles, small enough to be kept for a look at them."""

from dataclasses import dataclass

import numpy as np

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
    """Differences of two tiles less their offset: means over blocks of cells, and a histogram.

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
        Cells in each bin, of some that stand for all.
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
        Differences less their offset, MJy/sr; NaN where there is none, but not all of them.
    corner : tuple of int
        Cell (x, y) of the grid that is cell (0, 0) of these.

    Returns
    -------
    DifferencePicture
        Picture and histogram.
    """
    block = max(-(-max(difference.shape) // LARGEST_SIDE), LEAST_BLOCK)
    valid = np.isfinite(difference)
    number = _sums(valid.astype(np.float32), block)
    with np.errstate(invalid="ignore"):
        image = _sums(np.where(valid, difference, np.float32(0)), block) / number  # 0 / 0 is NaN
    (top, bottom), (left, right) = (
        np.flatnonzero(number.any(axis=axis))[[0, -1]].tolist() for axis in (1, 0)
    )
    edges, counts = _histogram(difference.ravel()[np.flatnonzero(valid)[:: _step(valid)]])
    return DifferencePicture(
        x0=corner[0] + block * left,
        y0=corner[1] + block * top,
        block=block,
        image=image[top : bottom + 1, left : right + 1],
        edges=edges,
        counts=counts,
    )


def _step(valid: np.ndarray) -> int:
    return max(int(np.count_nonzero(valid)) // N_SAMPLE, 1)


def _histogram(sample: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count values in bins about zero, as wide as they scatter."""
    sample = sample.astype(float)
    quartiles = np.percentile(sample, [25.0, 75.0])
    half_width = max(HALF_WIDTH * float(np.ptp(quartiles)) / 1.349, 1e-30)
    edges = np.linspace(-half_width, half_width, N_BINS + 1)
    return edges, np.histogram(np.clip(sample, -half_width, half_width), edges)[0]


def _sums(values: np.ndarray, block: int) -> np.ndarray:
    for axis, n in enumerate(values.shape):
        values = np.add.reduceat(values, np.arange(0, n, block), axis=axis)
    return values
