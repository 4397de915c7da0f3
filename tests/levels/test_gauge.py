"""The free constant."""

import numpy as np

from jwst_mosaic_skymatch.levels.gauge import apply_gauge


def test_lowest_or_highest_level_is_zero():
    levels = np.array([1.0, np.nan, 3.0])
    np.testing.assert_array_equal(apply_gauge(levels, match_down=True), [0.0, np.nan, 2.0])
    np.testing.assert_array_equal(apply_gauge(levels, match_down=False), [-2.0, np.nan, 0.0])
    np.testing.assert_array_equal(levels, [1.0, np.nan, 3.0])


def test_no_levels():
    assert np.isnan(apply_gauge(np.full(2, np.nan), match_down=True)).all()
