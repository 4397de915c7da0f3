"""Rectangles of cells: their overlaps, and their places in larger arrays.

A block map is a rectangle of blocks of cells; a tile is one with blocks of one cell.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = [
    "BLOCK_CELLS",
    "BlockMap",
    "Bounds",
    "Shape",
    "Window",
    "bounding_window",
    "overlap_windows",
    "overlapping_pairs",
    "window_in",
]

#: Cells to a side of a block: tiles begin and end between blocks. The edge of an overlap is blurred
#: by at most this: errors of levels are the same as with blocks of two cells, at a twelfth of the
#: memory.
BLOCK_CELLS = 8
#: First and one-past-last cell (x_min, x_max, y_min, y_max).
Bounds = tuple[int, int, int, int]
#: Shape (ny, nx) of an array.
Shape = tuple[int, int]
#: Rows and columns of an array.
Window = tuple[slice, slice]


@dataclass(frozen=True)
class BlockMap:
    """One value for each block of a part of the grid.

    Attributes
    ----------
    x0, y0 : int
        Block of the grid that is block (0, 0) of the array.
    weight : ndarray of float32, shape (ny, nx)
        Sum of weights over each block.
    """

    x0: int
    y0: int
    weight: np.ndarray

    @property
    def bounds(self) -> Bounds:
        """First and one-past-last block (x_min, x_max, y_min, y_max)."""
        ny, nx = self.weight.shape
        return self.x0, self.x0 + nx, self.y0, self.y0 + ny


def bounding_window(bounds: Sequence[Bounds]) -> tuple[int, int, Shape]:
    """Compute the smallest rectangle of cells that contains others.

    Parameters
    ----------
    bounds : sequence of tuple of int
        Bounds of the others, at least of one.

    Returns
    -------
    x0, y0 : int
        First cell of the rectangle.
    shape : tuple of int
        Its shape (ny, nx).
    """
    x_min, x_max, y_min, y_max = zip(*bounds, strict=True)
    x0, y0 = min(x_min), min(y_min)
    return x0, y0, (max(y_max) - y0, max(x_max) - x0)


def window_in(item: BlockMap, x0: int, y0: int) -> Window:
    """Compute the window of an item in another array.

    Parameters
    ----------
    item : BlockMap
        The item.
    x0, y0 : int
        Cell of the grid that is cell (0, 0) of the array.

    Returns
    -------
    tuple of slice
        Rows and columns of the array; they may end beyond it.
    """
    x_min, x_max, y_min, y_max = np.maximum(np.subtract(item.bounds, (x0, x0, y0, y0)), 0)
    return slice(y_min, y_max), slice(x_min, x_max)


def overlap_windows(first: BlockMap, second: BlockMap) -> tuple[Window, Window]:
    """Compute the window of the common cells of two items in the array of each.

    Parameters
    ----------
    first, second : BlockMap
        The items.

    Returns
    -------
    tuple of tuple of slice
        Rows and columns in the first and in the second array; empty without overlap.
    """
    return window_in(second, first.x0, first.y0), window_in(first, second.x0, second.y0)


def overlapping_pairs(items: Sequence[BlockMap]) -> np.ndarray:
    """List all pairs of items that share at least one cell.

    Parameters
    ----------
    items : sequence of BlockMap
        The items.

    Returns
    -------
    ndarray of int, shape (n_pairs, 2)
        Pairs (i, j), i < j, in ascending order.
    """
    bounds = np.reshape([item.bounds for item in items], (-1, 2, 2))
    begins_before = np.all(bounds[:, None, :, 0] < bounds[:, :, 1], axis=2)
    return np.argwhere(np.triu(begins_before & begins_before.T, 1))
