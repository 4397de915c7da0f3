"""Rectangles of cells: their overlaps, and their places in larger arrays.

All functions take objects with ``bounds``, the first and one-past-last cell
(x_min, x_max, y_min, y_max): tiles of one grid, or block maps with blocks of one size.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from scipy.spatial import KDTree

__all__ = [
    "Bounds",
    "Placed",
    "Shape",
    "Window",
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


def bounding_window(items: Sequence[Placed]) -> tuple[int, int, Shape]:
    """Find the smallest rectangle of cells that contains all items.

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
    bounds = [item.bounds for item in items]
    x0, _, y0, _ = np.min(bounds, axis=0).tolist()
    _, x1, _, y1 = np.max(bounds, axis=0).tolist()
    return x0, y0, (y1 - y0, x1 - x0)


def window_in(item: Placed, x0: int, y0: int) -> Window:
    """Find the window of an item in a larger array.

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
    return np.s_[y_min - y0 : y_max - y0, x_min - x0 : x_max - x0]


def overlap_windows(first: Placed, second: Placed, margin: int = 0) -> tuple[Window, Window]:
    """Find the window of the common cells of two items in the array of each.

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
    """Find all pairs of items that share at least one cell.

    Parameters
    ----------
    items : sequence of Placed
        The items.

    Returns
    -------
    list of tuple of int
        Pairs (i, j), i < j, in ascending order.
    """
    if len(items) < 2:
        return []
    bounds = np.array([item.bounds for item in items], dtype=float).reshape(-1, 2, 2)
    centres, sizes = bounds.mean(axis=2), np.ptp(bounds, axis=2)
    # In units of the largest item, the centres of two that overlap are at most 1 apart.
    near = KDTree(centres / sizes.max(axis=0)).query_pairs(1.0, p=np.inf, output_type="ndarray")
    i, j = near.T
    overlap = np.all(np.abs(centres[i] - centres[j]) < 0.5 * (sizes[i] + sizes[j]), axis=1)
    return sorted(map(tuple, near[overlap].tolist()))
