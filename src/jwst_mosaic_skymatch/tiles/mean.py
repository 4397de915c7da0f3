"""Means of the tiles of a stack."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from jwst_mosaic_skymatch.tiles.gradient import gradient
from jwst_mosaic_skymatch.tiles.noise import NoiseCurve
from jwst_mosaic_skymatch.tiles.scatter import biweight, measure_factor, scale_of
from jwst_mosaic_skymatch.tiles.tile import Tile
from jwst_mosaic_skymatch.tiles.windows import bounding_window, window_in

__all__ = ["mean_tile", "robust_mean"]

# Cells of a tile from which its scatter is found.
N_SAMPLE = 5000


def mean_tile(
    tiles: Sequence[Tile],
    levels: Sequence[float] | np.ndarray,
    weights: Iterable[np.ndarray] | None = None,
) -> Tile:
    """Average tiles after their levels have been subtracted.

    Parameters
    ----------
    tiles : sequence of Tile
        Tiles of one grid.
    levels : sequence of float
        Level to subtract from each tile, MJy/sr.
    weights : iterable of ndarray, optional
        Weight of each tile's cells; by default that of the tiles.

    Returns
    -------
    Tile
        Mean of the tiles in each cell, weighted by the number of native
        pixels; NaN where no tile has data.
    """
    if len(tiles) == 1:
        return replace(tiles[0], data=tiles[0].data - np.float32(levels[0]))
    x0, y0, shape = bounding_window(tiles)
    total, weight = np.zeros(shape), np.zeros(shape, dtype=np.float32)
    smoothing, first = 0.0, tiles[0]
    if weights is None:
        weights = (tile.weight for tile in tiles)
    for tile, level, own in zip(tiles, levels, weights, strict=True):
        window = window_in(tile, x0, y0)
        pixels = own * np.float32(_relative_weight(tile, first.noise))
        # Rounding of single values averages out, that of sums would not.
        total[window] += np.where(pixels > 0, (tile.data - np.float32(level)) * pixels, 0)
        weight[window] += pixels
        smoothing += tile.smoothing * float(pixels.sum(dtype=np.float64))
    with np.errstate(invalid="ignore"):
        mean = (total / weight).astype(np.float32)  # 0 / 0 is NaN
    smoothing /= float(weight.sum(dtype=np.float64))
    frames = tuple(frame for tile in tiles for frame in tile.frames)
    return replace(
        first, x0=x0, y0=y0, data=mean, weight=weight, smoothing=smoothing, frames=frames
    )


def robust_mean(tiles: Sequence[Tile], levels: Sequence[float] | np.ndarray) -> Tile:
    """Average tiles, and then again without what sticks out of the mean of the others.

    Parameters
    ----------
    tiles : sequence of Tile
        Tiles of one grid.
    levels : sequence of float
        Level to subtract from each tile, MJy/sr.

    Returns
    -------
    Tile
        As from `mean_tile`.

    Notes
    -----
    The faint ends of cosmic rays are in a twentieth of all cells, too faint in a
    mean for the comparison with other stacks to tell. How much of them a mean keeps
    would depend on the number of exposures in it, and bias the stack. With the
    biweight as weight of a tile's cell, by its distance from the mean of the other
    tiles, it hardly does: with 5 % of the pixels hit, errors of levels were 1.22 times
    the information bound, 1.59 with the plain mean.
    """
    mean = mean_tile(tiles, levels)
    if len(tiles) == 1:
        return mean
    along_x, along_y = gradient(mean.data)
    gradient_squared = np.nan_to_num(along_x**2 + along_y**2)
    weights = (
        _robust_weight(tile, level, mean, gradient_squared)
        for tile, level in zip(tiles, levels, strict=True)
    )
    return mean_tile(tiles, levels, weights)


def _robust_weight(
    tile: Tile, level: float, mean: Tile, gradient_squared: np.ndarray
) -> np.ndarray:
    """Multiply a tile's weight with the biweight of its distance from the mean of the others.

    Cells that no other tile covers keep their weight.
    """
    window = window_in(tile, mean.x0, mean.y0)
    own = tile.weight * np.float32(_relative_weight(tile, mean.noise))
    others = mean.weight[window] - own
    # Single precision leaves something of nothing.
    cells = np.flatnonzero((own > 0) & (others > 0.01 * own))
    if cells.size < 2:
        return tile.weight
    own, others = own.ravel()[cells], others.ravel()[cells]
    brightness = mean.data[window].ravel()[cells]
    # The distance from the mean of the others is longer than that from the mean of all.
    longer = 1 + own / others
    residual = (tile.data.ravel()[cells] - np.float32(level) - brightness) * longer
    variance = longer / own * mean.noise(brightness)
    weight = tile.weight.copy()
    weight.ravel()[cells] *= _biweight(residual, variance, gradient_squared[window].ravel()[cells])
    return weight


def _biweight(
    residual: np.ndarray, variance: np.ndarray, gradient_squared: np.ndarray
) -> np.ndarray:
    """Find weights of cells by the scatter of some; all 1 if these have no noise."""
    sample = np.s_[:: max(residual.size // N_SAMPLE, 1)]
    # Outliers may have lifted the centre.
    residual = residual - np.median(residual[sample])
    factor = measure_factor(residual[sample], variance[sample], gradient_squared[sample])
    residual /= np.sqrt(variance * factor(gradient_squared))
    scale = np.float32(scale_of(residual[sample]))
    return biweight(residual, scale) if scale else np.ones_like(residual)


def _relative_weight(tile: Tile, noise: NoiseCurve) -> float:
    """Tell what a tile's pixel counts in a mean with another noise.

    One number for all cells: weights that follow a cell's own brightness would follow its
    noise and bias the mean.
    """
    if tile.noise is noise or not (tile.noise.quoted and noise.quoted):
        return 1.0
    return float(noise(np.float32(tile.noise.median))) / tile.noise.typical
