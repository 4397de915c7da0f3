"""Rectangles of cells: their overlaps, and their places in larger arrays.

All functions take objects with ``bounds``: tiles of one grid, or block maps with blocks of one
size.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

__all__ = [
    "Bounds",
    "Placed",
    "Shape",
    "Window",
    "bounding_window",
    "bounds_of",
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


def bounds_of(x0: int, y0: int, array: np.ndarray) -> Bounds:
    """Give the bounds of an array on a grid.

    Parameters
    ----------
    x0, y0 : int
        Cell of the grid that is cell (0, 0) of the array.
    array : ndarray, shape (ny, nx)
        The array.

    Returns
    -------
    tuple of int
        First and one-past-last cell (x_min, x_max, y_min, y_max).
    """
    ny, nx = array.shape
    return x0, x0 + nx, y0, y0 + ny


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


def overlap_windows(first: Placed, second: Placed, margin: int = 0) -> tuple[Window, Window]:
    """Compute the window of the common cells of two items in the array of each.

    Parameters
    ----------
    first, second : Placed
        The items.
    margin : int, optional
        Cells to add on each side, as far as the array has them.

    Returns
    -------
    tuple of tuple of slice
        Rows and columns in the first and in the second array; empty without overlap.
    """
    return _common_cells(first, second, margin), _common_cells(second, first, margin)


def _common_cells(item: Placed, other: Placed, margin: int) -> Window:
    """Clip the other item to the array of the first."""
    first, end = np.reshape(item.bounds, (2, 2, 1)).swapaxes(0, 1)
    wanted = np.add(np.reshape(other.bounds, (2, 2)), (-margin, margin))
    x, y = (np.clip(wanted, first, end) - first).tolist()
    return slice(*y), slice(*x)


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
