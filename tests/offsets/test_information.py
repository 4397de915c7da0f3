"""Noise that pairs share, and noise of tiles."""

from itertools import combinations

import numpy as np
import pytest
from levels.synthetic import made, quality
from numpy.random import default_rng
from numpy.testing import assert_allclose, assert_array_equal
from offsets.makers import make_tile, measure

from jwst_mosaic_skymatch.levels.quality import noise_factors
from jwst_mosaic_skymatch.offsets.information import information_links
from jwst_mosaic_skymatch.tiles.tile import information_map
from jwst_mosaic_skymatch.tiles.windows import BlockMap


def maps():
    """Inverse variances of tiles that overlap in part."""
    rng = default_rng(2)
    return [
        BlockMap(x, y, rng.uniform(0.5, 2.0, (6, 6)).astype(np.float32))
        for x, y in [(0, 0), (2, 1), (3, 3), (7, 4)]
    ]


def test_noise_of_each_tile():
    """One tile is noisier than it says; of its partners none is."""
    truth = np.array([1.0, 1.0, 9.0, 1.0])
    pairs = [
        made(i, j, quality=quality(noise_ratio=0.5 * (truth[i] + truth[j])))
        for i, j in combinations(range(4), 2)
    ]
    assert_allclose(noise_factors(pairs, 4), truth)
    assert_array_equal(noise_factors([], 4), 1.0)


def test_share_outside_of_the_overlap():
    """Of 36 blocks of each, 4 x 5 are common to the first two."""
    assert next(information_links(maps())).outside == pytest.approx(1.0 - 20.0 / 36.0)


def test_pairs_give_the_levels_of_a_joint_solution():
    """Three tiles of a blank sky that overlap in part, against sky and levels by least squares."""
    corners, noise = [(104, 40), (120, 56), (136, 40)], (0.02, 0.03, 0.015)
    tiles = [make_tile(np.zeros((64, 64)), noise[k], k, corner) for k, corner in enumerate(corners)]
    weight, data = np.zeros((2, 3, 80, 96))
    for k, tile in enumerate(tiles):
        window = np.s_[k, tile.y0 - 40 : tile.y0 + 24, tile.x0 - 104 : tile.x0 - 40]
        weight[window], data[window] = tile.weight / tile.variance, tile.data
    sky = np.sum(weight * data, axis=0) / np.maximum(weight.sum(axis=0), 1e-30)
    weight, differences = weight.reshape(3, -1), (data - sky).reshape(3, -1)
    normal = np.diag(weight.sum(axis=1)) - weight / np.maximum(weight.sum(axis=0), 1e-30) @ weight.T
    inverse = np.linalg.pinv(normal, rcond=1e-9)
    joint = inverse @ np.sum(weight * differences, axis=1)
    errors = np.sqrt(np.diag(inverse))
    links = list(information_links(list(map(information_map, tiles))))
    pairs = [measure(tiles[k.first], tiles[k.second], part=k.part) for k in links]
    rows = np.array([np.eye(3)[k.first] - np.eye(3)[k.second] for k in links])
    weights = np.array([1.0 / pair.variance for pair in pairs])
    covariance = np.linalg.pinv(rows.T * weights @ rows, rcond=1e-9)
    levels = covariance @ (rows.T * weights @ [pair.offset for pair in pairs])
    # The biweight gives distant cells a smaller weight. Without the parts errors are 8 to 15 %
    # smaller.
    assert_allclose(levels, joint, atol=0.4 * errors.min())
    assert_allclose(np.sqrt(np.diag(covariance)), errors, rtol=0.05)
