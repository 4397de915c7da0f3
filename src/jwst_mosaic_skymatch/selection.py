"""Which overlapping tiles to compare."""

import heapq

import numpy as np
from scipy import sparse

from jwst_mosaic_skymatch.tile import candidate_pairs

__all__ = ["choose_pairs"]

# How often each piece of sky is to be represented among the tiles that all others are
# compared with. Where no more tiles than this overlap, all pairs are compared.
DEPTH = 4


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
    comparisons. Hubs are chosen greedily until each block of sky is covered
    `DEPTH` times by them, or by all tiles there are; a pair is compared if one
    of the two is a hub. A stack costs `DEPTH` comparisons to an exposure, and
    any two tiles of it are linked over `DEPTH` others, so that the outliers and
    the errors of a single one do not spread.
    """
    pairs = candidate_pairs(coverage)
    if len(pairs) <= DEPTH * len(coverage):
        return pairs
    hubs = _hubs(_membership(coverage))
    return [(i, j) for i, j in pairs if hubs[i] or hubs[j]]


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
    """Choose tiles that cover each block `DEPTH` times, those that cover most first."""
    wanted = np.minimum(np.asarray(membership.sum(axis=0)).ravel(), DEPTH)
    blocks = np.split(membership.indices, membership.indptr[1:-1])
    hubs = np.zeros(len(blocks), dtype=bool)
    # What a tile adds can only shrink: an old value that still beats all others
    # after an update is the largest.
    heap = [(-len(b), number) for number, b in enumerate(blocks)]
    heapq.heapify(heap)
    while heap:
        gain, number = heapq.heappop(heap)
        now = -int(np.count_nonzero(wanted[blocks[number]]))
        if now == 0:
            continue
        if now != gain:
            heapq.heappush(heap, (now, number))
            continue
        hubs[number] = True
        own = blocks[number]
        wanted[own[wanted[own] > 0]] -= 1
    return hubs
