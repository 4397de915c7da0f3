"""Which overlapping tiles to compare."""

import heapq
from collections.abc import Sequence

import numpy as np
from scipy import sparse

from jwst_mosaic_skymatch.offsets.graph import connected_parts
from jwst_mosaic_skymatch.tiles.blocks import BlockMap
from jwst_mosaic_skymatch.tiles.windows import overlapping_pairs

__all__ = ["choose_pairs", "find_stacks"]

# How often each piece of sky is to be represented among the tiles that all others are
# compared with.
DEPTH = 6
# Tiles belong to one stack if they share at least this much of the smaller one.
SHARED = 0.5
# A tile that adds less than this share of its area to that is not chosen for it.
WORTH_ADDING = 0.1


def choose_pairs(coverage: Sequence[BlockMap]) -> list[tuple[int, int]]:
    """Choose a bounded number of pairs that keeps nearly all information.

    Parameters
    ----------
    coverage : sequence of BlockMap
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
    ``DEPTH`` times, or all but one of its tiles are hubs; a pair is compared if
    one of the two is a hub. A stack costs ``DEPTH`` comparisons to an exposure,
    and any two tiles of it are linked over ``DEPTH`` others, so that the outliers
    of a single one do not spread. Edges that only a small part of a tile shares
    need one hub, which still ties together all tiles there.
    """
    pairs = overlapping_pairs(coverage)
    if len(pairs) <= DEPTH * len(coverage):
        return pairs
    hubs = _hubs(_membership(coverage))
    return [(i, j) for i, j in pairs if hubs[i] or hubs[j]]


def find_stacks(footprints: Sequence[BlockMap]) -> np.ndarray:
    """Find exposures that lie upon each other, directly or through others.

    Parameters
    ----------
    footprints : sequence of BlockMap
        Where each exposure lies, in blocks of one grid.

    Returns
    -------
    ndarray of int, shape (n,)
        Stack of each exposure, counted in the order of its first member.

    Notes
    -----
    Members of a stack are known relative to each other as well as anything is,
    and their mean loses nothing. Exposures that share a strip are better tied by
    what others see of both, which a mean of the two would hide.
    """
    membership = _membership(footprints).astype(np.float32)
    shared = (membership @ membership.T).tocoo()
    size = membership.sum(axis=1)
    close = shared.data >= SHARED * np.minimum(size[shared.row], size[shared.col])
    return connected_parts(len(footprints), shared.row[close], shared.col[close])


def _membership(coverage: Sequence[BlockMap]) -> sparse.csr_array:
    """Build the matrix that tells which tile has data in which block."""
    bounds = np.array([m.bounds for m in coverage])
    x0, y0, width = bounds[:, 0].min(), bounds[:, 2].min(), np.ptp(bounds[:, :2])
    rows, columns = [], []
    for number, m in enumerate(coverage):
        y, x = np.nonzero(m.weight)
        columns.append((y + m.y0 - y0).astype(np.int64) * width + (x + m.x0 - x0))
        rows.append(np.full(x.size, number))
    row, column = np.concatenate(rows), np.concatenate(columns)
    blocks, column = np.unique(column, return_inverse=True)
    shape = (len(coverage), blocks.size)
    return sparse.csr_array((np.ones(row.size, dtype=bool), (row, column)), shape=shape)


def _hubs(membership: sparse.csr_array) -> np.ndarray:
    """Choose tiles that cover blocks `DEPTH` times, those that add most first."""
    wanted = np.minimum(np.asarray(membership.astype(int).sum(axis=0)).ravel() - 1, DEPTH)
    without_hub = wanted > 0  # blocks that several tiles share and no hub covers yet
    blocks = np.split(membership.indices, membership.indptr[1:-1])
    hubs = np.zeros(len(blocks), dtype=bool)

    def gain(own: np.ndarray) -> int:
        added = np.count_nonzero(wanted[own] > 0)
        enough = added >= WORTH_ADDING * own.size
        return int(added if enough else np.count_nonzero(without_hub[own]))

    # What a tile adds can only shrink: an old value that still beats all others
    # after an update is the largest.
    heap = [(-own.size, number) for number, own in enumerate(blocks)]
    heapq.heapify(heap)
    while heap:
        before, number = heapq.heappop(heap)
        own = blocks[number]
        now = -gain(own)
        if now == 0:
            continue
        if now != before:
            heapq.heappush(heap, (now, number))
            continue
        hubs[number] = True
        wanted[own] -= 1
        without_hub[own] = False
    return hubs
