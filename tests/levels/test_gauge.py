"""The free constants."""

import numpy as np
import pytest

from jwst_mosaic_skymatch.levels.gauge import (
    apply_constants,
    apply_gauge,
    constants_of_exposures,
    hold_levels,
    inverse_variance_mean,
)

# Two components, and an exposure without a level.
LEVELS = np.array([-1.0, 1.0, np.nan, -2.0, 2.0, 0.0])
COMPONENTS = np.array([0, 0, -1, 1, 1, 1])
ERRORS = np.where(COMPONENTS >= 0, 0.1, np.nan)
OTHERWISE = np.full(6, 9.0)


def known(**levels):
    """Give known levels, by position, and their errors."""
    held = np.full(6, np.nan)
    for name, level in levels.items():
        held[int(name[1:])] = level
    return held, np.where(np.isfinite(held), 0.1, np.nan)


def hold(errors=ERRORS, **levels):
    return hold_levels(LEVELS, errors, COMPONENTS, *known(**levels), OTHERWISE)


def test_lowest_or_highest_level_is_zero():
    levels = np.array([1.0, np.nan, 3.0])
    np.testing.assert_array_equal(apply_gauge(levels, match_down=True), [0.0, np.nan, 2.0])
    np.testing.assert_array_equal(apply_gauge(levels, match_down=False), [-2.0, np.nan, 0.0])
    np.testing.assert_array_equal(levels, [1.0, np.nan, 3.0])


def test_no_levels():
    assert np.isnan(apply_gauge(np.full(2, np.nan), match_down=True)).all()


def test_constants_of_components():
    found = apply_constants(LEVELS, COMPONENTS, np.array([10.0, np.nan]), OTHERWISE)
    assert found.tolist() == [9.0, 11.0, 9.0, 9.0, 9.0, 9.0]
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
    found = constants_of_exposures(LEVELS, COMPONENTS, positions)
    np.testing.assert_array_equal(found, constants)


def test_held_levels_give_the_others_their_zero_point():
    # By 0.3 they disagree about the difference of the last two.
    found = hold(_3=8.0, _4=12.3, _2=0.7)
    np.testing.assert_allclose(found.constants, [np.nan, 10.15])
    np.testing.assert_allclose(found.levels, [9.0, 9.0, 0.7, 8.0, 12.3, 10.15])
    # Two residuals of 0.15, each with a variance of 0.02, and one degree of freedom.
    assert found.rms == pytest.approx(0.15 * 2**0.5)
    assert found.sigmas == pytest.approx((2 * 0.15**2 / 0.02) ** 0.5)


def test_better_levels_count_more():
    errors = np.where(np.arange(6) == 4, 0.0, ERRORS)
    held, held_errors = known(_3=8.0, _4=12.3)
    held_errors[4], held_errors[3] = 0.1, 0.2
    found = hold_levels(LEVELS, errors, COMPONENTS, held, held_errors, OTHERWISE)
    assert found.constants[1] == pytest.approx((10.0 * 0.01 + 10.3 * 0.05) / 0.06)


def test_held_levels_with_nothing_to_compare():
    found = hold(_3=8.0)
    assert np.isnan([found.rms, found.sigmas]).all()
    assert found.levels[3:].tolist() == [8.0, 12.0, 10.0]
    without_errors = hold(errors=np.full(6, np.nan), _3=8.0, _4=12.0)
    assert without_errors.rms == 0.0
    assert np.isnan(without_errors.sigmas)


def test_mean_by_inverse_variance():
    mean, variance = inverse_variance_mean(np.array([1.0, 4.0]), np.array([1.0, 0.5]))
    assert (mean, variance) == (pytest.approx(3.0), pytest.approx(1 / 3))
    # A variance of zero says that there is no noise, or that it is not known.
    mean, variance = inverse_variance_mean(np.array([1.0, 4.0]), np.array([1.0, 0.0]))
    assert (mean, variance) == (2.5, 0.25)
