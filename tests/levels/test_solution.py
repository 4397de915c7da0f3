"""Levels and shifts from pairs."""

import numpy as np
import pytest

from jwst_mosaic_skymatch.levels.solution import incidence_matrix, solve_levels
from jwst_mosaic_skymatch.offsets.measure import PairFit, PairOffset

# Two squares of four that share a corner: seven nodes, two loops and more.
MESH = [(0, 1), (1, 2), (2, 3), (3, 0), (0, 2), (3, 4), (4, 5), (5, 6), (6, 3), (4, 6)]


def pair(first, second, value, variance=1.0, **fields):
    return PairOffset(
        first=first, second=second, value=value, variance=variance, n_cells=100, **fields
    )


def offsets_of(levels, pairs, variance=1.0, errors=None):
    errors = np.zeros(len(pairs)) if errors is None else errors
    return [
        pair(i, j, levels[i] - levels[j] + error, variance)
        for (i, j), error in zip(pairs, errors, strict=True)
    ]


def fitted(first, second, levels, shifts, response=None, covariance=None, noise=0.0):
    """Make a pair that has measured offset and shift."""
    response = np.eye(3) if response is None else response
    covariance = 1e-4 * np.eye(3) if covariance is None else covariance
    truth = np.r_[levels[first] - levels[second], shifts[first] - shifts[second]]
    fit = PairFit(estimate=response @ truth + noise, covariance=covariance, response=response)
    return pair(first, second, fit.estimate[0], covariance[0, 0], fit=fit)


def test_consistent_offsets_give_levels_with_zero_mean():
    levels = np.array([3.0, -1.0, 4.0, 1.0])
    solution = solve_levels(4, offsets_of(levels, [(0, 1), (1, 2), (2, 3), (0, 3)]))
    np.testing.assert_allclose(solution.levels, levels - levels.mean(), atol=1e-12)
    np.testing.assert_allclose(solution.residuals, 0.0, atol=1e-12)
    assert solution.n_components == 1
    assert np.isnan(solution.shifts).all()


def test_equals_dense_weighted_least_squares():
    rng = np.random.default_rng(5)
    pairs = [(i, j) for i in range(8) for j in range(i + 1, 8) if rng.random() < 0.6]
    variance = rng.uniform(0.1, 4.0, len(pairs))
    # Well within the errors, so that no pair loses any weight.
    values = 0.5 * np.sqrt(variance) * rng.normal(size=len(pairs))
    offsets = [pair(*ends, *pv) for ends, *pv in zip(pairs, values, variance, strict=True)]
    design = incidence_matrix(8, offsets).toarray()
    for weighted, w in ((True, 1 / np.sqrt(variance)), (False, np.ones(len(pairs)))):
        expected = np.linalg.pinv(design * w[:, None], rcond=1e-9) @ (values * w)
        found = solve_levels(8, offsets, weighted=weighted)
        np.testing.assert_allclose(found.levels, expected, atol=1e-10)
        np.testing.assert_allclose(found.residuals, values - design @ expected, atol=1e-10)
        np.testing.assert_allclose(found.weights, w**2, rtol=1e-9)
    covariance = np.linalg.pinv((design / variance[:, None]).T @ design, rcond=1e-9)
    found = solve_levels(8, offsets).level_variances
    np.testing.assert_allclose(found, np.diag(covariance), rtol=1e-9)


def test_each_component_has_zero_mean_and_loners_have_no_level():
    levels = np.array([1.0, 5.0, 2.0, 8.0, 100.0])
    solution = solve_levels(5, offsets_of(levels, [(0, 2), (1, 3)]))
    np.testing.assert_allclose(solution.levels, [-0.5, -1.5, 0.5, 1.5, np.nan], atol=1e-12)
    assert solution.components.tolist() == [0, 1, 0, 1, -1]


def test_no_offsets_at_all():
    solution = solve_levels(3, [])
    assert np.isnan(solution.levels).all()
    assert solution.components.tolist() == [-1, -1, -1]
    assert solution.n_components == 0


@pytest.mark.parametrize("level", [0.0, 1e3])
def test_exact_offsets_do_not_break_weights(level):
    offsets = [pair(0, 1, level, 0.0), pair(1, 2, level, 0.0)]
    found = solve_levels(3, offsets).levels
    np.testing.assert_allclose(found, [level, 0.0, -level], atol=1e-9 * max(level, 1.0))


