"""Which tiles are compared, and which lie upon each other."""

import numpy as np
import pytest
from helpers import make_tile, match_tiles, outline, punch, rms, structured_sky

from jwst_mosaic_skymatch.offsets.graph import connected_parts
from jwst_mosaic_skymatch.offsets.selection import choose_pairs, find_stacks
from jwst_mosaic_skymatch.offsets.statistic import Statistic
from jwst_mosaic_skymatch.tiles.blocks import footprint_blocks, summarize


def chosen(tiles):
    return choose_pairs([summarize(tile).coverage for tile in tiles])


def stacks_of(tiles):
    return find_stacks(footprint_blocks([outline(tile) for tile in tiles])).tolist()


def test_deep_stack_is_compared_with_a_few():
    pairs = chosen([make_tile(k % 5, k % 7, (64, 64)) for k in range(60)])
    # Six comparisons to an exposure, or a few more where edges need them; all would be 30.
    assert len(pairs) < 10 * 60
    assert set(np.ravel(pairs)) == set(range(60))


def test_each_region_keeps_its_comparisons():
    """Two stacks side by side: all members of both are compared across the overlap."""
    tiles = [make_tile(x + k % 3, k % 5, (96, 96)) for x in (0, 60) for k in range(40)]
    pairs = chosen(tiles)
    across = [(i, j) for i, j in pairs if i < 40 <= j]
    assert {i for i, _ in across} == set(range(40))
    assert {j for _, j in across} == set(range(40, 80))
    assert len(pairs) < 80 * 79 / 4


def test_few_comparisons_lose_almost_nothing(monkeypatch):
    """Levels of 24 dithers, each with 3 % bad cells, against those from all pairs."""
    corners = np.random.default_rng(1).integers(0, 8, (24, 2))
    errors = {6: [], 24: []}
    for seed in range(2):
        tiles = []
        for k, (x, y) in enumerate(corners.tolist()):
            tile = make_tile(x, y, (32, 32), noise=0.1, seed=100 * seed + k, sky=structured_sky)
            tiles.append(punch(tile, np.random.default_rng(k).random(tile.shape) < 0.03))
        for depth, found in errors.items():
            with monkeypatch.context() as patch:
                patch.setattr("jwst_mosaic_skymatch.offsets.selection.DEPTH", depth)
                found.append(match_tiles(tiles, "v" * 24, Statistic(), fit_shift=False).levels)
    assert rms(errors[6]) < 1.08 * rms(errors[24])


def test_shallow_mosaic_is_compared_in_full():
    tiles = [make_tile(20 * k, 0, (64, 64)) for k in range(10)]
    assert chosen(tiles) == [(i, j) for i in range(10) for j in range(i + 1, 10) if j - i <= 3]


@pytest.mark.parametrize(("step", "expected"), [(40, [0, 0, 0]), (60, [0, 1, 2])])
def test_stacks_share_half_of_the_smaller_one(step, expected):
    assert stacks_of([make_tile(step * k, 0, (100, 100)) for k in range(3)]) == expected
    small = make_tile(100 - step, 50, (30, 100 - step))
    # The smaller one lies inside.
    assert stacks_of([make_tile(0, 0, (100, 100)), small]) == [0, 0]


def test_stacks_are_counted_by_their_first_members():
    tiles = [make_tile(x, 0, (50, 50)) for x in (200, 0, 10, 205, 100)]
    assert stacks_of(tiles) == [0, 1, 1, 0, 2]


def test_parts_are_numbered_by_their_first_node():
    first, second = np.array([(1, 4), (4, 5), (2, 3)]).T
    assert connected_parts(6, first, second).tolist() == [0, 1, 2, 2, 1, 1]
