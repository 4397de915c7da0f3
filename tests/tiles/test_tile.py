"""The drizzled tile, against overlaps of squares that are computed by hand."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import make_tile, punch, shifted_sky, structured_sky

from jwst_mosaic_skymatch.tiles.pixel_map import map_pixels
from jwst_mosaic_skymatch.tiles.tile import (
    crop_to_overlap,
    drizzle_tile,
    shift_tile,
    store_tile,
)

# The first cell of the grid that the exposures below cover.
X0, Y0 = -7, 40


def aligned_map(shape, pixels_per_side):
    """Map pixels to cells with the same axes and one common corner."""

    def to_grid(x, y):
        return (
            X0 - 0.5 + (x + 0.5) / pixels_per_side,
            Y0 - 0.5 + (y + 0.5) / pixels_per_side,
        )

    return map_pixels(to_grid, shape)


def drizzled(good, pixels_per_side=2.2, min_coverage=0.75):
    """Drizzle an image of ones."""
    pixel_map = aligned_map(good.shape, pixels_per_side)
    return drizzle_tile(np.ones(good.shape), good, pixel_map, min_coverage=min_coverage)


def overlaps(n_pixels, pixels_per_side):
    """Length that each cell (row) has in common with each pixel (column), pixels."""
    cells = pixels_per_side * np.arange(np.ceil(n_pixels / pixels_per_side) + 1)
    low = np.maximum(cells[:-1, None], np.arange(n_pixels))
    high = np.minimum(cells[1:, None], np.arange(1, n_pixels + 1))
    return np.maximum(high - low, 0.0)


def expected_tile(image, good, pixels_per_side):
    """Compute mean and number of good pixels of each cell."""
    along_y, along_x = (overlaps(n, pixels_per_side) for n in image.shape)
    weight = along_y @ good @ along_x.T
    with np.errstate(invalid="ignore"):
        return along_y @ np.where(good, image, 0.0) @ along_x.T / weight, weight


@pytest.mark.parametrize("pixels_per_side", [0.7, 1.0, 1.5, 2.0, 2.2, 3.1])
@pytest.mark.parametrize("min_coverage", [0.3, 0.77, 0.999])
@pytest.mark.parametrize("shape", [(60, 80), (300, 20)])
def test_cells_are_means_of_good_pixels_and_need_enough_of_them(
    shape, pixels_per_side, min_coverage
):
    """Bad pixels are NaN or 1e9 and never leak; 300 rows are drizzled in three parts."""
    rng = np.random.default_rng(1)
    image, good = rng.uniform(1.0, 2.0, shape), rng.random(shape) > 0.1
    spoiled = np.where(good, image, np.where(rng.random(shape) > 0.5, np.nan, 1e9))
    pixel_map = aligned_map(shape, pixels_per_side)
    tile = drizzle_tile(spoiled.astype(np.float32), good, pixel_map, min_coverage=min_coverage)
    data, weight = expected_tile(image, good, pixels_per_side)
    covered = weight >= min_coverage * pixels_per_side**2
    window = np.s_[tile.y0 - Y0 :, tile.x0 - X0 :]
    window = tuple(slice(w.start, w.start + n) for w, n in zip(window, tile.shape, strict=True))
    assert covered[window].sum() == covered.sum()
    np.testing.assert_array_equal(np.isfinite(tile.data), covered[window])
    # Single precision, of a sum of up to ten pixels.
    np.testing.assert_allclose(tile.data[covered[window]], data[covered], rtol=2e-6)
    np.testing.assert_allclose(tile.weight, np.where(covered, weight, 0)[window], atol=1e-5)
    assert tile.pixels_per_cell == pytest.approx(pixels_per_side**2, rel=1e-9)


@pytest.mark.parametrize(
    ("bad", "weight"),
    [
        ([(5, 5)], 3.84),
        ([(4, 4), (4, 6)], 4.84 - 2 * 0.36),
        ([(5, 5), (4, 4)], 0.0),
        ([(5, 5), (5, 6)], 0.0),
    ],
)
def test_one_bad_pixel_may_be_missing_at_the_default_cell_size(bad, weight):
    """Cell (2, 2) covers rows and columns 4.4 to 6.6; three quarters of it are 3.63 pixels."""
    good = np.ones((22, 22), dtype=bool)
    good[tuple(np.transpose(bad))] = False
    tile = drizzled(good)
    assert tile.weight[2, 2] == pytest.approx(weight, abs=1e-5)
    assert np.isnan(tile.data[2, 2]) == (weight == 0.0)


@pytest.mark.parametrize("pixels_per_side", [1.3, 2.2])
def test_turned_exposure(pixels_per_side):
    """Brightness stays where it is on the sky, and each cell has its pixels."""
    cos, sin = np.cos(0.5) / pixels_per_side, np.sin(0.5) / pixels_per_side
    turned = lambda x, y: (cos * x - sin * y, sin * x + cos * y)  # noqa: E731
    plane = lambda x, y: 5.0 + 0.3 * x - 0.2 * y  # noqa: E731
    rows, columns = np.indices((90, 90))
    image, good = plane(*turned(columns, rows)), np.ones((90, 90), dtype=bool)
    tile = drizzle_tile(image, good, map_pixels(turned, (90, 90)), min_coverage=0.99)
    y, x = np.nonzero(tile.weight)
    error = tile.data[y, x] - plane(x + tile.x0, y + tile.y0)
    # From pixel to pixel the plane changes by 0.3 and 0.2, of which steps remain.
    assert np.abs(error).max() < 0.015
    assert abs(error.mean()) < 1e-4
    assert tile.weight[y, x].mean() == pytest.approx(pixels_per_side**2, rel=5e-4)


@pytest.mark.parametrize(
    ("part", "bounds"),
    [
        # The tile ends where its cells end.
        (np.s_[10:20, 30:44], (X0 + 15, X0 + 22, Y0 + 5, Y0 + 10)),
        (np.s_[0:1, 0:1], None),
        (np.s_[0:0, 0:0], None),
    ],
)
def test_extent(part, bounds):
    good = np.zeros((40, 60), dtype=bool)
    good[part] = True
    tile = drizzled(good, 2.0, 0.9)
    assert (tile and tile.bounds) == bounds


def test_shift_is_taken_back():
    straight = make_tile(0, 0, (60, 60), sky=structured_sky)
    moved = shift_tile(make_tile(0, 0, (60, 60), sky=shifted_sky(0.3, -0.2)), 0.3, -0.2)
    # A spline of structure that is seven cells wide; at the edges it is not held.
    np.testing.assert_allclose(moved.data[4:-4, 4:-4], straight.data[4:-4, 4:-4], atol=2e-3)


def test_moved_tile_keeps_its_holes():
    hole = np.random.default_rng(4).random((60, 60)) < 0.05
    tile = punch(make_tile(0, 0, (60, 60), sky=shifted_sky(0.3, -0.2)), hole)
    moved = shift_tile(tile, 0.3, -0.2)
    np.testing.assert_array_equal(np.isnan(moved.data), hole)
    np.testing.assert_array_equal(moved.weight, tile.weight)


def test_parts_of_stored_tiles(tmp_path):
    """The overlap, columns 60 to 100, and the margin that a spline needs."""
    tiles = [make_tile(x, Y0, (50, 100), noise=1.0, seed=x) for x in (0, 60)]
    tiles[0] = replace(tiles[0], variance=0.7)
    stored = [store_tile(tile, tmp_path / f"{tile.x0}.npy") for tile in tiles]
    parts = crop_to_overlap(*stored)
    assert [part.bounds for part in parts] == [(44, 100, 40, 90), (60, 116, 40, 90)]
    for tile, one, part in zip(tiles, stored, parts, strict=True):
        assert one.bounds == tile.bounds
        for piece in (one.read(), part):
            columns = slice(piece.x0 - tile.x0, piece.x0 - tile.x0 + piece.shape[1])
            np.testing.assert_array_equal(piece.data, tile.data[:, columns])
            np.testing.assert_array_equal(piece.weight, tile.weight[:, columns])
            np.testing.assert_equal(piece.variance, tile.variance)
