"""Means of the tiles of a stack."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from jwst_mosaic_skymatch.tiles.scatter import (
    CUTOFF,
    biweight,
    gradient,
    growth_with_gradient,
    scale_of,
)
from jwst_mosaic_skymatch.tiles.tile import Tile
from jwst_mosaic_skymatch.tiles.windows import BlockMap, bounding_window, overlap_windows, window_in

__all__ = ["mean_shares", "mean_tile", "robust_mean"]

# Cells of a tile that its scatter is measured from, at least.
N_SAMPLE = 5000
# Rejections of bright cells: the second is for cells that two exposures have hits in.
N_REJECTIONS = 2


def mean_tile(tiles: Sequence[Tile]) -> Tile:
    """Average tiles.

    Parameters
    ----------
    tiles : sequence of Tile
        Tiles of one grid.

    Returns
    -------
    Tile
        Mean of the tiles in each cell, weighted by the number of native pixels; NaN where
        no tile has data. A pixel of a tile with another noise than the first counts by its
        inverse variance.
    """
    x0, y0, shape = bounding_window([tile.bounds for tile in tiles])
    total, weight = np.zeros(shape), np.zeros(shape, dtype=np.float32)
    for tile in tiles:
        window, pixels = window_in(tile, x0, y0), tile.weight * (tiles[0].variance / tile.variance)
        # Rounding of single values averages out, that of sums would not.
        product = tile.data * pixels
        product[pixels == 0.0] = 0.0  # NaN without data
        total[window] += product
        weight[window] += pixels
    with np.errstate(invalid="ignore"):
        total /= weight  # 0 / 0 is NaN
    frames = sum((tile.frames for tile in tiles), ())
    return replace(
        tiles[0], x0=x0, y0=y0, data=total.astype(np.float32), weight=weight, frames=frames
    )


def robust_mean(tiles: Sequence[Tile]) -> Tile:
    """Average tiles without hits, and with small weight for cells that differ from the others.

    Parameters
    ----------
    tiles : sequence of Tile
        Tiles of one grid, with their levels subtracted.

    Returns
    -------
    Tile
        As from `mean_tile`.

    Notes
    -----
    A twentieth of all cells have faint ends of cosmic rays. In a mean they are too faint for
    outliers in the comparison with other stacks, and they bias it by its depth. Cells that are
    brighter than the mean of the other tiles by more than the cutoff are rejected first. Then
    the biweight of the distance from that mean multiplies the weight of a tile's cell. With 5 %
    of the pixels hit, levels between visits have errors of 1.5 times the information bound, and of
    2.4 times without the rejection.
    """
    if len(tiles) == 1:
        return tiles[0]
    tiles = list(tiles)
    for k in range(N_REJECTIONS + 1):
        mean = mean_tile(tiles)
        squared = np.sum(gradient(mean.data) ** 2, axis=0)
        for j, tile in enumerate(tiles):
            distance, error = _distance(tile, mean, squared)
            # Hits are positive, so that a limit on both sides leaves a bias. With a limit on the
            # distance in its own error, two tiles would keep brighter hits than six.
            factor = distance * error <= CUTOFF if k < N_REJECTIONS else biweight(distance)
            tiles[j] = replace(tile, weight=tile.weight * factor)
    return mean_tile(tiles)


def _distance(tile: Tile, mean: Tile, squared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compare the cells of a tile with the mean of the others.

    The results are the distance in its standard deviations, and that standard deviation in units
    of the cell's own. The distance is zero in cells that no other tile covers. Its variance grows
    with the squared gradient, as in pairs.
    """
    window = window_in(tile, mean.x0, mean.y0)
    own = tile.weight * (mean.variance / tile.variance)
    others = mean.weight[window] - own
    # Single precision leaves a remainder where the others have no weight.
    shared = (own > 0) & (others > 0.01 * own)
    # The distance from the mean of the others is longer than that from the mean of all.
    longer = 1.0 + own / np.where(shared, others, np.inf)
    distance = (tile.data - mean.data[window]) * np.sqrt(longer * own)
    sampled = np.flatnonzero(shared)
    sampled = sampled[:: sampled.size // N_SAMPLE + 1]
    if not sampled.size:
        return np.zeros_like(own), longer
    # Outliers may have lifted the centre.
    distance = np.where(shared, distance - np.median(distance.take(sampled)), 0.0)
    squared, sample = squared[window], distance.take(sampled)
    growth = growth_with_gradient(sample, 1.0, squared.take(sampled))
    distance /= np.sqrt(1.0 + np.float32(growth) * squared)
    scale = scale_of(distance.take(sampled)) or np.inf
    return distance / np.float32(scale), np.sqrt(longer)


def mean_shares(members: Sequence[BlockMap], other: BlockMap) -> np.ndarray:
    """Compute the share of each member of a stack in its overlap with another stack.

    Parameters
    ----------
    members : sequence of BlockMap
        Information of each member of the stack.
    other : BlockMap
        Information of the mean of the other stack.

    Returns
    -------
    ndarray, shape (n_members,)
        Share of each member in the stack's mean. The sum is one, or zero without overlap.
    """
    weights = []
    for member in members:
        inside, outside = overlap_windows(member, other)
        weights.append(member.weight[inside].sum(where=other.weight[outside] > 0, dtype=float))
    return np.array(weights) / max(sum(weights), 1e-30)
