"""What all tiles say together, against matrices that are computed by hand."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import make_tile

from jwst_mosaic_skymatch.levels.joint import joint_normal_matrix, pair_results, solve_jointly
from jwst_mosaic_skymatch.offsets.measure import PairFit, PairOffset
from jwst_mosaic_skymatch.offsets.outliers import Outliers
from jwst_mosaic_skymatch.tiles.blocks import summarize
from jwst_mosaic_skymatch.tiles.noise import NoiseCurve


def pair(first, second, value, variance, quoted_variance, **fields):
    return PairOffset(
        first=first,
        second=second,
        value=value,
        variance=variance,
        n_cells=100,
        quoted_variance=quoted_variance,
        **fields,
    )


def summaries_of(*corners, variance=4.0, shape=(10, 10)):
    """Summarize tiles with four pixels of that variance in a cell."""
    noise = NoiseCurve(constant=variance)
    return [summarize(replace(make_tile(*corner, shape), noise=noise)) for corner in corners]


@pytest.mark.parametrize(("x0", "tolerance"), [(4, 1e-5), (5, 0.03)])
def test_normal_matrix_of_two_tiles(x0, tolerance):
    """Cells are taken two by two, which blurs an overlap's edge at an odd cell."""
    information = [s.information for s in summaries_of((0, 0), (x0, 0))]
    normal = joint_normal_matrix(information, [1.0, 3.0]).toarray()
    # Common cells of inverse variance 1 and 1/3.
    expected = 10 * (10 - x0) * (1.0 * (1 / 3)) / (1.0 + 1 / 3)
    np.testing.assert_allclose(normal, expected * np.array([[1, -1], [-1, 1]]), rtol=tolerance)


def test_normal_matrix_of_three_tiles_upon_each_other():
    """Each sees the sky as well as the others: 100 (1 - 1/3) on the diagonal."""
    information = [s.information for s in summaries_of((0, 0), (0, 0), (0, 0), (90, 0))]
    normal = joint_normal_matrix(information, [1.0] * 4).toarray()
    expected = np.zeros((4, 4))
    expected[:3, :3] = 100 * (np.eye(3) - 1 / 3)
    np.testing.assert_allclose(normal, expected, rtol=1e-6)


def test_level_errors_know_that_pairs_share_noise():
    """Three tiles of 100 cells of unit variance: each level is known to 0.1 from the sky."""
    summaries = summaries_of((0, 0), (0, 0), (0, 0))
    # As measured: 100 differences of variance 2.
    offsets = [pair(i, j, 0.0, 0.02, 0.02) for i, j in ((0, 1), (0, 2), (1, 2))]
    joint = solve_jointly(summaries, offsets)
    expected = 0.01 * (np.eye(3) - 1 / 3)
    np.testing.assert_allclose(joint.covariance_of(np.arange(3)), expected, atol=1e-8)
    np.testing.assert_allclose(joint.variances, np.diag(expected), rtol=1e-5)
    np.testing.assert_allclose(joint.fitted_variances, 0.02, rtol=1e-5)
    assert [part.tolist() for part in joint.members] == [[0, 1, 2]]


def test_errors_follow_the_scatter_that_pairs_show():
    """Twice the variance that was quoted."""
    summaries = summaries_of((0, 0), (0, 0))
    joint = solve_jointly(summaries, [pair(0, 1, 1.0, 0.04, 0.02)])
    np.testing.assert_allclose(joint.variances, 0.04 / 4, rtol=1e-5)


@pytest.mark.parametrize("n_quoted", [0, 1])
def test_exposures_without_errors(n_quoted):
    """Pairs have then taken all pixels to have unit variance: that of four is a quarter."""
    summaries = [summarize(make_tile(0, 0, (10, 10))) for _ in range(2)]
    summaries[:n_quoted] = summaries_of((0, 0))[:n_quoted]
    joint = solve_jointly(summaries, [pair(0, 1, 1.0, 0.02, 0.5 / 100)])
    np.testing.assert_allclose(joint.variances, 0.02 / 4, rtol=1e-5)


def test_errors_of_shifts_know_it_as_well():
    """For three tiles pairs alone would say 0.67 of the variance."""
    summaries = summaries_of((0, 0), (0, 0), (0, 0))
    fit = PairFit(estimate=np.zeros(3), covariance=0.02 * np.eye(3), response=np.eye(3))
    offsets = [pair(i, j, 0.0, 0.02, 0.02, fit=fit) for i, j in ((0, 1), (0, 2), (1, 2))]
    joint = solve_jointly(summaries, offsets)
    pairwise = joint.solution.shift_variances
    np.testing.assert_allclose(joint.shift_variances, 1.5 * pairwise, rtol=1e-5)


@pytest.mark.parametrize("rigid", [True, False])
def test_no_pairs(rigid):
    joint = solve_jointly(summaries_of((0, 0), (90, 0)), [], rigid=rigid)
    assert joint.parts.tolist() == ([0, 0] if rigid else [0, 1])
    np.testing.assert_array_equal(joint.variances, 0.0)
    np.testing.assert_array_equal(joint.covariance_of(np.array([0])), [[0.0]])


def test_pairs_beside_the_solution():
    """Three tiles whose pairs disagree by 0.03: each takes a third of it."""
    summaries = summaries_of((0, 0), (0, 0), (0, 0))
    none = np.zeros((1, 1), dtype=bool)
    values = {(0, 1): 0.03, (0, 2): 0.0, (1, 2): 0.0}
    outliers = Outliers(x0=0, y0=0, valid=none, first=none, second=none)
    offsets = [pair(*ends, v, 0.02, 0.02, outliers=outliers) for ends, v in values.items()]
    joint = solve_jointly(summaries, offsets)
    results = pair_results(offsets, joint, positions=[7, 3, 5])
    assert [(r.offset.first, r.offset.second) for r in results] == [(7, 3), (7, 5), (3, 5)]
    np.testing.assert_allclose([r.residual for r in results], [0.01, -0.01, 0.01], atol=1e-9)
    np.testing.assert_allclose([r.offset.value for r in results], list(values.values()), atol=1e-9)
    # All three come from the same noise: there is no freedom left.
    np.testing.assert_allclose([r.expected_variance for r in results], 0.0, atol=1e-6)
    np.testing.assert_allclose([r.weight for r in results], 50.0, rtol=1e-9)
    assert all(r.used and r.offset.outliers is None for r in results)
