"""Graphs of tiles: parts that pairs connect, and exposures that lie upon each other."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from jwst_mosaic_skymatch.tiles.blocks import BlockMap
from jwst_mosaic_skymatch.tiles.windows import overlap_windows, overlapping_pairs

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


def find_stacks(footprints: Sequence[BlockMap]) -> np.ndarray:
    """Find exposures that lie upon each other, directly or through others.

    Parameters
    ----------
    footprints : sequence of BlockMap
        Position of each exposure, in blocks of one grid.

    Returns
    -------
    ndarray of int, shape (n,)
        Stack of each exposure, counted in the order of its first member.

    Notes
    -----
    Levels within a stack are the best determined of all, and the mean of the stack keeps all its
    information. Exposures that share a strip only are better tied by the overlaps of both with
    others, which a mean of the two would hide.
    """
    sizes = [np.count_nonzero(footprint.weight) for footprint in footprints]
    close = []
    for i, j in overlapping_pairs(footprints):
        mine, theirs = overlap_windows(footprints[i], footprints[j])
        shared = np.count_nonzero(footprints[i].weight[mine] * footprints[j].weight[theirs])
        if shared and shared >= SHARED * min(sizes[i], sizes[j]):
            close.append((i, j))
    return connected_parts(len(footprints), *np.array(close, dtype=int).reshape(-1, 2).T)
