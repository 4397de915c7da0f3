"""Means of the tiles of a stack."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from jwst_mosaic_skymatch.tiles.scatter import CUTOFF, biweight, scale_of
from jwst_mosaic_skymatch.tiles.tile import Tile
from jwst_mosaic_skymatch.tiles.windows import bounding_window, window_in

__all__ = ["mean_tile", "robust_mean"]

# Cells of a tile that its scatter is measured from, at least.
N_SAMPLE = 5000
# Rejections of bright cells: the second is for cells that two exposures have hits in.
N_REJECTIONS = 2


def mean_tile(tiles: Sequence[Tile], weights: Iterable[np.ndarray] | None = None) -> Tile:
    """Average tiles.

    Parameters
    ----------
    tiles : sequence of Tile
        Tiles of one grid.
    weights : iterable of ndarray, optional
        Weight of each tile's cells, in its own pixels; by default that of the tiles.

    Returns
    -------
    Tile
        Mean of the tiles in each cell, weighted by the number of native pixels; NaN where
        no tile has data. A pixel of a tile with another noise than the first counts by its
        inverse variance.
    """
    x0, y0, shape = bounding_window(tiles)
    total, weight = np.zeros(shape), np.zeros(shape, dtype=np.float32)
    for tile, own in zip(tiles, weights or (tile.weight for tile in tiles), strict=True):
        window, pixels = window_in(tile, x0, y0), own * _relative_weight(tile, tiles[0])
        # Rounding of single values averages out, that of sums would not.
        total[window] += np.where(pixels > 0, tile.data * pixels, 0)
        weight[window] += pixels
    with np.errstate(invalid="ignore"):
        mean = (total / weight).astype(np.float32)  # 0 / 0 is NaN
    frames = sum((tile.frames for tile in tiles), ())
    return replace(tiles[0], x0=x0, y0=y0, data=mean, weight=weight, frames=frames)


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
    for _ in range(N_REJECTIONS):
        tiles = [
            replace(tile, weight=np.where(deviation > CUTOFF, 0, tile.weight))
            for tile, deviation in _deviations(tiles)
        ]
    return mean_tile(tiles, (tile.weight * biweight(own) for tile, own in _deviations(tiles)))


def _deviations(tiles: Sequence[Tile]) -> Iterator[tuple[Tile, np.ndarray]]:
    """Compare each tile with the mean of the others."""
    mean = mean_tile(tiles)
    for tile in tiles:
        yield tile, _deviation(tile, mean, _relative_weight(tile, tiles[0]))


def _deviation(tile: Tile, mean: Tile, relative_weight: float) -> np.ndarray:
    """Compare the cells of a tile with the mean of the others, in standard deviations of the tile.

    With standard deviations of the distance, two tiles would keep hits up to a higher cutoff than
    six tiles. The result is zero in cells that no other tile covers.
    """
    window = window_in(tile, mean.x0, mean.y0)
    own = tile.weight * relative_weight
    others = mean.weight[window] - own
    # Single precision leaves a remainder where the others have no weight.
    shared = (own > 0) & (others > 0.01 * own)
    # The distance from the mean of the others is longer than that from the mean of all.
    longer = 1 + own / np.where(shared, others, np.inf)
    deviation = np.where(shared, tile.data - mean.data[window], 0) * np.sqrt(longer * own)
    sample = deviation[shared]
    sample = sample[:: sample.size // N_SAMPLE + 1]
    if sample.size == 0:
        return deviation
    # Outliers may have lifted the centre.
    centre = np.median(sample)
    scale = scale_of(sample - centre) or np.inf
    return np.where(shared, (deviation - centre) * np.sqrt(longer) / np.float32(scale), 0)


def _relative_weight(tile: Tile, first: Tile) -> float:
    """Divide the variance of a pixel of the first tile by that of a tile; 1 if not quoted."""
    ratio = first.variance / tile.variance
    return ratio if np.isfinite(ratio) else 1.0
