"""The operator from offsets to levels, done by hand."""

import numpy as np
import pytest
from helpers import make_tile

from jwst_mosaic_skymatch.levels.combine import combine_levels
from jwst_mosaic_skymatch.levels.joint import solve_jointly
from jwst_mosaic_skymatch.levels.operator import level_operator
from jwst_mosaic_skymatch.levels.results import PairResult, Stack
from jwst_mosaic_skymatch.offsets.measure import PairOffset
from jwst_mosaic_skymatch.tiles.blocks import BlockMap, summarize


def stack(members, *covered):
    return Stack(
        label="v",
        members=members,
        levels=np.zeros(len(members)),
        covariance=np.zeros((len(members),) * 2),
        shifts=np.full((len(members), 2), np.nan),
        shift_variances=np.full((len(members), 2), np.nan),
        coverage=tuple(
            BlockMap(x0=0, y0=0, weight=np.array([blocks], dtype=np.float32)) for blocks in covered
        ),
        frames=(),
        summary=summarize(make_tile(0, 0, (10, 10))),
        mean=make_tile(0, 0, (10, 10)),
    )


def offset(first, second):
    return PairOffset(first=first, second=second, value=0.0, variance=0.02, n_cells=100)


@pytest.fixture
def operator():
    """Two exposures in a stack, of which the first alone overlaps that of the other."""
    stacks = [stack((0, 1), (1.0, 0.0), (0.0, 1.0)), stack((2,), (1.0, 0.0))]
    between = [offset(0, 1)]
    joint = solve_jointly([s.summary for s in stacks], between)
    inside = PairResult(
        offset=offset(0, 1), residual=0.0, expected_variance=0.0, weight=50.0, robust_weight=1.0
    )
    combined = combine_levels(3, stacks, joint, rigid=False)
    return level_operator([inside], stacks, between, joint, combined)


def test_offset_inside_a_stack(operator):
    """Levels change by 1/2 and -1/2, so that the mean does by -1/2 where the first is alone.

    Half of that goes to each stack, and the mean of the three levels is taken out.
    """
    variances = operator.variances([np.array([[1.0], [0.0]])])
    np.testing.assert_allclose(variances, np.array([1.0, -2.0, 1.0]) ** 2 / 9)


def test_offset_between_stacks(operator):
    variances = operator.variances([np.array([[0.0], [1.0]])])
    np.testing.assert_allclose(variances, np.array([1.0, 1.0, -2.0]) ** 2 / 9)


def test_changes_at_once_and_one_by_one(operator):
    """In one column both change together; in two each by itself."""
    together = operator.variances([np.array([[1.0], [1.0]])])
    np.testing.assert_allclose(together, np.array([2.0, -1.0, -1.0]) ** 2 / 9)
    apart = operator.variances([np.eye(2)])
    np.testing.assert_allclose(apart, np.array([2.0, 5.0, 5.0]) / 9)
    np.testing.assert_allclose(operator.variances(np.eye(2)[:, k : k + 1] for k in (0, 1)), apart)
