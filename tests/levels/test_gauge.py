"""The free constants."""

import numpy as np
import pytest

from jwst_mosaic_skymatch.levels.gauge import (
    apply_constants,
    apply_gauge,
    constants_of_exposures,
)

# Two components, and an exposure without a level.
LEVELS = np.array([-1.0, 1.0, np.nan, -2.0, 2.0, 0.0])
COMPONENTS = np.array([0, 0, -1, 1, 1, 1])
OTHERWISE = np.full(6, 9.0)


def test_lowest_or_highest_level_is_zero():
    levels = np.array([1.0, np.nan, 3.0])
    np.testing.assert_array_equal(apply_gauge(levels, match_down=True), [0.0, np.nan, 2.0])
    np.testing.assert_array_equal(apply_gauge(levels, match_down=False), [-2.0, np.nan, 0.0])
    np.testing.assert_array_equal(levels, [1.0, np.nan, 3.0])


def test_no_levels():
    assert np.isnan(apply_gauge(np.full(2, np.nan), match_down=True)).all()


def test_constants_of_components():
    result = apply_constants(LEVELS, COMPONENTS, np.array([10.0, np.nan]), OTHERWISE)
    assert result.tolist() == [9.0, 11.0, 9.0, 9.0, 9.0, 9.0]
    none = apply_constants(LEVELS, np.full(6, -1), np.zeros(0), OTHERWISE)
    assert none.tolist() == OTHERWISE.tolist()


@pytest.mark.parametrize(
    ("positions", "constants"),
    [
        ((1,), [-1.0, np.nan]),
        ((4, 5), [np.nan, -1.0]),
        ((0, 2, 3), [1.0, 2.0]),
        ((2,), [np.nan, np.nan]),
    ],
)
def test_mean_of_exposures_is_zero(positions, constants):
    result = constants_of_exposures(LEVELS, COMPONENTS, positions)
    np.testing.assert_array_equal(result, constants)
