"""Noise that pairs share, and the noise of each tile."""

from collections.abc import Iterator, Sequence

import numpy as np

from jwst_mosaic_skymatch.offsets.results import PairMeasurement
from jwst_mosaic_skymatch.tiles.tile import TileSummary
from jwst_mosaic_skymatch.tiles.windows import BlockMap, overlap_windows, overlapping_pairs

__all__ = ["information_parts", "noise_factors", "weigh_pairs"]

# Updates until the factors of the tiles are settled to a per cent.
N_UPDATES = 30


def weigh_pairs(
    pairs: Sequence[PairMeasurement], summaries: Sequence[TileSummary]
) -> tuple[np.ndarray, np.ndarray]:
    """Compare pairs with all tiles around them.

    Parameters
    ----------
    pairs : sequence of PairMeasurement
        Pairs of the tiles.
    summaries : sequence of TileSummary
        The n tiles.

    Returns
    -------
    outside : ndarray, shape (n_pairs,)
        Share of the two tiles of each pair that lies outside of their overlap, 0 to 1.
    factors : ndarray, shape (n,)
        See `noise_factors`.
    """
    inside = [
        2.0 * p.quality.n_cells / (summaries[p.first].n_cells + summaries[p.second].n_cells)
        for p in pairs
    ]
    return np.maximum(1.0 - np.array(inside), 0.0), noise_factors(pairs, summaries)


def noise_factors(pairs: Sequence[PairMeasurement], summaries: Sequence[TileSummary]) -> np.ndarray:
    """Estimate the factor between the actual and the quoted noise variance of each tile.

    Parameters
    ----------
    pairs : sequence of PairMeasurement
        Pairs of the tiles.
    summaries : sequence of TileSummary
        The n tiles.

    Returns
    -------
    ndarray, shape (n,)
        The factors; 1 for a tile in no pair.

    Notes
    -----
    The cells of a pair scatter by the sum of both noises. A tile is noisy if all its pairs are.
    Each update therefore multiplies the factor of a tile with the lower median, over its pairs,
    of the ratio of measured to expected variance.
    """
    factors = np.ones(len(summaries))
    if not pairs:
        return factors
    ends = np.array([(pair.first, pair.second) for pair in pairs])
    ratios = np.array([max(pair.quality.noise_ratio, 1e-20) for pair in pairs])
    variances = np.array([summary.variance for summary in summaries])
    quoted = np.nan_to_num(variances, nan=1.0)
    both = np.isfinite(variances)[ends].all(axis=1, keepdims=True)
    # A pair with a tile without errors is measured in unit errors of both.
    parts = quoted[ends] / np.where(both, quoted[ends].sum(axis=1, keepdims=True), 2.0)
    own = [np.flatnonzero(np.any(ends == k, axis=1)) for k in range(len(summaries))]
    for _ in range(N_UPDATES):
        excess = ratios / np.sum(parts * factors[ends], axis=1)
        update = [np.quantile(excess[k], 0.5, method="lower") if k.size else 1.0 for k in own]
        factors = factors * np.sqrt(update)
    return factors


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
