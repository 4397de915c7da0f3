"""Rectangles of cells: their overlaps, their places in larger arrays, and sums over blocks.

All functions take objects with ``bounds``: tiles of one grid, or block maps with blocks of one
size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

__all__ = [
    "BlockMap",
    "Bounds",
    "Placed",
    "Shape",
    "Window",
    "block_sums",
    "bounding_window",
    "overlap_windows",
    "overlapping_pairs",
    "window_in",
]

#: First and one-past-last cell (x_min, x_max, y_min, y_max).
Bounds = tuple[int, int, int, int]
#: Shape (ny, nx) of an array.
Shape = tuple[int, int]
#: Rows and columns of an array.
Window = tuple[slice, slice]


class Placed(Protocol):
    """An object with a place on a grid."""

    @property
    def bounds(self) -> Bounds:
        """First and one-past-last cell (x_min, x_max, y_min, y_max)."""


@dataclass(frozen=True)
class BlockMap:
    """One value for each block of a part of the grid.

    Attributes
    ----------
    x0, y0 : int
        Block of the grid that is block (0, 0) of the array.
    weight : ndarray of float32, shape (ny, nx)
        Sum of the cells' weights over each block.
    """

    x0: int
    y0: int
    weight: np.ndarray

    @property
    def bounds(self) -> Bounds:
        """First and one-past-last block (x_min, x_max, y_min, y_max)."""
        ny, nx = self.weight.shape
        return self.x0, self.x0 + nx, self.y0, self.y0 + ny


def block_sums(tile: Placed, values: np.ndarray, block: int) -> BlockMap:
    """Add up values of a tile's cells over square blocks.

    Parameters
    ----------
    tile : Placed
        The tile.
    values : ndarray, shape (ny, nx)
        One value for each of its cells.
    block : int
        Cells to a side of a block. Blocks begin at cell (0, 0) of the grid.

    Returns
    -------
    BlockMap
        Sums over all blocks that the tile touches.
    """
    x_min, x_max, y_min, y_max = tile.bounds
    rows, columns = (
        np.union1d(0, np.arange(-first % block, end - first, block))
        for first, end in ((y_min, y_max), (x_min, x_max))
    )
    sums = np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1)
    return BlockMap(x_min // block, y_min // block, sums.astype(np.float32))


def bounding_window(items: Sequence[Placed]) -> tuple[int, int, Shape]:
    """Compute the smallest rectangle of cells that contains all items.

    Parameters
    ----------
    items : sequence of Placed
        At least one item.

    Returns
    -------
    x0, y0 : int
        First cell of the rectangle.
    shape : tuple of int
        Its shape (ny, nx).
    """
    x_min, x_max, y_min, y_max = zip(*(item.bounds for item in items), strict=True)
    x0, y0 = min(x_min), min(y_min)
    return x0, y0, (max(y_max) - y0, max(x_max) - x0)


def window_in(item: Placed, x0: int, y0: int) -> Window:
    """Compute the window of an item in a larger array.

    Parameters
    ----------
    item : Placed
        The item.
    x0, y0 : int
        Cell of the grid that is cell (0, 0) of the array.

    Returns
    -------
    tuple of slice
        Rows and columns of the array.
    """
    x_min, x_max, y_min, y_max = item.bounds
    return slice(y_min - y0, y_max - y0), slice(x_min - x0, x_max - x0)


def overlap_windows(first: Placed, second: Placed) -> tuple[Window, Window]:
    """Compute the window of the common cells of two items in the array of each.

    Parameters
    ----------
    first, second : Placed
        The items.

    Returns
    -------
    tuple of tuple of slice
        Rows and columns in the first and in the second array; empty without overlap.
    """
    return _common_cells(first, second), _common_cells(second, first)


def _common_cells(item: Placed, other: Placed) -> Window:
    """Clip the other item to the array of the first."""
    x_min, x_max, y_min, y_max = item.bounds
    first_x, end_x, first_y, end_y = other.bounds
    rows, columns = np.clip((first_y, end_y), y_min, y_max), np.clip((first_x, end_x), x_min, x_max)
    return slice(*(rows - y_min).tolist()), slice(*(columns - x_min).tolist())


def overlapping_pairs(items: Sequence[Placed]) -> list[tuple[int, int]]:
    """List all pairs of items that share at least one cell.

    Parameters
    ----------
    items : sequence of Placed
        The items.

    Returns
    -------
    list of tuple of int
        Pairs (i, j), i < j, in ascending order.
    """
    bounds = np.array([item.bounds for item in items], dtype=int).reshape(-1, 2, 2)
    first, end = bounds[..., 0], bounds[..., 1]
    pairs = []
    # One item at a time: the square of 12,000 items would not fit into memory.
    for i in range(len(items)):
        overlap = (first[i] < end[i + 1 :]) & (first[i + 1 :] < end[i])
        pairs += [(i, i + 1 + j) for j in np.flatnonzero(overlap.all(axis=1)).tolist()]
    return pairs
