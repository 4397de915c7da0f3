"""Rectangles of cells: where they overlap, and where one lies in another.

All functions take things with ``bounds``, the first and one-past-last cell
(x_min, x_max, y_min, y_max): tiles of one grid, or block maps with blocks of one size.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from scipy.spatial import KDTree

__all__ = ["Placed", "bounding_window", "overlap_windows", "overlapping_pairs", "window_in"]

#: First and one-past-last cell (x_min, x_max, y_min, y_max).
Bounds = tuple[int, int, int, int]
#: Rows and columns of an array.
Window = tuple[slice, slice]


class Placed(Protocol):
    """What lies somewhere on a grid."""

    @property
    def bounds(self) -> Bounds:
        """First and one-past-last cell (x_min, x_max, y_min, y_max)."""


def bounding_window(
    items: Sequence[Placed],
) -> tuple[int, int, tuple[int, int]]:  # numpydoc ignore=PR01,RT01
    """Find first cell x0, y0 and shape (ny, nx) of the part of the grid that holds all items."""
    bounds = np.array([item.bounds for item in items])
    x0, y0 = int(bounds[:, 0].min()), int(bounds[:, 2].min())
    return x0, y0, (int(bounds[:, 3].max()) - y0, int(bounds[:, 1].max()) - x0)


def window_in(item: Placed, x0: int, y0: int) -> Window:  # numpydoc ignore=PR01,RT01
    """Find the index of an item in an array whose cell (0, 0) is (x0, y0) of the grid."""
    x_min, x_max, y_min, y_max = item.bounds
    return np.s_[y_min - y0 : y_max - y0, x_min - x0 : x_max - x0]


def overlap_windows(
    first: Placed, second: Placed
) -> tuple[Window, Window]:  # numpydoc ignore=PR01,RT01
    """Find the index of the common cells of two items in the arrays of the one and of the other."""
    ax0, ax1, ay0, ay1 = first.bounds
    bx0, bx1, by0, by1 = second.bounds
    x0, y0 = max(ax0, bx0), max(ay0, by0)
    x1, y1 = max(min(ax1, bx1), x0), max(min(ay1, by1), y0)
    return (
        np.s_[y0 - ay0 : y1 - ay0, x0 - ax0 : x1 - ax0],
        np.s_[y0 - by0 : y1 - by0, x0 - bx0 : x1 - bx0],
    )


def overlapping_pairs(
    items: Sequence[Placed],
) -> list[tuple[int, int]]:  # numpydoc ignore=PR01,RT01
    """Find the pairs (i, j), i < j, of items that share at least one cell, in ascending order."""
    if len(items) < 2:
        return []
    bounds = np.array([item.bounds for item in items], dtype=float)
    centres = 0.5 * np.stack([bounds[:, 0] + bounds[:, 1], bounds[:, 2] + bounds[:, 3]], axis=1)
    sizes = np.stack([bounds[:, 1] - bounds[:, 0], bounds[:, 3] - bounds[:, 2]], axis=1)
    # In units of the largest item two that overlap are at most 1 apart.
    near = KDTree(centres / sizes.max(axis=0)).query_pairs(1.0, p=np.inf, output_type="ndarray")
    i, j = np.sort(near, axis=1).T
    overlap = np.all(np.abs(centres[i] - centres[j]) < 0.5 * (sizes[i] + sizes[j]), axis=1)
    return sorted(zip(i[overlap].tolist(), j[overlap].tolist(), strict=True))
