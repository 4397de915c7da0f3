"""Rectangles of cells."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from helpers import make_tile

from jwst_mosaic_skymatch.report.mosaic import block_sums
from jwst_mosaic_skymatch.tiles.windows import (
    bounding_window,
    overlap_windows,
    overlapping_pairs,
    window_in,
)


@pytest.fixture
def tiles():
    rng = np.random.default_rng(7)
    places, sizes = rng.integers(-30, 30, (40, 2)), rng.integers(1, (20, 9), (40, 2))
    return [make_tile(*place, tuple(size)) for place, size in zip(places, sizes, strict=True)]


def cells_of(tile, window=np.s_[:, :]):
    y, x = np.indices(tile.shape)
    return set(zip((x[window] + tile.x0).ravel(), (y[window] + tile.y0).ravel(), strict=True))


def test_windows_hold_the_common_cells(tiles):
    for first, second in pairwise(tiles):
        windows = overlap_windows(first, second)
        common = cells_of(first) & cells_of(second)
        assert cells_of(first, windows[0]) == cells_of(second, windows[1]) == common


def test_pairs_are_those_that_share_a_cell(tiles):
    pairs = combinations(range(40), 2)
    expected = [[i, j] for i, j in pairs if cells_of(tiles[i]) & cells_of(tiles[j])]
    assert overlapping_pairs(tiles).tolist() == expected


def test_bounding_window_holds_all_and_no_more(tiles):
    x0, y0, shape = bounding_window([tile.bounds for tile in tiles])
    covered = np.zeros(shape, dtype=bool)
    for tile in tiles:
        covered[window_in(tile, x0, y0)] = True
    y, x = np.nonzero(covered)
    assert set(zip(x + x0, y + y0, strict=True)) == set.union(*map(cells_of, tiles))
    assert (np.ptp(y) + 1, np.ptp(x) + 1) == shape


def test_sums_over_blocks_that_all_tiles_share():
    tile = make_tile(-7, 5, (6, 10))
    sums = block_sums(tile, np.ones(tile.shape), 4)
    assert sums.bounds == (-2, 1, 1, 3)
    assert sums.weight.tolist() == [[9, 12, 9]] * 2
