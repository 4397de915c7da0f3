"""Noise that pairs share."""

from collections.abc import Iterator, Sequence

import numpy as np

from jwst_mosaic_skymatch.offsets.results import Link
from jwst_mosaic_skymatch.tiles.windows import BlockMap, overlap_windows, overlapping_pairs

__all__ = ["information_links"]


def information_links(maps: Sequence[BlockMap]) -> Iterator[Link]:
    r"""List all pairs of tiles that overlap, with the information that no other pair shares.

    Parameters
    ----------
    maps : sequence of BlockMap
        Information of the tiles of one grid.

    Yields
    ------
    Link
        Two tiles, their positions in ascending order.

    Notes
    -----
    Each cell is an unknown of the sky. Tiles have the inverse variances w, and W is their sum over
    all tiles. After elimination of the cell the information on the difference of two levels is
    :math:`w_i w_j / W`. A pair by itself has :math:`w_i w_j / (w_i + w_j)`. Pairs whose cells
    count by the ratio of both give the levels, and the covariance, of a joint solution.
    """
    sizes = [np.count_nonzero(own.weight) for own in maps]
    neighbours = overlapping_pairs(maps)
    # One total at a time: maps of all tiles fill the memory.
    for i in np.unique(neighbours[:, 0]).tolist():
        weight, total, others = maps[i].weight, maps[i].weight.copy(), {}
        for j in (neighbours[np.any(neighbours == i, axis=1)].sum(axis=1) - i).tolist():
            mine, theirs = overlap_windows(maps[i], maps[j])
            others[j] = mine, maps[j].weight[theirs]
            total[mine] += others[j][1]
        for j in filter(i.__lt__, others):
            mine, other = others[j]
            part = (weight[mine] + other) / np.maximum(total[mine], np.finfo(np.float32).tiny)
            inside = 2.0 * np.count_nonzero(np.minimum(weight[mine], other)) / (sizes[i] + sizes[j])
            yield Link(i, j, part, 1.0 - inside)
