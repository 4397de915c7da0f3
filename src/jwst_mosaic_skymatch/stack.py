"""Means of tiles."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from jwst_mosaic_skymatch.bands import row_bands
from jwst_mosaic_skymatch.gradient import banded_gradient
from jwst_mosaic_skymatch.noise import look_up
from jwst_mosaic_skymatch.regression import CUTOFF
from jwst_mosaic_skymatch.scatter import scatter_table
from jwst_mosaic_skymatch.tile import Tile, bounding_cutout, window_of

__all__ = ["relative_weight", "robust_stack", "stack_tiles"]

# Cells of a tile from which its scatter is found.
N_SAMPLE = 5000
# Of a cell's weight, what is not worth keeping.
LEAST_SHARE = 0.01
# What lies beyond three sigma has less. Of Gaussian noise that is a quarter of a percent.
OUTLIER_SHARE = 0.2
MANY_OUTLIERS = 0.01


def stack_tiles(tiles, levels, *, extents):
    """Average tiles after their levels have been subtracted.

    Parameters
    ----------
    tiles : iterable of Tile
        Tiles of one grid; gone through once.
    levels : sequence of float
        Level to subtract from each tile, MJy/sr.
    extents : sequence
        Something with the ``bounds`` of each tile, such as a list of the tiles.

    Returns
    -------
    Tile
        Mean of the tiles in each cell, weighted by the number of native
        pixels; NaN where no tile has data.
    """
    if len(levels) == 1:
        ((tile, level),) = zip(tiles, levels, strict=True)
        return replace(tile, data=tile.data - np.float32(level))
    x0, y0, shape = bounding_cutout(extents)
    total, weight = np.zeros(shape), np.zeros(shape, dtype=np.float32)
    smoothing, first = 0.0, None
    for tile, level in zip(tiles, levels, strict=True):
        first = first or tile
        window = window_of(tile, x0, y0)
        own_total, own_weight = total[window], weight[window]
        relative = np.float32(relative_weight(tile, first.noise))
        for rows in row_bands(tile.shape):
            pixels = tile.weight[rows] * relative
            # Rounding of single values averages out, that of sums would not.
            values = (tile.data[rows] - np.float32(level)) * pixels
            own_total[rows] += np.where(pixels > 0, values, 0)
            own_weight[rows] += pixels
            smoothing += tile.smoothing * float(pixels.sum(dtype=np.float64))
    mean = np.empty(shape, dtype=np.float32)
    for rows in row_bands(shape):
        with np.errstate(invalid="ignore"):
            mean[rows] = total[rows] / weight[rows]  # 0 / 0 is NaN
    smoothing /= float(weight.sum(dtype=np.float64))
    return Tile(x0, y0, mean, weight, first.noise, first.pixels_per_cell, smoothing)


def robust_stack(tiles, levels, *, extents):
    """Average tiles, and then again without what sticks out of the mean of the others.

    Parameters
    ----------
    tiles : callable
        Makes an iterator of the tiles, of one grid; called two or three times, so that
        not all of them need be held.
    levels : sequence of float
        Level to subtract from each tile, MJy/sr.
    extents : sequence
        Something with the ``bounds`` of each tile.

    Returns
    -------
    Tile
        As from `stack_tiles`.

    Notes
    -----
    The faint ends of cosmic rays are in a twentieth of all cells, too faint in a
    mean for the comparison with other groups to tell. How much of them a mean keeps
    would depend on the number of exposures in it, and bias the group. With the
    biweight as weight of a tile's cell, by its distance from the mean of the other
    tiles, it hardly does. Where outliers are many, that mean is not quite free of
    them; the mean is then taken once more, by distances from the robust one.
    """
    mean = stack_tiles(tiles(), levels, extents=extents)
    if len(levels) == 1:
        return mean
    steepness = np.empty_like(mean.data)
    for rows, _, *slopes in banded_gradient(mean.shape, mean.data.__getitem__):
        steepness[rows] = np.nan_to_num(sum(slope**2 for slope in slopes))

    def again(centre):
        seen = []

        def weighted():
            for tile, level in zip(tiles(), levels, strict=True):
                tile, *counts = _without_outliers(tile, level, mean, centre, steepness)
                seen.append(counts)
                yield tile

        robust = stack_tiles(weighted(), levels, extents=extents)
        n_outliers, n_sampled = np.sum(seen, axis=0)
        return robust, n_outliers > MANY_OUTLIERS * n_sampled

    robust, many = again(mean)
    return again(robust)[0] if many else robust


def _without_outliers(tile, level, mean, centre, steepness):
    """Multiply weights of a tile with the biweight of its distance from a centre.

    That is the mean without this tile, or a robust one with it. Returns the tile, and
    how many outliers there are among how many sampled cells.
    """
    comparison = _Comparison(
        tile, level, mean, centre, steepness, window_of(tile, mean.x0, mean.y0)
    )
    bands = list(row_bands(tile.shape))
    sample = np.flatnonzero(np.concatenate([comparison.possible(rows) for rows in bands]))
    sample = sample[:: max(sample.size // N_SAMPLE, 1)]
    if sample.size < 2:
        return tile, 0, 0
    share_of = _biweight(*comparison.distance(np.unravel_index(sample, tile.shape)))
    weight = np.empty_like(tile.weight)
    for rows in bands:
        share = share_of(*comparison.distance(rows))
        share[centre.weight[comparison.window][rows] == 0] = 0
        share[~comparison.possible(rows)] = 1
        weight[rows] = tile.weight[rows] * share
    n_outliers = np.count_nonzero(weight.take(sample) < OUTLIER_SHARE * tile.weight.take(sample))
    data = np.where(weight > 0, tile.data, np.float32(np.nan))
    return replace(tile, data=data, weight=weight), n_outliers, sample.size


@dataclass(frozen=True)
class _Comparison:
    """A tile beside a mean that it is part of, and the centre to compare it with."""

    tile: Tile
    level: float
    mean: Tile
    centre: Tile
    steepness: np.ndarray
    window: tuple  # of the tile in the mean

    @cached_property
    def _relative(self):
        return np.float32(relative_weight(self.tile, self.mean.noise))

    def possible(self, cells):
        """Tell in which cells there are the tile and others."""
        own = self.tile.weight[cells] * self._relative
        others = self.mean.weight[self.window][cells] - own
        # Single precision leaves something of nothing.
        return (own > 0) & (others > 0.01 * own)

    def distance(self, cells):
        """Give distance from the centre, its relative variance, and the steepness."""
        own = self.tile.weight[cells] * self._relative
        around = np.nan_to_num(self.centre.data[self.window][cells])
        residual = self.tile.data[cells] - np.float32(self.level) - around
        longer = np.float32(1)
        with np.errstate(invalid="ignore", divide="ignore"):
            if self.centre is self.mean:  # of which the tile is part
                longer = 1 + own / (self.mean.weight[self.window][cells] - own)
            variance = longer / own * self.mean.noise.approximate(around)
            return residual * longer, variance, self.steepness[self.window][cells]


def _biweight(residual, variance, steepness):
    """Find the weight of cells by the scatter of some; all 1 if these have no noise."""
    # Outliers may have lifted the centre.
    middle = np.median(residual)
    table = np.float32(CUTOFF**2) * scatter_table(residual - middle, variance, steepness)

    def share(residual, variance, steepness):
        if not table.any():
            return np.ones_like(residual)
        with np.errstate(invalid="ignore"):
            away = (residual - middle) ** 2 / (variance * look_up(table, steepness))
            found = np.maximum(1 - away, 0) ** 2
        found[found < LEAST_SHARE] = 0
        return found

    return share


def relative_weight(tile, noise):
    """Tell what a tile's pixel counts in a stack with another noise.

    Parameters
    ----------
    tile : Tile
        The tile.
    noise : NoiseCurve
        Noise of the pixels that count one.

    Returns
    -------
    float
        Ratio of the variances at the tile's median brightness; 1 when either
        noise is not known. One number for all cells: weights that follow a
        cell's own brightness would follow its noise and bias the mean.
    """
    if tile.noise is noise or not (tile.noise.measured and noise.measured):
        return 1.0
    brightness = np.median(tile.noise.brightness)
    return float(noise(brightness) / tile.noise(brightness))
