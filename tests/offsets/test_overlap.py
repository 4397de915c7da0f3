"""Cells that two tiles share, their blocks, and pictures of them."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from offsets.makers import make_tile

from jwst_mosaic_skymatch.offsets.overlap import Overlap, drizzle_correlation
from jwst_mosaic_skymatch.offsets.trends import first_trends
from jwst_mosaic_skymatch.report.picture import draw_differences


def embedded(image, corner, shape):
    """Put an image at a place of a tile, which has no data elsewhere."""
    whole = np.full(shape, np.nan)
    whole[corner[1] :, corner[0] :][: image.shape[0], : image.shape[1]] = image
    return make_tile(whole, 0.0, 0, corner=(0, 0))


def test_blocks():
    """11 by 20 cells from (5, 7) with a hole."""
    image = np.random.default_rng(4).standard_normal((11, 20))
    image[2, 3] = np.nan
    first = embedded(image, (5, 7), (24, 32))
    overlap = Overlap.of(first, make_tile(np.zeros((24, 40)), 0.0, 0, corner=(0, 0)))
    assert_array_equal(overlap.sizes, [3, 8, 8, 1, 24, 63, 64, 8, 6, 16, 16, 2])
    assert_allclose(overlap.places[:, [0, 1, -1]], [(6.0, 11.5, 24.0), (7.0, 7.0, 16.5)])
    assert overlap.slopes.shape == (2, 11 * 20 - 1)
    block = image[9:, 3:11].ravel()
    # Of an even number of values, the upper of the two in the middle.
    assert overlap.block_medians(overlap.difference)[-3] == pytest.approx(np.sort(block)[8])
    assert overlap.block_sums(overlap.difference)[-3] == pytest.approx(block.sum())


def test_variance_grows_with_the_brightness():
    image = np.ones((8, 16))
    image[0], image[1] = -9.0, 5.0
    tile = replace(make_tile(image, 0.0, 0), variance=2.0, growth=0.5)
    # Of -9, 1 and 5 MJy/sr; with the opposite sign they were 6, 1 and 0.1.
    assert np.unique(Overlap.of(tile, tile).variance) == pytest.approx([0.1, 1.0, 3.0])


def test_few_blocks_are_no_outliers():
    for seed in range(50):
        tiles = [make_tile(np.zeros((8, 64)), 0.02, (seed, k), corner=(8, 8)) for k in (0, 1)]
        assert first_trends(Overlap.of(*tiles), ((), ()))[1].all()


@pytest.mark.parametrize("side", [0.6, 1.0, 1.7])
def test_correlation_by_drizzle(side):
    """Overlaps of pixels with cells ``side`` pixels long, at all phases."""
    start, pixel = np.linspace(0.0, 1.0, 1000, endpoint=False)[:, None], np.arange(4)
    overlaps = np.minimum(start + side, pixel + 1) - np.maximum(start, pixel)
    squares = np.square(np.maximum(overlaps, 0.0)).sum(axis=1).mean()
    assert drizzle_correlation(side**2) == pytest.approx((side / squares) ** 2, rel=1e-4)


def test_picture_has_means_of_blocks():
    y, x = np.indices((20, 44))
    image = x + 100.0 * y
    image[:7, :1] = np.nan
    tiles = [embedded(own, (7, 9), (32, 56)) for own in (image, 0.0 * y)]
    picture = draw_differences(Overlap.of(*tiles), 2.0)
    assert (picture.x0, picture.y0, picture.block) == (0, 8, 8)
    # Blocks at the edges have seven and five rows, and one and three columns.
    rows, columns = np.array([3.0, 10.5, 17.0]), np.array([0.0, 4.5, 12.5, 20.5, 28.5, 36.5, 42.0])
    expected = columns + 100.0 * rows[:, None] - 2.0
    expected[0, 0] = np.nan
    assert picture.image == pytest.approx(expected, nan_ok=True)
