"""From the pixels of an exposure to its tile."""

from dataclasses import replace

import numpy as np
import pytest

from jwst_mosaic_skymatch.exposures.pixels import ExcludedPixels, Pixels, SkyStatistic
from jwst_mosaic_skymatch.tiles.observation import Observation, TileSettings, make_tile
from jwst_mosaic_skymatch.tiles.pixel_map import map_pixels

SHAPE = (40, 40)
BAD_FLAG, OTHER_FLAG = 1, 4


@pytest.fixture
def pixels():
    """Two by two pixels to a cell, the level 3, errors of 0.1, and three kinds of bad pixels."""
    data, dq = np.full(SHAPE, 3.0, dtype=np.float32), np.zeros(SHAPE, dtype=np.uint32)
    data[4, 4], dq[4, 4] = 1e6, BAD_FLAG
    data[10, 10] = np.nan
    dq[20, 20] = OTHER_FLAG
    return Pixels(data=data, dq=dq, err=np.full(SHAPE, 0.1, dtype=np.float32))


def tiled(pixels, excluded=None, **changes):
    pixel_map = map_pixels(lambda x, y: ((x - 0.5) / 2, (y - 0.5) / 2), SHAPE)
    settings = replace(TileSettings(good_bits=~BAD_FLAG, min_coverage=0.7), **changes)
    return make_tile(Observation(pixels, pixel_map, excluded), settings)


def test_only_good_pixels_count(pixels):
    tile = tiled(pixels).tile
    np.testing.assert_allclose(tile.data, 3.0, rtol=1e-6)
    expected = np.full((20, 20), 4.0)
    expected[2, 2] = expected[5, 5] = 3.0
    np.testing.assert_allclose(tile.weight, expected, rtol=1e-6)
    assert tile.noise.typical == pytest.approx(0.01)


def test_flags_and_limits_choose_what_is_good(pixels):
    assert tiled(pixels, good_bits=0).tile.weight[10, 10] == pytest.approx(3.0)
    assert tiled(pixels, good_bits=None).tile.data[2, 2] == pytest.approx((1e6 + 9.0) / 4)
    assert tiled(pixels, good_bits=None, upper=10.0).tile.weight[2, 2] == pytest.approx(3.0)
    assert tiled(pixels, lower=3.5).tile is None


def test_sky_of_the_good_pixels(pixels):
    assert np.isnan(tiled(pixels).sky)
    assert tiled(
        pixels, sky_statistic=SkyStatistic("mean", good_bits=0, nclip=0)
    ).sky == pytest.approx(3.0)
    assert np.isnan(tiled(pixels, sky_statistic=SkyStatistic(upper=2.0)).sky)


def test_excluded_pixels_count_for_the_sky_alone(pixels):
    some = np.zeros(SHAPE, dtype=bool)
    some[:30], some[35, 35] = True, True
    statistic = SkyStatistic("mean", good_bits=0, nclip=0)
    pixels.data[:30][pixels.dq[:30] == 0] += 1.0
    exposure = tiled(pixels, ExcludedPixels.pack(some), sky_statistic=statistic)
    assert exposure.tile.weight[-3, -3] == pytest.approx(3.0)
    assert (exposure.tile.y0, exposure.tile.shape) == (15, (5, 20))
    np.testing.assert_allclose(exposure.tile.data, 3.0, rtol=1e-6)
    assert exposure.sky == pytest.approx(3.75, abs=0.001)
    assert exposure.has_good_pixel
    assert not exposure.all_excluded


def test_nothing_is_left(pixels):
    exposure = tiled(pixels, ExcludedPixels.pack(np.ones(SHAPE, dtype=bool)))
    assert exposure.tile is None
    assert exposure.all_excluded
    bad = tiled(pixels, ExcludedPixels.pack(np.ones(SHAPE, dtype=bool)), upper=0.0)
    assert not bad.has_good_pixel
    assert not bad.all_excluded
