"""Levels of stacks and of members inside them, added up by hand."""

import numpy as np
import pytest
from helpers import make_tile

from jwst_mosaic_skymatch.levels.combine import combine_levels
from jwst_mosaic_skymatch.levels.joint import solve_jointly
from jwst_mosaic_skymatch.levels.results import Stack
from jwst_mosaic_skymatch.offsets.measure import PairFit, PairOffset
from jwst_mosaic_skymatch.tiles.blocks import summarize

UNKNOWN = np.full(2, np.nan)


def stack(members, levels, shifts=None):
    """Make a stack; where it lies does not matter here."""
    tile = make_tile(0, 0, (10, 10))
    shifts = np.full((len(members), 2), np.nan) if shifts is None else np.array(shifts)
    return Stack(
        label="v",
        members=members,
        levels=np.array(levels),
        covariance=np.zeros((len(members), len(members))),
        shifts=shifts,
        shift_variances=0.0 * shifts + 0.01,
        coverage=(summarize(tile).coverage,) * len(members),
        frames=(),
        summary=summarize(tile),
        mean=tile,
    )


def solve(stacks, *offsets):
    return solve_jointly([s.summary for s in stacks], offsets)


def offset(first, second, value, shift=None):
    fit = None
    if shift is not None:
        estimate = np.array([value, *shift])
        fit = PairFit(estimate=estimate, covariance=1e-8 * np.eye(3), response=np.eye(3))
    return PairOffset(first=first, second=second, value=value, variance=1e-8, n_cells=100, fit=fit)


def test_levels_add_up_in_each_component():
    """A stack that stands alone is a component of its own; an exposure that does is none."""
    stacks = [stack((0, 5), [0.25, -0.25]), stack((1, 2), [0.5, -0.5]), stack((3,), [0.0])]
    stacks.append(stack((4,), [0.0]))
    found = combine_levels(7, stacks, solve(stacks, offset(1, 2, 2.0)), rigid=False)
    # 1.5, 0.5 and -1 less their mean.
    expected = [0.25, 7 / 6, 1 / 6, -4 / 3, np.nan, -0.25, np.nan]
    np.testing.assert_allclose(found.levels, expected, atol=1e-9)
    assert found.components.tolist() == [0, 1, 1, 1, -1, 0, -1]
    assert found.counted.tolist() == [True, True, True, True, False, True, False]
    assert np.isnan(found.shifts).all()


def test_rigid_groups_count_once():
    stacks = [stack((0, 3), [0.0, 0.0]), stack((1,), [0.0]), stack((2, 4), [0.0, 0.0])]
    found = combine_levels(5, stacks, solve(stacks, offset(0, 1, 2.0)), rigid=True)
    np.testing.assert_allclose(found.levels, [1.0, -1.0, np.nan, 1.0, np.nan], atol=1e-9)
    assert found.components.tolist() == [0, 0, -1, 0, -1]
    assert found.counted.tolist() == [True, True, False, False, False]


def test_no_component_at_all():
    stacks = [stack((0,), [0.0]), stack((1,), [0.0])]
    found = combine_levels(2, stacks, solve(stacks), rigid=False)
    assert np.isnan(found.levels).all()
    assert found.components.tolist() == [-1, -1]


def test_shifts_add_up():
    inside = [(0.02, 0.0), (-0.02, 0.0)]
    stacks = [stack((0, 1), [0.0, 0.0], inside), stack((2,), [0.0]), stack((3,), [0.0])]
    joint = solve(stacks, offset(0, 1, 1.0, shift=(0.1, -0.06)))
    found = combine_levels(4, stacks, joint, rigid=False)
    # A thousandth goes to the prior of a quarter of a cell.
    expected = [(0.07, -0.03), (0.03, -0.03), (-0.05, 0.03), UNKNOWN]
    np.testing.assert_allclose(found.shifts, expected, rtol=5e-3)
    between = joint.shift_variances[0]
    np.testing.assert_allclose(found.shift_variances[0], between + 0.01)
    np.testing.assert_allclose(found.shift_variances[2], joint.shift_variances[1])


@pytest.mark.parametrize("inside", [None, [(0.02, 0.0), (-0.02, 0.0)]])
def test_shifts_inside_a_stack_without_partner(inside):
    stacks = [stack((0, 1), [0.5, -0.5], inside)]
    found = combine_levels(2, stacks, solve(stacks), rigid=False)
    np.testing.assert_allclose(found.shifts, np.full((2, 2), np.nan) if inside is None else inside)
