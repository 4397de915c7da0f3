"""Means of tiles."""

from dataclasses import replace

import numpy as np

from jwst_mosaic_skymatch.gradient import gradient
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


def stack_tiles(tiles, levels, *, extents=None):
    """Average tiles after their levels have been subtracted.

    Parameters
    ----------
    tiles : iterable of Tile
        Tiles of one grid; gone through once.
    levels : sequence of float
        Level to subtract from each tile, MJy/sr.
    extents : sequence, optional
        Something with the ``bounds`` of each tile; by default the tiles.

    Returns
    -------
    Tile
        Mean of the tiles in each cell, weighted by the number of native
        pixels; NaN where no tile has data.
    """
    x0, y0, shape = bounding_cutout(extents or tiles)
    total = weight = None
    for tile, level in zip(tiles, levels, strict=True):
        if len(levels) == 1:
            return replace(tile, data=tile.data - np.float32(level))
        if total is None:
            total, weight = np.zeros(shape), np.zeros(shape, dtype=np.float32)
            smoothing, first = 0.0, tile
        window = window_of(tile, x0, y0)
        pixels = tile.weight * np.float32(relative_weight(tile, first.noise))
        # Rounding of single values averages out, that of sums would not.
        total[window] += np.where(pixels > 0, (tile.data - np.float32(level)) * pixels, 0)
        weight[window] += pixels
        smoothing += tile.smoothing * float(pixels.sum(dtype=np.float64))
    known = weight > 0
    mean = np.full(shape, np.nan, dtype=np.float32)
    mean[known] = total[known] / weight[known]
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
    steepness = np.nan_to_num(sum(slope**2 for slope in gradient(mean.data)))

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
    window = window_of(tile, mean.x0, mean.y0)
    own = tile.weight * np.float32(relative_weight(tile, mean.noise))
    others = mean.weight[window] - own
    # Single precision leaves something of nothing.
    compared = (own > 0) & (others > 0.01 * own)
    sample = np.flatnonzero(compared)
    sample = sample[:: max(sample.size // N_SAMPLE, 1)]
    if sample.size < 2:
        return tile, 0, 0
    around = np.nan_to_num(centre.data[window])
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(compared, own / others, 0) if centre is mean else np.float32(0)
        residual = (tile.data - np.float32(level) - around) * (1 + ratio)
        variance = (1 + ratio) / own * mean.noise.approximate(around)
    residual -= np.median(residual.ravel()[sample])  # outliers may have lifted the centre
    share = _biweight(residual, variance, steepness[window], sample)
    share[centre.weight[window] == 0] = 0
    weight = np.where(compared, tile.weight * share, tile.weight)
    tile = replace(tile, data=np.where(weight > 0, tile.data, np.float32(np.nan)), weight=weight)
    return tile, np.count_nonzero(share.ravel()[sample] < OUTLIER_SHARE), sample.size


def _biweight(residual, variance, steepness, sample):
    """Weight of cells, by the scatter that a sample of them shows; all 1 without noise."""
    table = scatter_table(*(image.ravel()[sample] for image in (residual, variance, steepness)))
    if not table.any():
        return np.ones_like(residual)
    limit = variance * (np.float32(CUTOFF**2) * look_up(table, steepness))
    with np.errstate(invalid="ignore"):
        share = np.maximum(1 - residual**2 / limit, 0) ** 2
    share[share < LEAST_SHARE] = 0
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
