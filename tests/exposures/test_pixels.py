"""Pixels in memory and in files, and which of them are good."""

import numpy as np
import pytest
from stcal.skymatch import SkyStats
from stdatamodels.jwst.datamodels import dqflags
from stdatamodels.jwst.datamodels import open as open_model

from jwst_mosaic_skymatch.exposures.models import pixels_of
from jwst_mosaic_skymatch.exposures.pixels import (
    FilePixels,
    SkyStatistic,
    good_bits,
    good_pixels,
)

DO_NOT_USE, SATURATED = dqflags.pixel["DO_NOT_USE"], dqflags.pixel["SATURATED"]


def test_file_holds_what_the_model_holds(mosaic):
    from_file = FilePixels(str(mosaic.files[0])).read()
    with open_model(mosaic.files[0]) as model:
        from_model = pixels_of(model, "a_cal.fits")
        for name in ("data", "dq", "err"):
            first, second = getattr(from_file, name), getattr(from_model, name)
            np.testing.assert_array_equal(first, second)
            assert first.dtype.isnative


def test_file_that_cannot_be_seen(tmp_path):
    with pytest.raises(OSError, match="every process needs to see the file"):
        FilePixels(str(tmp_path / "nowhere.fits")).read()


@pytest.mark.parametrize(
    ("dqbits", "good"),
    [
        ("~DO_NOT_USE+NON_SCIENCE", [True, False, True, False]),
        ("SATURATED", [True, False, True, False]),
        ("~SATURATED", [True, True, False, False]),
        ("0", [True, False, False, False]),
        (0, [True, False, False, False]),
        (None, [True, True, True, True]),
    ],
)
def test_flags_as_jwst_writes_them(dqbits, good):
    dq = np.array([[0, DO_NOT_USE, SATURATED, DO_NOT_USE | SATURATED]], dtype=np.uint32)
    actual = good_pixels(np.zeros(dq.shape), dq, good_bits=good_bits(dqbits))
    np.testing.assert_array_equal(actual, [good])


def test_limits_and_values_that_are_none():
    data = np.array([[np.nan, np.inf, -1.0, 0.0, 5.0, 6.0]])
    np.testing.assert_array_equal(good_pixels(data, None), [[0, 0, 1, 1, 1, 1]])
    actual = good_pixels(data, None, good_bits=0, lower=0.0, upper=5.0)
    np.testing.assert_array_equal(actual, [[0, 0, 0, 1, 1, 0]])


# --- Levels of good pixels ---------------------------------------------------

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


def test_pixels_that_count(image):
    data, dq = image
    assert np.isnan(SkyStatistic(good_bits=0)(data, np.ones_like(dq)))
    assert np.isnan(SkyStatistic(good_bits=0, lower=1e9)(data, dq))
    # Without flags the bright column counts.
    assert SkyStatistic("mean", good_bits=None, nclip=0)(data, dq) > 1e4
