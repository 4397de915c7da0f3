"""Pixels in memory and in files, and which of them are good."""

import numpy as np
import pytest
from stdatamodels.jwst.datamodels import dqflags

from jwst_mosaic_skymatch.exposures.pixels import (
    FilePixels,
    good_bits,
    good_pixels,
)

DO_NOT_USE, SATURATED = dqflags.pixel["DO_NOT_USE"], dqflags.pixel["SATURATED"]


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
