"""From the pixels of an exposure to its tile."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose

from jwst_mosaic_skymatch.exposures.pixels import ExcludedPixels, Pixels, SkyStatistic, good_pixels
from jwst_mosaic_skymatch.tiles.observation import (
    ALL_EXCLUDED,
    NO_PIXEL,
    SCATTERED,
    Observation,
    TileSettings,
    make_tile,
)
from jwst_mosaic_skymatch.tiles.pixel_map import map_pixels

SHAPE = (40, 40)
BAD_FLAG, OTHER_FLAG = 1, 4
MEAN = SkyStatistic("mean", good_bits=0, nclip=0)


@pytest.fixture
def pixels():
    """Two by two pixels to a cell, the level 3, errors of 0.1, and three kinds of bad pixels."""
    data, dq = np.full(SHAPE, 3.0, dtype=np.float32), np.zeros(SHAPE, dtype=np.uint32)
    data[4, 4], dq[4, 4] = 1e6, BAD_FLAG
    data[10, 10] = np.nan
    dq[20, 20] = OTHER_FLAG
    return Pixels(data=data, dq=dq, err=np.full(SHAPE, 0.1, dtype=np.float32))


def tiled(pixels, excluded=np.zeros(SHAPE, dtype=bool), statistic=None, **limits):  # noqa: B008
    pixel_map = map_pixels(lambda x, y: ((x - 0.5) / 2, (y - 0.5) / 2), SHAPE)
    good = partial(good_pixels, **{"good_bits": ~BAD_FLAG, **limits})
    settings = TileSettings(good, statistic)
    return make_tile(Observation(pixels, pixel_map, ExcludedPixels(excluded)), settings)


@pytest.mark.parametrize(
    ("changes", "cell", "weight", "value"),
    [
        ({}, (2, 2), 3.0, 3.0),
        ({}, (5, 5), 3.0, 3.0),
        ({}, (10, 10), 4.0, 3.0),
        ({"good_bits": 0}, (10, 10), 3.0, 3.0),
        ({"good_bits": None}, (2, 2), 4.0, (1e6 + 9.0) / 4),
        ({"good_bits": None, "upper": 10.0}, (2, 2), 3.0, 3.0),
    ],
)
def test_flags_and_limits_choose_good_pixels(pixels, changes, cell, weight, value):
    tile = tiled(pixels, **changes).tile
    assert (tile.weight[cell], tile.data[cell]) == pytest.approx((weight, value))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (0.1, 0.01),
        (np.where(np.arange(40) % 5 == 0, np.nan, 0.1), 0.01),
        (np.where(np.arange(40) % 5 == 0, 0.0, 0.1), 0.01),
        (0.0, 1.0),
        (np.nan, 1.0),
    ],
)
def test_quoted_variance(pixels, error, expected):
    """An image without noise or errors has a variance of one."""
    tile = tiled(replace(pixels, err=error * np.ones(SHAPE))).tile
    assert tile.variance == pytest.approx(expected)


def test_variance_is_measured_where_none_is_quoted(pixels):
    data = np.random.default_rng(1).normal(np.arange(40.0) / 200.0, 0.3, SHAPE)
    tile = tiled(replace(pixels, data=data, err=None)).tile
    assert (tile.variance, tile.growth) == (pytest.approx(0.09, rel=0.2), 0.0)


def test_quoted_variance_grows_with_the_brightness(pixels):
    light = np.arange(40.0) * np.ones(SHAPE)
    tile = tiled(replace(pixels, data=light, err=np.sqrt(1.0 + 0.2 * light))).tile
    assert (tile.variance, tile.growth) == pytest.approx((4.9, 0.2 / 4.9), rel=0.03)


@pytest.mark.parametrize(
    ("statistic", "sky"), [(None, np.nan), (MEAN, 3.0), (SkyStatistic(upper=2.0), np.nan)]
)
def test_sky_of_the_good_pixels(pixels, statistic, sky):
    exposure = tiled(replace(pixels, err=None), statistic=statistic)
    assert exposure.sky == pytest.approx(sky, nan_ok=True)


def test_excluded_pixels_count_for_the_sky_alone(pixels):
    excluded = np.zeros(SHAPE, dtype=bool)
    excluded[:30], excluded[35, 35] = True, True
    pixels.data[:30] += pixels.dq[:30] == 0
    exposure = tiled(pixels, excluded, MEAN)
    tile = exposure.tile
    assert (tile.y0, tile.shape) == (8, (16, 24))
    assert tile.weight[9, 17] == pytest.approx(3.0)
    assert np.argwhere(tile.weight > 0).tolist()[0] == [7, 0]
    assert_allclose(tile.data[tile.weight > 0], 3.0, rtol=1e-6)
    assert exposure.sky == pytest.approx(3.75, abs=0.001)
    assert not exposure.obstacle


@pytest.mark.parametrize(
    ("changes", "exclude", "obstacle"),
    [
        ({}, True, ALL_EXCLUDED),
        ({"upper": 0.0}, True, NO_PIXEL),
        # The only good pixel is no cell.
        ({"lower": 1e5, "good_bits": None}, False, SCATTERED),
    ],
)
def test_no_tile(pixels, changes, exclude, obstacle):
    exposure = tiled(pixels, np.full(SHAPE, exclude), **changes)
    assert (exposure.tile, exposure.obstacle) == (None, obstacle)
