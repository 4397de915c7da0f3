"""Which overlapping tiles to compare."""

import heapq

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from jwst_mosaic_skymatch.tile import candidate_pairs

__all__ = ["choose_pairs", "stacks"]

# How often each piece of sky is to be represented among the tiles that all others are
# compared with.
DEPTH = 6
# Tiles belong to one stack if they share at least this much of the smaller one.
SHARED = 0.5
# A tile that adds less than this share of its area to that is not chosen for it.
WORTH_ADDING = 0.1


def choose_pairs(coverage):
    """Choose a bounded number of pairs that keeps nearly all information.

    Parameters
    ----------
    coverage : sequence of CoarseMap
        Where each tile has data, in blocks of one grid.

    Returns
    -------
    list of tuple of int
        Positions (i, j), i < j, in ascending order.

    Notes
    -----
    Differences of exposures that see the same cells add up exactly:
    (a - b) + (b - c) is a - c. A deep stack of n therefore needs no n (n - 1) / 2
    comparisons. Hubs are chosen greedily until they cover each block of sky
    `DEPTH` times, or all but one of its tiles are hubs; a pair is compared if
    one of the two is a hub. A stack costs `DEPTH` comparisons to an exposure,
    and any two tiles of it are linked over `DEPTH` others, so that the outliers
    of a single one do not spread. Edges that only a small part of a tile shares
    need one hub, which still ties together all tiles there.
    """
    pairs = candidate_pairs(coverage)
    if len(pairs) <= DEPTH * len(coverage):
        return pairs
    hubs = _hubs(_membership(coverage))
    return [(i, j) for i, j in pairs if hubs[i] or hubs[j]]


def stacks(coverage):
    """Find tiles that lie upon each other, directly or through others.

    Parameters
    ----------
    coverage : sequence of CoarseMap
        Where each tile has data, in blocks of one grid.

    Returns
    -------
    ndarray of int, shape (n,)
        Stack of each tile.

    Notes
    -----
    Members of a stack are known relative to each other as well as anything is,
    and their mean loses nothing. Tiles that share a strip are better tied by
    what others see of both, which a mean of the two would hide.
    """
    membership = _membership(coverage).astype(np.float32)
    shared = (membership @ membership.T).tocoo()
    size = membership.sum(axis=1)
    close = shared.data >= SHARED * np.minimum(size[shared.row], size[shared.col])
    graph = sparse.coo_array(
        (shared.data[close], (shared.row[close], shared.col[close])), shape=shared.shape
    )
    return connected_components(graph, directed=False)[1]


def _membership(coverage):
    """Build the matrix that tells which tile has data in which block."""
    bounds = np.array([m.bounds for m in coverage])
    x0, y0, width = bounds[:, 0].min(), bounds[:, 2].min(), np.ptp(bounds[:, :2])
    rows, columns = [], []
    for number, m in enumerate(coverage):
        y, x = np.nonzero(m.weight)
        columns.append((y + m.y0 - y0).astype(np.int64) * width + (x + m.x0 - x0))
        rows.append(np.full(x.size, number))
    rows, columns = np.concatenate(rows), np.concatenate(columns)
    _, columns = np.unique(columns, return_inverse=True)
    return sparse.csr_array((np.ones(rows.size, dtype=bool), (rows, columns)))


def _hubs(membership):
    """Choose tiles that cover blocks `DEPTH` times, those that add most first."""
    wanted = np.minimum(np.asarray(membership.astype(int).sum(axis=0)).ravel() - 1, DEPTH)
    lonely = wanted > 0  # blocks that several tiles share and no hub covers yet
    blocks = np.split(membership.indices, membership.indptr[1:-1])
    hubs = np.zeros(len(blocks), dtype=bool)

    def gain(own):
        added = np.count_nonzero(wanted[own] > 0)
        return added if added >= WORTH_ADDING * own.size else np.count_nonzero(lonely[own])

    # What a tile adds can only shrink: an old value that still beats all others
    # after an update is the largest.
    heap = [(-own.size, number) for number, own in enumerate(blocks)]
    heapq.heapify(heap)
    while heap:
        before, number = heapq.heappop(heap)
        own = blocks[number]
        now = -int(gain(own))
        if now == 0:
            continue
        if now != before:
            heapq.heappush(heap, (now, number))
            continue
        hubs[number] = True
        wanted[own] -= 1
        lonely[own] = False
    return hubs
