"""The free constants."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from jwst_mosaic_skymatch.levels.gauge import (
    apply_constants,
    apply_gauge,
    constants_of_exposures,
)

# Two components, and an exposure without a level.
LEVELS = np.array([-1.0, 1.0, np.nan, -2.0, 2.0, 0.0])
COMPONENTS = np.array([0, 0, -1, 1, 1, 1])


@pytest.mark.parametrize(
    ("match_down", "levels", "expected"),
    [
        (True, [1.0, np.nan, 3.0], [0.0, np.nan, 2.0]),
        (False, [1.0, np.nan, 3.0], [-2.0, np.nan, 0.0]),
        (True, [np.nan, np.nan], [np.nan, np.nan]),
    ],
)
def test_lowest_or_highest_level_is_zero(match_down, levels, expected):
    assert_array_equal(apply_gauge(np.array(levels), match_down=match_down), expected)


def test_constants_of_components():
    otherwise = np.full(6, 9.0)
    result = apply_constants(LEVELS, COMPONENTS, np.array([10.0, np.nan]), otherwise)
    assert result.tolist() == [9.0, 11.0, 9.0, 9.0, 9.0, 9.0]
    none = apply_constants(LEVELS, np.full(6, -1), np.zeros(0), otherwise)
    assert none.tolist() == otherwise.tolist()


@pytest.mark.parametrize(
    ("positions", "constants"),
    [((1,), [-1, np.nan]), ((4, 5), [np.nan, -1]), ((0, 2, 3), [1, 2]), ((2,), [np.nan] * 2)],
)
def test_mean_of_exposures_is_zero(positions, constants):
    assert_array_equal(constants_of_exposures(LEVELS, COMPONENTS, positions), constants)
