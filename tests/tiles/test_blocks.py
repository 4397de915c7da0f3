"""Blocks of cells: coverage and information of exposures."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import make_tile, punch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.transform import Rotation

from jwst_mosaic_skymatch.tiles.blocks import (
    BlockMap,
    block_sums,
    footprint_blocks,
    mean_shares,
    summarize,
)

SQUARE = np.array([[0.0, 0.0], [100.0, 0.0], [100.0, 100.0], [0.0, 100.0]])


@pytest.mark.parametrize("corner", [(0, 0), (5, 3), (-7, -1)])
def test_sums_over_blocks_that_all_tiles_share(corner):
    values = np.arange(60.0).reshape(6, 10)
    sums = block_sums(make_tile(*corner, (6, 10)), values, 4)
    y, x = np.indices((6, 10)) + np.reshape(corner[::-1], (2, 1, 1))
    expected = np.zeros_like(sums.weight)
    np.add.at(expected, (y // 4 - sums.y0, x // 4 - sums.x0), values)
    assert_array_equal(sums.weight, expected)


def map_of(values, x0=0):
    return BlockMap(x0=x0, y0=0, weight=np.array([values], dtype=np.float32))


@pytest.mark.parametrize(
    ("members", "other", "expected"),
    [
        # Weights of the difference: 8 * 8 / 16 = 4 in the second block, 12 * 4 / 16 = 3 then.
        ([[4.0, 4.0, 0.0], [0.0, 4.0, 12.0]], map_of([8.0, 4.0], x0=1), [2 / 7, 5 / 7]),
        ([[1.0], [1.0]], map_of([1.0], x0=5), [0.0, 0.0]),
    ],
)
def test_shares_of_members_in_an_overlap(members, other, expected):
    shares = mean_shares([map_of(values) for values in members], [other])
    assert shares == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("angle", [0.0, 30.0, 80.0])
def test_area_of_a_footprint(angle):
    turn = Rotation.from_euler("z", angle, degrees=True).as_matrix()[:2, :2]
    square, half = footprint_blocks([SQUARE @ turn - [500, 20], SQUARE * [1.0, 0.5] @ turn])
    # Blocks on the edge are in or out: their number is good to a few percent.
    assert half.weight.sum() / square.weight.sum() == pytest.approx(0.5, rel=0.05)
    # A thousand for the box around a footprint, of which a turned one fills half or more.
    assert 500 < square.weight.sum() < 1500


@pytest.mark.parametrize(("variance", "expected"), [(0.2, 0.2), (np.nan, 1.0)])
def test_summary_of_a_tile(variance, expected):
    tile = replace(make_tile(0, 0, (32, 32)), variance=variance, pixels_per_cell=4.84)
    y, x = np.indices(tile.shape)
    summary = summarize(punch(tile, (x < 16) & (y < 16)))
    # 768 cells with four pixels.
    assert_allclose(summary.coverage.weight, [[0, 1024], [1024, 1024]])
    assert summary.information.weight.sum() == pytest.approx(768 * 4 / expected, rel=1e-6)
    assert (summary.n_cells, summary.quoted) == (768, np.isfinite(variance))
    assert (summary.pixels_per_cell, summary.pixel_variance) == (4.84, expected)
