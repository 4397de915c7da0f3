"""The whole match of small images with known levels."""

import numpy as np
from helpers import make_tile, match_tiles
from numpy.testing import assert_allclose, assert_array_equal

from jwst_mosaic_skymatch.offsets.regression import Statistic

# Two visits of three dithers each, side by side.
CORNERS = [(0, 0), (8, 8), (0, 16), (64, 0), (72, 8), (64, 16)]
LEVELS = np.array([0.5, -0.2, 0.1, 1.0, -1.0, -0.4])


def faint(x, y):
    return 0.02 * np.sin(x / 9.0) * np.cos(y / 7.0)


def match(seed=0, **options):
    tiles = [
        make_tile(*corner, (96, 96), level=level, noise=0.01, seed=(seed, k), sky=faint)
        for k, (corner, level) in enumerate(zip(CORNERS, LEVELS, strict=True))
    ]
    return match_tiles(tiles, ["a"] * 3 + ["b"] * 3, Statistic(), **options)


def test_levels_come_back():
    pulls = []
    for seed in range(12):
        levels = match(seed).levels
        pulls.append((levels.values - LEVELS + LEVELS.mean()) / levels.errors)
        assert np.abs(levels.values - LEVELS + LEVELS.mean()).max() < 1e-3
    assert 0.8 < np.sqrt(np.mean(np.square(pulls))) < 1.25


def test_stacks_and_their_pairs():
    result = match()
    stacks = [(stack.label, stack.members) for stack in result.stacks]
    assert stacks == [("a", (0, 1, 2)), ("b", (3, 4, 5))]
    assert (len(result.exposure_pairs), len(result.stack_pairs)) == (6, 1)
    assert_array_equal(result.skies, np.arange(6.0))


def test_rigid_groups_have_one_level():
    values = match(rigid=True).levels.values
    assert_allclose(values, np.repeat(values[[0, 3]], 3))
