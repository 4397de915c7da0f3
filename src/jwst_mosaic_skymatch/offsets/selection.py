"""Exposures that lie upon each other."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from jwst_mosaic_skymatch.offsets.graph import connected_parts
from jwst_mosaic_skymatch.tiles.blocks import BlockMap

__all__ = ["find_stacks"]

# Tiles belong to one stack if they share at least this much of the smaller one.
SHARED = 0.5


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
