"""Exposures that lie upon each other."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from jwst_mosaic_skymatch.offsets.graph import connected_parts
from jwst_mosaic_skymatch.tiles.blocks import BlockMap
from jwst_mosaic_skymatch.tiles.windows import bounding_window

__all__ = ["find_stacks"]

# Exposures belong to one stack if they share at least this part of the smaller one.
SHARED = 0.5


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
    x0, y0, (_, width) = bounding_window(footprints)
    places = []
    for footprint in footprints:
        y, x = np.nonzero(footprint.weight)
        places.append((y + footprint.y0 - y0) * width + x + footprint.x0 - x0)
    n = len(footprints)
    row = np.repeat(np.arange(n), [own.size for own in places])
    blocks, column = np.unique(np.concatenate(places), return_inverse=True)
    membership = sparse.csr_array((np.ones(row.size), (row, column)), shape=(n, blocks.size))
    shared = (membership @ membership.T).tocoo()
    sizes = shared.diagonal()
    close = shared.data >= SHARED * np.minimum(sizes[shared.row], sizes[shared.col])
    return connected_parts(n, shared.row[close], shared.col[close])
