"""Means of the tiles of a stack."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import make_tile, punch
from numpy.testing import assert_allclose, assert_array_equal

from jwst_mosaic_skymatch.tiles.mean import mean_shares, mean_tile, robust_mean
from jwst_mosaic_skymatch.tiles.windows import BlockMap

SHAPE = (120, 120)
NOISE = 0.1


def noisy_tiles(n=6):
    return [make_tile(0, 0, SHAPE, noise=NOISE, seed=k) for k in range(n)]


def hit(tile, seed):
    """Add cosmic rays that are too faint to be recognized in pairs, in a tenth of the cells."""
    rng = np.random.default_rng(seed)
    energy = np.where(rng.random(SHAPE) < 0.1, rng.uniform(0.0, 6.0, SHAPE), 0.0)
    return replace(tile, data=tile.data + NOISE * energy.astype(np.float32))


def test_weighted_mean_of_known_cells():
    hole = np.arange(4) == np.full((4, 1), 3)
    first = punch(make_tile(0, 0, (4, 4), level=2.0), hole)
    second = make_tile(2, 1, (4, 4), level=8.0)
    mean = mean_tile([first, replace(second, weight=3 * second.weight)])
    assert (mean.x0, mean.y0, mean.shape) == (0, 0, (5, 6))
    weight = [[4, 4, 4, 0, 0, 0], [4, 4, 16, 12, 12, 12], [0, 0, 12, 12, 12, 12]]
    assert_allclose(mean.weight[[0, 1, 4]], weight)
    assert_allclose(mean.data[1], [2, 2, 6.5, 8, 8, 8], rtol=1e-6)
    assert_array_equal(np.isnan(mean.data), mean.weight == 0)


def test_pixels_count_by_their_noise():
    """An exposure of twice the noise counts a quarter."""
    first = replace(make_tile(0, 0, (4, 4)), variance=1.0)
    mean = mean_tile([first, replace(make_tile(0, 0, (4, 4), level=5.0), variance=4.0)])
    assert_allclose(mean.data, 1.0, rtol=1e-6)
    assert_allclose(mean.weight, 5.0, rtol=1e-6)


def test_cosmic_rays_bias_means_of_all_depths_alike():
    bias = []
    for n in (6, 10):
        tiles = noisy_tiles(n)
        spoiled = [hit(tile, 100 + k) for k, tile in enumerate(tiles)]
        clean, plain = mean_tile(tiles).data, mean_tile(spoiled).data
        bias.append(np.mean(robust_mean(spoiled).data - clean) / NOISE)
        # In units of the noise the plain mean is off by a tenth of 3.
        assert bias[-1] < 0.5 * np.mean(plain - clean) / NOISE
    assert bias[0] == pytest.approx(bias[1], abs=0.03)


@pytest.mark.parametrize("strength", [8.0, 1000.0])
def test_hits_of_one_tile_do_not_stay(strength):
    first, *others = noisy_tiles()
    hit = np.zeros(SHAPE, dtype=np.float32)
    hit[5::20, 5::20] = strength * NOISE
    mean = robust_mean([replace(first, data=first.data + hit), *others])
    # In a plain mean 1.3 of the noise stays of the weaker hits. The other tiles keep their weight.
    assert abs(mean.data[hit > 0].mean()) < 0.2 * NOISE
    assert mean.weight[hit > 0].mean() == pytest.approx(5 / 6 * mean.weight.mean(), rel=0.05)


@pytest.mark.parametrize(("strength", "share"), [(6, 0.75), (20, 1)])
def test_two_tiles_keep_the_fainter(strength, share):
    """Hits above 4.7 of the noise of a tile, though these are 3.3 of that of their difference."""
    first, second = noisy_tiles(2)
    data = first.data.copy()
    data[::4, ::4] += strength * NOISE
    mean = robust_mean([replace(first, data=data), second])
    # Of the fainter hits a sixth is below the cutoff by the noise of both.
    assert np.isclose(mean.data, second.data, 1e-6)[::4, ::4].mean() >= share


def test_robust_mean_is_nearly_as_good_as_the_mean():
    mean = robust_mean(noisy_tiles())
    assert 0.97 < np.std(mean.data) / (NOISE / np.sqrt(6)) < 1.06
    assert abs(mean.data.mean()) < 3 * np.std(mean.data) / SHAPE[0]
    # Four pixels in a cell of each tile.
    assert 0.8 * 24 < mean.weight.mean() < 24
    level = [make_tile(0, 0, SHAPE, level=3.0)] * 4
    assert_array_equal(robust_mean(level).data, 3.0)


def test_cells_are_compared_by_their_own_noise():
    """Half of the cells have a quarter of the pixels and twice the noise; as many are cut."""
    pixels = np.repeat(np.float32([4.0, 1.0]), SHAPE[1] // 2)
    tiles = [
        replace(tile, data=2 * tile.data / np.sqrt(pixels), weight=0 * tile.weight + pixels)
        for tile in noisy_tiles()
    ]
    kept = robust_mean(tiles).weight.mean(axis=0) / (6 * pixels)
    assert kept[:60].mean() == pytest.approx(kept[60:].mean(), rel=0.02)


def test_level_of_a_tile_is_no_outlier():
    first, *others = noisy_tiles()
    raised = replace(first, data=first.data + np.float32(4 * NOISE))
    kept = robust_mean([raised, *others]).weight.mean()
    assert kept == pytest.approx(robust_mean([first, *others]).weight.mean(), rel=0.02)


def map_of(values, x0=0):
    return BlockMap(x0=x0, y0=0, weight=np.array([values], dtype=np.float32))


@pytest.mark.parametrize(
    ("members", "other", "expected"),
    [
        ([[4.0, 4.0, 0.0], [0.0, 4.0, 12.0]], map_of([8.0, 4.0], x0=1), [0.2, 0.8]),
        ([[1.0], [1.0]], map_of([1.0], x0=5), [0.0, 0.0]),
    ],
)
def test_shares_of_members_in_an_overlap(members, other, expected):
    shares = mean_shares([map_of(values) for values in members], other)
    assert shares == pytest.approx(expected, rel=1e-6)
