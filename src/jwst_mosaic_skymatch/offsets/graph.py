"""Graphs of tiles: parts that pairs connect, and exposures that lie upon each other."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

__all__ = ["connected_parts", "find_stacks"]

# Exposures belong to one stack if the distances of their centres along both sides, in these sides,
# add up to this at most: they share half of their area, or more.
LARGEST_DISTANCE = 0.5


def connected_parts(n: int, pairs: ArrayLike) -> np.ndarray:
    """Label the nodes of a graph by its connected parts.

    Parameters
    ----------
    n : int
        Number of nodes.
    pairs : array-like of int, shape (n_pairs, 2)
        The two nodes of each pair.

    Returns
    -------
    ndarray of int, shape (n,)
        Part of each node, counted from 0 in the order of the first node of each.
    """
    ends = np.array(pairs, dtype=int).reshape(-1, 2).T
    graph = sparse.coo_array((np.ones(ends.shape[1]), tuple(ends)), shape=(n, n))
    # scipy visits the nodes in their order, which a test checks.
    return connected_components(graph, directed=False)[1]


def find_stacks(footprints: Sequence[np.ndarray]) -> np.ndarray:
    """Find exposures that lie upon each other, directly or through others.

    Parameters
    ----------
    footprints : sequence of ndarray, shape (n_corners, 2)
        Corners (x, y) of each exposure on a plane, one after the other.

    Returns
    -------
    ndarray of int, shape (n,)
        Stack of each exposure, counted in the order of its first member.

    Notes
    -----
    Levels within a stack are the best determined of all, and the mean of the stack keeps all its
    information. Exposures that share a strip only are better tied by the overlaps of both with
    others, which a mean of the two would hide. Exposures of a group count as equal rectangles.
    """
    x, y = np.diff(footprints[0][:3], axis=0)
    centres = np.array([corners.mean(axis=0) for corners in footprints])
    in_sides = KDTree(np.linalg.solve(np.stack([x, y], axis=1), centres.T).T)
    pairs = in_sides.query_pairs(LARGEST_DISTANCE, p=1, output_type="ndarray")
    return connected_parts(len(centres), pairs)
