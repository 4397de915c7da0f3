"""What planes in the backgrounds of two tiles make of their difference."""

from collections.abc import Sequence

import numpy as np

from jwst_mosaic_skymatch.offsets.blocks import Blocks
from jwst_mosaic_skymatch.tiles.frame import DetectorFrame, mean_places

__all__ = ["measure_planes"]

# Cells to a side of the blocks whose centroids stand for all cells.
BLOCK_CELLS = 16


def measure_planes(
    valid: np.ndarray,
    corner: tuple[int, int],
    weights: np.ndarray,
    frames: Sequence[Sequence[DetectorFrame]],
    position: np.ndarray,
) -> np.ndarray:
    r"""Find what gradients in the backgrounds of two tiles make of their difference.

    Parameters
    ----------
    valid : ndarray of bool, shape (ny, nx)
        Cells that have a difference; n of them.
    corner : tuple of int
        Cell (x, y) of the grid that is cell (0, 0) of ``valid``.
    weights : ndarray, shape (n,)
        Their inverse variance, up to a factor; 0 for what is left out.
    frames : sequence of sequence of DetectorFrame
        Frames of the exposures in each of the tiles.
    position : ndarray, shape (2,)
        Where the value is asked for, cells.

    Returns
    -------
    ndarray, shape (3, 4)
        Change of the value at that position, and of the slopes along x and y per cell, for unit
        gradients of both tiles.

    Notes
    -----
    With :math:`w_i` and :math:`w_j` the places in their frames, gradients make :math:`g_i w_i - g_j
    w_j` of it. Distortion bends this by some hundredths; here it is the plane that fits best. What
    is left tells of :math:`g_i + g_j`, too, but so little that errors became no more than 5 %
    smaller with it.
    """
    blocks = Blocks(valid, BLOCK_CELLS)
    weight = blocks.sums(weights)
    weight = weight[weight > 0]
    x, y = blocks.centroids(corner, weights)
    first, second = (mean_places(own, x, y) for own in frames)
    plane = np.stack([np.ones_like(weight), x - position[0], y - position[1]])
    to_plane = np.linalg.pinv((plane * weight) @ plane.T) @ (plane * weight)
    return to_plane @ np.concatenate([first, -second]).T
