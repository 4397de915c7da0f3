"""Blocks of cells: where exposures have data, and how much they know."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import make_tile, punch

from jwst_mosaic_skymatch.tiles.blocks import (
    BlockMap,
    block_sums,
    footprint_blocks,
    mean_shares,
    summarize,
)
from jwst_mosaic_skymatch.tiles.noise import NoiseCurve


@pytest.mark.parametrize("corner", [(0, 0), (5, 3), (-7, -1)])
def test_sums_over_blocks_that_all_tiles_share(corner):
    tile = make_tile(*corner, (6, 10))
    values = np.arange(60.0).reshape(6, 10)
    sums = block_sums(tile, values, 4)
    expected = np.zeros_like(sums.weight)
    for (y, x), value in np.ndenumerate(values):
        expected[(y + tile.y0) // 4 - sums.y0, (x + tile.x0) // 4 - sums.x0] += value
    np.testing.assert_array_equal(sums.weight, expected)
    assert sums.weight.sum() == values.sum()


def map_of(values, x0=0):
    return BlockMap(x0=x0, y0=0, weight=np.array([values], dtype=np.float32))


def test_shares_of_members_in_an_overlap():
    """Three blocks, of which the other stack covers two."""
    members = [map_of([4.0, 4.0, 0.0]), map_of([0.0, 4.0, 12.0])]
    others = [map_of([8.0, 4.0], x0=1)]
    # Weights of the difference: 8 * 8 / 16 = 4 in the second, 12 * 4 / 16 = 3 in the third.
    expected = [4 * 0.5, 4 * 0.5 + 3]
    np.testing.assert_allclose(mean_shares(members, others), np.array(expected) / 7, rtol=1e-6)


def test_no_shares_without_an_overlap():
    np.testing.assert_array_equal(mean_shares([map_of([1.0])] * 2, [map_of([1.0], x0=5)]), 0.0)


@pytest.mark.parametrize("angle", [0.0, 30.0, 80.0])
def test_area_of_a_footprint(angle):
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    turn = np.array([[cos, sin], [-sin, cos]])
    square = np.array([[0, 0], [100, 0], [100, 100], [0, 100]]) @ turn - [500, 20]
    # Without one corner: footprints may be concave.
    bent = np.array([[0, 0], [100, 0], [100, 50], [50, 50], [50, 100], [0, 100]]) @ turn
    first, second = footprint_blocks([square, bent])
    # Blocks on the edge are in or out: their number is good to a few percent.
    assert second.weight.sum() / first.weight.sum() == pytest.approx(0.75, rel=0.05)
    # A thousand for the box around a footprint, of which a turned one fills half or more.
    assert 500 < first.weight.sum() < 1050
    assert set(np.unique(first.weight)) == {0.0, 1.0}


def test_footprints_share_blocks_where_they_lie_upon_each_other():
    square = np.array([[0, 0], [100, 0], [100, 100], [0, 100]], dtype=float)
    first, second = footprint_blocks([square, square + np.array([50, 0])])
    x0 = min(first.x0, second.x0)
    covered = []
    for blocks in (first, second):
        y, x = np.nonzero(blocks.weight)
        covered.append(set(zip(x + blocks.x0 - x0, y + blocks.y0, strict=True)))
    # Half of each, to one column of 32 blocks.
    assert len(covered[0] & covered[1]) == pytest.approx(500, abs=32)


def test_summary_of_a_tile():
    noise = NoiseCurve(constant=0.1, linear=0.02, median=5.0)
    tile = replace(make_tile(0, 0, (32, 32), level=5.0), noise=noise, pixels_per_cell=4.84)
    hole = np.zeros(tile.shape, dtype=bool)
    hole[:16, :16] = True
    summary = summarize(punch(tile, hole))
    np.testing.assert_allclose(summary.coverage.weight, [[0, 1024], [1024, 1024]])
    # 768 cells with four pixels of variance 0.2.
    assert summary.information.weight.sum() == pytest.approx(768 * 4 / 0.2, rel=1e-6)
    assert (summary.quoted, summary.pixels_per_cell) == (True, 4.84)
    assert summary.pixel_variance == pytest.approx(0.2)


def test_summary_of_a_tile_without_quoted_errors():
    summary = summarize(make_tile(0, 0, (32, 32)))
    assert not summary.quoted
    assert summary.information.weight.sum() == 32 * 32 * 4
    assert summary.pixel_variance == 1.0
