"""Cells that two tiles share, their blocks, and pictures of them."""

import numpy as np
import pytest
from offsets.makers import make_pair, make_tile, measure

from jwst_mosaic_skymatch.offsets.overlap import Overlap, drizzle_correlation
from jwst_mosaic_skymatch.offsets.picture import draw_differences


def test_blocks():
    """11 by 20 cells with a hole in the first block; then without the second block."""
    image = np.random.default_rng(4).standard_normal((11, 20))
    image[2, 3] = np.nan
    first = make_tile(image, 0.0, 0, corner=(5, 7))
    overlap = Overlap.of(first, make_tile(np.zeros((30, 30)), 0.0, 0, corner=(0, 7)))
    centres = [8.5, 16.5, 22.5] * 2, [10.5] * 3 + [16.0] * 3
    assert overlap.block_centres() == pytest.approx(np.array(centres))
    part = overlap.select(overlap.blocks[0] != 1)
    assert part.slopes.shape == (2, 11 * 20 - 1 - 64)
    medians, last = part.block_medians(part.difference), image[8:, 16:].ravel()
    # Of an even number of values, the upper of the two in the middle.
    assert medians[[1, -1]] == pytest.approx((0.0, np.sort(last)[6]))
    assert part.block_sums(part.difference)[[1, -1]] == pytest.approx((0.0, last.sum()))


@pytest.mark.parametrize("side", [0.6, 1.0, 1.7])
def test_correlation_by_drizzle(side):
    """Overlaps of pixels with cells ``side`` pixels long, at all phases."""
    start, pixel = np.linspace(0.0, 1.0, 1000, endpoint=False)[:, None], np.arange(4)
    overlaps = np.minimum(start + side, pixel + 1) - np.maximum(start, pixel)
    squares = np.square(np.maximum(overlaps, 0.0)).sum(axis=1).mean()
    assert drizzle_correlation(side**2) == pytest.approx((side / squares) ** 2, rel=1e-4)


def test_picture_has_means_of_blocks():
    y, x = np.indices((40, 60))
    difference = (x + 100.0 * y).astype(np.float32)
    difference[:4, :4] = np.nan
    picture = draw_differences(difference, (7, 9))
    assert (picture.x0, picture.y0, picture.block) == (7, 9, 4)
    expected = 4.0 * (x + 100.0 * y)[:10, :15] + 151.5
    expected[0, 0] = np.nan
    assert picture.image == pytest.approx(expected, nan_ok=True)
    # A large overlap makes no large picture.
    large = draw_differences(np.zeros((100, 930), dtype=np.float32), (0, 0))
    assert (large.block, large.image.shape) == (15, (7, 62))


def test_picture_of_a_pair():
    added = np.where(np.arange(64) % 16 == 0, 9.0, 0.5) * np.ones((64, 1))
    picture = measure(*make_pair(added=added), keep_picture=True).quality.picture
    # Five standard deviations of 0.028 to either side.
    assert picture.edges[[0, -1]] == pytest.approx((-0.15, 0.15), abs=0.015)
    assert (picture.counts.sum(), picture.counts[-1]) == (64 * 64, 64 * 4)
    assert picture.image[:, 1::4].mean() == pytest.approx(0.0, abs=0.003)
