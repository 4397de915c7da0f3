"""What the difference of two tiles says of planes in the backgrounds of both."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.offsets.blocks import Blocks
from jwst_mosaic_skymatch.tiles.frame import DetectorFrame, mean_places

__all__ = ["PlaneInformation", "measure_planes"]

# Cells to a side of the blocks over which differences are averaged.
BLOCK_CELLS = 16


@dataclass(frozen=True)
class PlaneInformation:
    r"""What gradients of two tiles make of their difference.

    With :math:`w_i` and :math:`w_j` the places in their frames, it is :math:`d + g_i w_i - g_j
    w_j`: nearly a plane, of which value and slopes are known as `Trends`. By distortion the rest
    tells not only of :math:`g_i - g_j`, but also of their sum.

    Attributes
    ----------
    effects : ndarray, shape (3, 4)
        What unit gradients of both make of the value at the position of the `Trends`, and of
        the slopes along x and y.
    normal : ndarray, shape (4, 4)
        Normal matrix of the gradients by the rest.
    right : ndarray, shape (4,)
        Its right-hand side.
    """

    effects: np.ndarray
    normal: np.ndarray
    right: np.ndarray


def measure_planes(
    valid: np.ndarray,
    corner: tuple[int, int],
    differences: np.ndarray,
    weights: np.ndarray,
    frames: Sequence[Sequence[DetectorFrame]],
    *,
    position: np.ndarray,
    variance: float,
) -> PlaneInformation:
    """Condense the differences of two tiles.

    Parameters
    ----------
    valid : ndarray of bool, shape (ny, nx)
        Cells that have a difference; n of them.
    corner : tuple of int
        Cell (x, y) of the grid that is cell (0, 0) of ``valid``.
    differences : ndarray, shape (n,)
        Differences, MJy/sr.
    weights : ndarray, shape (n,)
        Their inverse variance, up to a factor; 0 for what is left out.
    frames : sequence of sequence of DetectorFrame
        Frames of the exposures in each of the tiles.
    position : ndarray, shape (2,)
        Where the value of a plane is asked for, cells.
    variance : float
        Variance of the mean difference by noise, (MJy/sr)^2.

    Returns
    -------
    PlaneInformation
        What they say of planes.
    """
    blocks = Blocks(valid, BLOCK_CELLS)
    weight = blocks.sums(weights)
    mean = blocks.sums(weights * differences)[weight > 0]
    weight = weight[weight > 0]
    mean /= weight
    x, y = blocks.centroids(corner, weights)
    first, second = (mean_places(own, x, y) for own in frames)
    gradients = np.concatenate([first, -second])
    plane = np.stack([np.ones_like(weight), x - position[0], y - position[1]])
    effects = np.linalg.pinv((plane * weight) @ plane.T) @ (plane * weight) @ gradients.T
    rest = gradients - effects.T @ plane
    weighted = rest * weight / (max(variance, 1e-30) * weight.sum())
    return PlaneInformation(effects=effects, normal=weighted @ rest.T, right=weighted @ mean)
