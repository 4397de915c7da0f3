"""Noise that pairs share, and the noise of each tile."""

from collections.abc import Sequence

import numpy as np

from jwst_mosaic_skymatch.offsets.results import PairMeasurement
from jwst_mosaic_skymatch.tiles.tile import TileSummary
from jwst_mosaic_skymatch.tiles.windows import BlockMap, overlap_windows, overlapping_pairs

__all__ = ["information_ratios", "noise_factors", "weigh_pairs"]

# Updates until the factors of the tiles are settled to a per cent.
N_UPDATES = 30


def weigh_pairs(
    pairs: Sequence[PairMeasurement], summaries: Sequence[TileSummary]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compare pairs with all tiles around them.

    Parameters
    ----------
    pairs : sequence of PairMeasurement
        Pairs of the tiles.
    summaries : sequence of TileSummary
        The n tiles.

    Returns
    -------
    ratios : ndarray, shape (n_pairs,)
        See `information_ratios`.
    outside : ndarray, shape (n_pairs,)
        Share of the two tiles of each pair that lies outside of their overlap, 0 to 1.
    factors : ndarray, shape (n,)
        See `noise_factors`.
    """
    factors = noise_factors(pairs, summaries)
    variances = factors * np.nan_to_num([summary.variance for summary in summaries], nan=1.0)
    ratios = information_ratios(pairs, [summary.coverage for summary in summaries], variances)
    inside = [
        2.0 * p.quality.n_cells / (summaries[p.first].n_cells + summaries[p.second].n_cells)
        for p in pairs
    ]
    return ratios, np.maximum(1.0 - np.array(inside), 0.0), factors


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


def information_ratios(
    pairs: Sequence[PairMeasurement], coverage: Sequence[BlockMap], variances: np.ndarray
) -> np.ndarray:
    r"""Compute the part of the information of each pair that no other pair shares.

    Parameters
    ----------
    pairs : sequence of PairMeasurement
        Pairs of the tiles.
    coverage : sequence of BlockMap
        Number of pixels of each of the n tiles, in small blocks of cells of one grid.
    variances : ndarray, shape (n,)
        Actual variance of a pixel of each.

    Returns
    -------
    ndarray, shape (n_pairs,)
        The ratios, up to 1.

    Notes
    -----
    Each cell is an unknown of the sky. Tiles have the inverse variances w, and W is their sum over
    all tiles. After elimination of the cell the information on the difference of two levels is
    :math:`w_i w_j / W`. A pair by itself has :math:`w_i w_j / (w_i + w_j)`. The ratio of the sums
    of both over the cells gives pairs the weights, and levels the covariance, of a joint solution.
    """
    if not pairs:
        return np.ones(0)
    # Only their ratios matter; tiles without noise would leave the range of single precision.
    relative = np.clip(np.median(variances) / variances, 1e-9, 1e9).astype(np.float32)
    neighbours = np.array(overlapping_pairs(coverage), dtype=int).reshape(-1, 2)
    ends = np.array([(pair.first, pair.second) for pair in pairs])
    least, ratios = np.finfo(np.float32).tiny, np.ones(len(pairs))
    # One total at a time: maps of all tiles fill the memory.
    for i in np.unique(ends[:, 0]):
        weight, others = coverage[i].weight * relative[i], {}
        total = weight.copy()
        for j in neighbours[np.any(neighbours == i, axis=1)].sum(axis=1) - i:
            mine, theirs = overlap_windows(coverage[i], coverage[j])
            others[j] = mine, coverage[j].weight[theirs] * relative[j]
            total[mine] += others[j][1]
        for number in np.flatnonzero(ends[:, 0] == i):
            mine, other = others[ends[number, 1]]
            product = weight[mine] * other
            alone = product / np.maximum(weight[mine] + other, least)
            joint = product / np.maximum(total[mine], least)
            ratios[number] = joint.sum(dtype=float) / max(alone.sum(dtype=float), 1e-300)
    return np.clip(ratios, 1e-6, 1.0)
