"""Makers of pairs of tiles with known truth."""

import numpy as np
from numpy.random import default_rng

from jwst_mosaic_skymatch.offsets.measure import PairSettings, measure_pair
from jwst_mosaic_skymatch.offsets.regression import Statistic
from jwst_mosaic_skymatch.offsets.results import Link
from jwst_mosaic_skymatch.tiles.frame import DetectorFrame
from jwst_mosaic_skymatch.tiles.tile import Tile

CORNER = (104, 40)


def _stars(x, y):
    """Evaluate stars of unequal brightness with a width of 2.5 cells, MJy/sr."""
    u, v, peak = default_rng(99).uniform((95, 35, 0.5), (175, 115, 3.0), (25, 3)).T
    squares = (x[..., None] - u) ** 2 + (y[..., None] - v) ** 2
    return np.exp(-squares / 12.5) @ peak


def make_tile(image, noise, seed, corner=CORNER):
    """Make a tile of an image, with so many pixels in a cell that none is shared by two."""
    data = image + noise * default_rng(seed).standard_normal(image.shape)
    weight = np.where(np.isfinite(data), 4.0, 0.0)
    return Tile(*corner, weight.astype(np.float32), data.astype(np.float32), 4.0 * noise**2, 1e8)


def make_pair(seed=0, *, noise=0.02, sky=_stars, shift=(0.0, 0.0), added=0.0):
    """Make two tiles of a sky; the first is shifted, and has something added."""
    y, x = np.indices((64, 64)) + np.reshape(CORNER[::-1], (2, 1, 1))
    images = sky(x - shift[0], y - shift[1]) + added, sky(x, y)
    return [make_tile(image, noise, (seed, side)) for side, image in enumerate(images)]


def measure(first, second, name="biweight", draw=None, part=None, **clipping):
    """Measure a pair with default settings but some."""
    settings = PairSettings(Statistic(name, **clipping), draw)
    return measure_pair(first, second, settings, Link(part=part))


def make_frame(regions=(), corner=CORNER, angle=0.0):
    """Make the frame of a detector of 64 by 64 pixels whose pixel (0, 0) is at ``corner``."""
    cosine, sine = np.cos(angle), np.sin(angle)
    derivative = np.array([[cosine, -sine], [sine, cosine]])
    return DetectorFrame(np.zeros(2), np.array(corner), derivative, (64, 64), "D", tuple(regions))
