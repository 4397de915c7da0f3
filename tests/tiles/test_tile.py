"""The drizzled tile, against overlaps of squares that are computed by hand."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import make_tile, punch, rotated, shifted_sky, structured_sky
from numpy.random import default_rng
from numpy.testing import assert_allclose, assert_array_equal, assert_equal

from jwst_mosaic_skymatch.tiles.pixel_map import map_pixels
from jwst_mosaic_skymatch.tiles.tile import (
    crop_to_overlap,
    drizzle_tile,
    information_map,
    shift_tile,
    store_tile,
)

# The first cell of the grid that the exposures below cover.
X0, Y0 = -8, 40


def aligned_map(shape, pixels_per_side):
    """Map pixels to cells with the same axes and one common corner."""

    def to_grid(x, y):
        return (
            X0 - 0.5 + (x + 0.5) / pixels_per_side,
            Y0 - 0.5 + (y + 0.5) / pixels_per_side,
        )

    return map_pixels(to_grid, shape)


def overlaps(n_pixels, pixels_per_side):
    """Length that each cell (row) has in common with each pixel (column), pixels."""
    cells = pixels_per_side * np.arange(np.ceil(n_pixels / pixels_per_side) + 1)
    low = np.maximum(cells[:-1, None], np.arange(n_pixels))
    high = np.minimum(cells[1:, None], np.arange(1, n_pixels + 1))
    return np.maximum(high - low, 0.0)


@pytest.mark.parametrize("pixels_per_side", [0.7, 1.0, 2.0, 2.2, 3.1])
@pytest.mark.parametrize("min_coverage", [0.3, 0.77, 0.999])
@pytest.mark.parametrize("shape", [(60, 80), (300, 20)])
def test_cells_are_means_of_good_pixels_and_need_enough_of_them(
    shape, pixels_per_side, min_coverage
):
    """Bad pixels are NaN or 1e9 and never leak; 300 rows are drizzled in three parts."""
    rng = default_rng(1)
    image, good = rng.uniform(1.0, 2.0, shape), rng.random(shape) > 0.1
    spoiled = np.where(good, image, rng.choice([np.nan, 1e9], shape)).astype(np.float32)
    pixel_map = aligned_map(shape, pixels_per_side)
    tile = drizzle_tile(spoiled, good, pixel_map, min_coverage=min_coverage)
    along_y, along_x = (overlaps(n, pixels_per_side) for n in shape)
    weight = along_y @ good @ along_x.T
    covered = weight >= min_coverage * pixels_per_side**2
    weight = np.where(covered, weight, 0.0)
    data = along_y @ np.where(good, image, 0.0) @ along_x.T / np.where(covered, weight, np.nan)
    window = np.s_[tile.y0 - Y0 :, tile.x0 - X0 :]
    known = np.pad(weight, 8)[8:, 8:][window][: tile.shape[0], : tile.shape[1]]
    # Single precision, of a sum of up to ten pixels.
    assert_allclose(tile.weight, known, atol=1e-5)
    image = np.pad(data, 8, constant_values=np.nan)[8:, 8:][window]
    assert_allclose(tile.data, image[: tile.shape[0], : tile.shape[1]], rtol=2e-6)
    assert tile.pixels_per_cell == pytest.approx(pixels_per_side**2, rel=1e-9)


@pytest.mark.parametrize("rows", [0, 1, 20])
def test_extent(rows):
    """The tile ends where the blocks of its cells end; of a single pixel there is none."""
    good = np.zeros((40, 60), dtype=bool)
    good[10 : 10 + rows, 30 : 30 + rows] = True
    tile = drizzle_tile(np.ones(good.shape), good, aligned_map(good.shape, 2.0), min_coverage=0.9)
    assert (tile and tile.bounds) == ((X0 + 8, X0 + 32, Y0, Y0 + 16) if rows > 1 else None)


def test_turned_exposure():
    """A cell of four pixels holds parts of many; a plane keeps its value and its place."""

    def plane(x, y):
        return 2.0 + 0.1 * x - 0.05 * y

    shape, to_grid = (90, 120), rotated(30.0, 2.0, X0, Y0)
    places = to_grid(*np.indices(shape)[::-1])
    pixel_map = map_pixels(to_grid, shape)
    tile = drizzle_tile(plane(*places), np.ones(shape, dtype=bool), pixel_map, min_coverage=0.9)
    y, x = np.indices(tile.shape)
    residual = (tile.data - plane(x + tile.x0, y + tile.y0))[tile.weight > 0]
    assert residual.size == pytest.approx(90 * 120 / 4, rel=0.1)
    assert abs(residual.mean()) < 1e-4
    assert residual.std() < 3e-3
    assert tile.weight[tile.weight > 0].mean() == pytest.approx(4.0, rel=0.005)


def test_shift_is_taken_back():
    hole = default_rng(4).random((60, 60)) < 0.05
    straight = make_tile(0, 0, (60, 60), sky=structured_sky)
    shifted = make_tile(0, 0, (60, 60), sky=shifted_sky(0.3, -0.2))
    # A spline of structure that is seven cells wide; at the edges it is not held.
    moved = shift_tile(shifted, 0.3, -0.2).data[6:-6, 6:-6]
    assert_allclose(moved, straight.data[6:-6, 6:-6], atol=1e-3)
    moved = shift_tile(punch(shifted, hole), 0.3, -0.2)
    assert_array_equal(np.isnan(moved.data), hole)
    assert_array_equal(moved.weight == 0, hole)


def test_stored_tile(tmp_path):
    tile = replace(make_tile(-7, Y0, (50, 100), noise=1.0), variance=0.7)
    stored = store_tile(tile, tmp_path / "0.tile")
    assert_equal(vars(stored.read()), vars(tile))


def test_information_of_blocks():
    tile = replace(make_tile(0, 0, (32, 32)), variance=0.5)
    y, x = np.indices(tile.shape)
    information = information_map(punch(tile, (x < 16) & (y < 16)))
    # 768 cells with four pixels.
    assert_allclose(information.weight, 512.0 * (np.add.outer([0, 0, 1, 1], [0, 0, 1, 1]) > 0))


def test_overlap_has_all_that_a_shift_needs():
    first, second = (make_tile(x, 0, (60, 200), noise=0.1, seed=x) for x in (0, 150))
    cropped = crop_to_overlap(first, second)
    assert [tile.bounds for tile in cropped] == [(126, 200, 0, 60), (150, 224, 0, 60)]
    whole, part = (shift_tile(tile, 0.3, -0.2) for tile in (second, cropped[1]))
    np.testing.assert_allclose(part.data[:, :50], whole.data[:, :50], atol=1e-7)