def test_shifts_come_with_the_levels():
    rng = np.random.default_rng(7)
    levels, shifts = rng.normal(size=7), 0.05 * rng.normal(size=(7, 2))
    solution = solve_levels(7, [fitted(*ends, levels, shifts) for ends in MESH])
    np.testing.assert_allclose(solution.levels, levels - levels.mean(), atol=1e-9)
    # The prior, a quarter of a cell, pulls on shifts that are known to a hundredth.
    np.testing.assert_allclose(solution.shifts, shifts - shifts.mean(axis=0), atol=2e-3)


def test_pair_that_cannot_tell_shift_from_offset_learns_it_from_others():
    """Pair (0, 1) sees the sum of offset and shift alone, the others both."""
    levels, shifts = np.array([0.0, 1.0, 3.0]), np.array([[0.1, 0.0], [-0.1, 0.0], [0.0, 0.0]])
    slope = np.array([[1.0, 2.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    offsets = [
        fitted(0, 1, levels, shifts, slope, np.diag([1e-8, 1.0, 1.0])),
        fitted(1, 2, levels, shifts),
        fitted(2, 0, levels, shifts),
    ]
    solution = solve_levels(3, offsets)
    np.testing.assert_allclose(solution.levels, levels - levels.mean(), atol=2e-3)
    # What a pair would say without: its offset, and twice the shift.
    assert offsets[0].value == pytest.approx(-1.0 + 2 * 0.2)
    assert solution.offsets[0] == pytest.approx(-1.0, abs=2e-3)


def test_errors_of_shifts_and_what_they_cost_the_levels():
    """Against the scatter of solutions; noise of offset and shift is correlated."""
    covariance = 1e-4 * np.array([[1.0, 0.6, 0.0], [0.6, 1.0, 0.0], [0.0, 0.0, 1.0]])
    response = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    rng = np.random.default_rng(8)
    zeros, solutions = np.zeros((7, 2)), []
    for _ in range(100):
        noise = rng.multivariate_normal(np.zeros(3), covariance, size=len(MESH))
        # The scatter of distortion, a hundredth of a cell, acts as a shift of each pair.
        scatter = 0.01 * rng.standard_normal((len(MESH), 2)) @ response[:, 1:].T
        solutions.append(
            solve_levels(
                7,
                [
                    fitted(*ends, zeros[:, 0], zeros, response, covariance, error)
                    for ends, error in zip(MESH, noise + scatter, strict=True)
                ],
            )
        )

    def mean_of(function):
        return np.mean([function(s) for s in solutions], axis=0).sum(axis=0)

    # 100 solutions of seven members give a variance to 6 %; robust weights cost some percent.
    claimed = mean_of(lambda s: s.level_variances * s.inflation)
    assert mean_of(lambda s: s.levels**2) == pytest.approx(claimed, rel=0.2)
    claimed = mean_of(lambda s: s.shift_variances)
    np.testing.assert_allclose(mean_of(lambda s: s.shifts**2), claimed, rtol=0.2)
    # Shifts are not known for nothing.
    assert mean_of(lambda s: s.inflation) / 7 > 1.1


def test_pair_that_contradicts_all_loops_is_left_out():
    rng = np.random.default_rng(9)
    levels = rng.normal(size=8)
    pairs = [(i, j) for i in range(8) for j in range(i + 1, 8)]
    errors = 0.01 * rng.normal(size=len(pairs))
    clean = solve_levels(8, offsets_of(levels, pairs, 1e-4, errors))
    spoiled = errors.copy()
    spoiled[4] += 1.0
    found = solve_levels(8, offsets_of(levels, pairs, 1e-4, spoiled))
    assert np.flatnonzero(found.robust_weights < 0.5).tolist() == [4]
    assert np.all(clean.robust_weights > 0.5)
    # By less than the error of a level.
    assert np.abs(found.levels - clean.levels).max() < 0.01 / np.sqrt(8)
    # Unweighted means that all weigh the same.
    unweighted = solve_levels(8, offsets_of(levels, pairs, 1e-4, spoiled), weighted=False)
    np.testing.assert_array_equal(unweighted.robust_weights, 1.0)


def test_without_loops_no_pair_loses_weight():
    levels = np.array([0.0, 5.0, 1.0])
    solution = solve_levels(3, offsets_of(levels, [(0, 1), (1, 2)], 1e-8))
    assert solution.robust_weights.tolist() == [1.0, 1.0]
