"""The level of an exposure's own pixels."""

import numpy as np
import pytest
from stcal.skymatch import SkyStats

from jwst_mosaic_skymatch.exposures.sky import SkyStatistic, clipped_statistic

CLIPPING = {"nclip": 3, "binwidth": 0.2}


@pytest.fixture
def image():
    """Sky of 5 with bright pixels, and a column that is flagged."""
    rng = np.random.default_rng(4)
    data = rng.normal(5.0, 0.1, (60, 50)).astype(np.float32)
    data[::7, ::5] += 3.0
    dq = np.zeros(data.shape, dtype=np.uint32)
    data[:, 3], dq[:, 3] = 1e6, 1
    data[2, 8] = np.nan
    return data, dq


@pytest.mark.parametrize("skystat", ["mean", "median", "mode", "midpt"])
@pytest.mark.parametrize("limits", [{}, {"lower": 4.9, "upper": 7.0}])
def test_numbers_are_those_of_the_stock_step(image, skystat, limits):
    data, dq = image
    statistic = SkyStatistic(skystat, good_bits=0, lsigma=3.0, usigma=2.5, **CLIPPING, **limits)
    stock = SkyStats(skystat=skystat, lsig=3.0, usig=2.5, **CLIPPING, **limits)
    expected, _ = stock(data[(dq == 0) & np.isfinite(data)])
    assert statistic(data, dq) == expected
    assert statistic(data, dq) == pytest.approx(5.0, abs=0.2)


def test_flags_are_ignored_if_asked_for(image):
    assert SkyStatistic("mean", good_bits=None, nclip=0)(*image) > 1e4
    assert SkyStatistic("mean", good_bits=0, nclip=0)(*image) < 10.0


def test_no_pixel_has_no_level(image):
    data, dq = image
    assert np.isnan(SkyStatistic(good_bits=0)(data, np.ones_like(dq)))
    assert np.isnan(SkyStatistic(good_bits=0, lower=1e9)(data, dq))


def test_clipping_that_leaves_nothing():
    values = np.array([0.0, 0.0, 1.0, 1.0])
    value, n_used = clipped_statistic(values, "mean", nclip=1, lsigma=0.5, usigma=0.5, binwidth=0.1)
    assert np.isnan(value)
    assert n_used == 0
