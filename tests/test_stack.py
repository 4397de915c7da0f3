"""Means of groups."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import make_tile

from jwst_mosaic_skymatch.stack import robust_stack, stack_tiles
from jwst_mosaic_skymatch.statistic import Statistic

SHAPE = (120, 120)
NOISE = 0.1


def noisy_tiles(n=6, sky=None):
    return [make_tile(0, 0, SHAPE, noise=NOISE, seed=k, sky=sky, level=k) for k in range(n)]


def hit(tile, seed):
    """Add cosmic rays that are too faint to be recognized in pairs, in a tenth of the cells."""
    rng = np.random.default_rng(seed)
    energy = np.where(rng.random(SHAPE) < 0.1, rng.uniform(0.0, 6.0, SHAPE), 0.0)
    return replace(tile, data=tile.data + NOISE * energy.astype(np.float32))


def robust_mean(tiles):
    return robust_stack(lambda: iter(tiles), range(len(tiles)), extents=tiles)


def test_cosmic_rays_bias_means_of_all_depths_alike():
    """And not by much more than the biweight of a single exposure's cells."""
    bias = []
    for n in (6, 10):
        tiles = noisy_tiles(n)
        spoiled = [hit(tile, 100 + k) for k, tile in enumerate(tiles)]
        clean = stack_tiles(tiles, range(n), extents=tiles).data
        plain = stack_tiles(spoiled, range(n), extents=tiles).data
        bias.append(np.mean(robust_mean(spoiled).data - clean) / NOISE)
        assert bias[-1] < 0.5 * np.mean(plain - clean) / NOISE
    single = (Statistic()(spoiled[0].data).value - Statistic()(tiles[0].data).value) / NOISE
    np.testing.assert_allclose(bias, single, atol=0.07)
    assert bias[0] == pytest.approx(bias[1], abs=0.03)


def test_robust_mean_is_nearly_as_good_as_the_mean():
    mean = robust_mean(noisy_tiles())
    assert np.std(mean.data) < 1.06 * NOISE / np.sqrt(6)
    assert abs(mean.data.mean()) < 3 * np.std(mean.data) / SHAPE[0]
    # Four pixels in a cell of each tile.
    assert 0.8 * 24 < mean.weight.mean() < 24


def test_robust_mean_keeps_displaced_stars():
    """They differ by far more than the noise, and tell displacements of groups."""

    def stars(k):
        shift = 0.1 * (-1) ** k

        def sky(x, y):
            return 20.0 * np.exp(-((x % 12 - 6 - shift) ** 2 + (y % 12 - 6) ** 2) / 2.0)

        return sky

    tiles = [make_tile(0, 0, SHAPE, noise=0.01, seed=k, sky=stars(k), level=k) for k in range(6)]
    mean = robust_mean(tiles)
    wings = mean.data > 5.0
    assert np.isfinite(mean.data[wings]).all()
    assert mean.weight[wings].mean() > 0.5 * 24


def test_tiles_without_noise_have_an_exact_mean():
    tiles = [make_tile(0, 0, SHAPE, level=k) for k in range(4)]
    np.testing.assert_array_equal(robust_mean(tiles).data, 0.0)
