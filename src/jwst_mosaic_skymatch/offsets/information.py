"""Noise that pairs share, and the noise of each tile."""

from collections.abc import Iterator, Sequence

import numpy as np

from jwst_mosaic_skymatch.offsets.results import PairMeasurement
from jwst_mosaic_skymatch.tiles.tile import TileSummary
from jwst_mosaic_skymatch.tiles.windows import BlockMap, overlap_windows, overlapping_pairs

__all__ = ["information_parts", "noise_factors", "outside_parts"]


def outside_parts(pairs: Sequence[PairMeasurement], summaries: Sequence[TileSummary]) -> np.ndarray:
    """Compute the share of the two tiles of each pair that lies outside of their overlap.

    Parameters
    ----------
    pairs : sequence of PairMeasurement
        Pairs of the tiles.
    summaries : sequence of TileSummary
        The tiles.

    Returns
    -------
    ndarray, shape (n_pairs,)
        The shares, 0 to 1.
    """
    inside = [
        2.0 * p.quality.n_cells / (summaries[p.first].n_cells + summaries[p.second].n_cells)
        for p in pairs
    ]
    return np.maximum(1.0 - np.array(inside), 0.0)


def noise_factors(pairs: Sequence[PairMeasurement], n: int) -> np.ndarray:
    """Compare the noise of tiles.

    Parameters
    ----------
    pairs : sequence of PairMeasurement
        Pairs of the tiles.
    n : int
        Number of tiles.

    Returns
    -------
    ndarray, shape (n,)
        Variance of the differences of each tile from the others over that by quoted errors; 1 for a
        tile in no pair. A tile is noisy if all its pairs are: the lower median of the pairs counts.
    """
    ratios = [
        [pair.quality.noise_ratio for pair in pairs if k in (pair.first, pair.second)] or [1.0]
        for k in range(n)
    ]
    return np.array([np.quantile(own, 0.5, method="lower") for own in ratios])


def information_parts(summaries: Sequence[TileSummary]) -> Iterator[tuple[int, int, BlockMap]]:
    r"""Compute the part of the information of each pair that no other pair shares.

    Parameters
    ----------
    summaries : sequence of TileSummary
        Tiles of one grid.

    Yields
    ------
    first, second : int
        Positions of two tiles that overlap, in ascending order.
    part : BlockMap
        The part in each block of their overlap, up to 1.

    Notes
    -----
    Each cell is an unknown of the sky. Tiles have the inverse variances w, and W is their sum over
    all tiles. After elimination of the cell the information on the difference of two levels is
    :math:`w_i w_j / W`. A pair by itself has :math:`w_i w_j / (w_i + w_j)`. Pairs whose cells
    count by the ratio of both give the levels, and the covariance, of a joint solution.
    """
    coverage = [summary.coverage for summary in summaries]
    variances = np.nan_to_num([summary.variance for summary in summaries], nan=1.0)
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
            corner = (max(coverage[i].x0, coverage[j].x0), max(coverage[i].y0, coverage[j].y0))
            yield i, j, BlockMap(*corner, part)
