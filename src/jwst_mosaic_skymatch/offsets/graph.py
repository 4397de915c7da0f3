"""Graphs of tiles: parts that pairs connect, and exposures that lie upon each other."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

__all__ = ["connected_parts", "find_stacks"]

# Exposures belong to one stack if they share at least this part of the smaller one.
SHARED = 0.5


def connected_parts(n: int, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Label the nodes of a graph by its connected parts.

    Parameters
    ----------
    n : int
        Number of nodes.
    first, second : ndarray of int, shape (n_pairs,)
        The two nodes of each pair.

    Returns
    -------
    ndarray of int, shape (n,)
        Part of each node, counted from 0 in the order of the first node of each.
    """
    graph = sparse.coo_array((np.ones(len(first)), (first, second)), shape=(n, n))
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
    others, which a mean of the two would hide. Exposures are rectangles along the sides of the
    first one: those of a visit have one orientation.
    """
    x, y = footprints[0][1] - footprints[0][0]
    turned = [corners @ [[x, -y], [y, x]] for corners in footprints]
    low = np.array([corners.min(axis=0) for corners in turned])
    high = np.array([corners.max(axis=0) for corners in turned])
    areas = np.prod(high - low, axis=1)
    links: list[tuple[int, int]] = []
    for k, area in enumerate(areas):
        sides = np.minimum(high[k], high) - np.maximum(low[k], low)
        shared = np.prod(np.maximum(sides, 0.0), axis=1)
        links += [
            (k, j) for j in np.flatnonzero(shared >= SHARED * np.minimum(area, areas)).tolist()
        ]
    return connected_parts(len(areas), *np.transpose(links))
