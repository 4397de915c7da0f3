"""Small pictures of the differences of two tiles."""

from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.offsets.overlap import Overlap
from jwst_mosaic_skymatch.tiles.windows import BLOCK_CELLS

__all__ = ["DifferencePicture", "draw_differences"]


@dataclass(frozen=True)
class DifferencePicture:
    """Differences of two tiles minus their offset: means over blocks.

    Attributes
    ----------
    x0, y0 : int
        Cell of the grid that is the first of the picture.
    block : int
        Cells to a side of a pixel.
    image : ndarray of float32, shape (ny, nx)
        Mean of each block, MJy/sr; NaN where the two have no cell in common.
    """

    x0: int
    y0: int
    block: int
    image: np.ndarray


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
        The picture.
    """
    blocks = overlap.places.astype(int) // BLOCK_CELLS
    x0, y0 = blocks.min(axis=1).tolist()
    places = blocks - [[x0], [y0]]
    image = np.full(places.max(axis=1)[::-1] + 1, np.nan, dtype=np.float32)
    image[*places[::-1]] = overlap.block_sums(overlap.difference) / overlap.sizes - offset
    return DifferencePicture(x0 * BLOCK_CELLS, y0 * BLOCK_CELLS, BLOCK_CELLS, image)
