"""Noise that pairs share."""

from collections.abc import Iterator, Sequence

import numpy as np

from jwst_mosaic_skymatch.offsets.results import Link
from jwst_mosaic_skymatch.tiles.tile import TileSummary
from jwst_mosaic_skymatch.tiles.windows import overlap_windows, overlapping_pairs

__all__ = ["information_links"]


def information_links(summaries: Sequence[TileSummary]) -> Iterator[Link]:
    r"""List all pairs of tiles that overlap, with the information that no other pair shares.

    Parameters
    ----------
    summaries : sequence of TileSummary
        Tiles of one grid.

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
    coverage = [summary.coverage for summary in summaries]
    variances = np.array([summary.variance for summary in summaries])
    sizes = [np.count_nonzero(own.weight) for own in coverage]
    neighbours = overlapping_pairs(coverage)
    # One total at a time: maps of all tiles fill the memory.
    for i in np.unique(neighbours[:, 0]).tolist():
        # Only their ratios matter; tiles without noise would leave the range of single precision.
        relative = np.clip(variances[i] / variances, 1e-9, 1e9).astype(np.float32)
        weight, total, others = coverage[i].weight, coverage[i].weight.copy(), {}
        for j in (neighbours[np.any(neighbours == i, axis=1)].sum(axis=1) - i).tolist():
            mine, theirs = overlap_windows(coverage[i], coverage[j])
            others[j] = mine, coverage[j].weight[theirs] * relative[j]
            total[mine] += others[j][1]
        for j in filter(i.__lt__, others):
            mine, other = others[j]
            part = (weight[mine] + other) / np.maximum(total[mine], np.finfo(np.float32).tiny)
            inside = 2.0 * np.count_nonzero(weight[mine] * other) / (sizes[i] + sizes[j])
            yield Link(i, j, part, 1.0 - inside)
