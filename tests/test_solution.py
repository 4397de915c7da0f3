import numpy as np
import pytest

from jwst_mosaic_skymatch.pairs import PairOffset
from jwst_mosaic_skymatch.solution import connected_parts, solve_levels


def offsets_of(levels, pairs, variance=1.0, errors=None):
    errors = np.zeros(len(pairs)) if errors is None else errors
    return [
        PairOffset(i, j, levels[i] - levels[j] + error, variance, 100)
        for (i, j), error in zip(pairs, errors, strict=True)
    ]


def test_consistent_offsets_give_levels_with_zero_mean():
    levels = np.array([3.0, -1.0, 4.0, 1.0])
    solution = solve_levels(4, offsets_of(levels, [(0, 1), (1, 2), (2, 3), (0, 3)]))
    np.testing.assert_allclose(solution.levels, levels - levels.mean(), atol=1e-12)
    assert solution.n_components == 1


def test_equals_dense_weighted_least_squares():
    rng = np.random.default_rng(5)
    pairs = [(i, j) for i in range(8) for j in range(i + 1, 8) if rng.random() < 0.6]
    variance = rng.uniform(0.1, 4.0, len(pairs))
    values = 0.5 * np.sqrt(variance) * rng.normal(size=len(pairs))
    offsets = [
        PairOffset(i, j, value, v, 10)
        for (i, j), value, v in zip(pairs, values, variance, strict=True)
    ]
    design = np.zeros((len(pairs), 8))
    for row, (i, j) in enumerate(pairs):
        design[row, i], design[row, j] = 1.0, -1.0
    for weighted, w in ((True, 1 / np.sqrt(variance)), (False, np.ones(len(pairs)))):
        expected = np.linalg.pinv(design * w[:, None]) @ (values * w)
        found = solve_levels(8, offsets, weighted=weighted).levels
        np.testing.assert_allclose(found, expected, atol=1e-10)


def test_each_component_has_zero_mean_and_loners_have_no_level():
    levels = np.array([1.0, 5.0, 2.0, 8.0, 100.0])
    solution = solve_levels(5, offsets_of(levels, [(0, 2), (1, 3)]))
    np.testing.assert_allclose(solution.levels, [-0.5, -1.5, 0.5, 1.5, np.nan], atol=1e-12)
    assert solution.components.tolist() == [0, 1, 0, 1, -1]


def test_no_offsets_at_all():
    solution = solve_levels(3, [])
    assert np.isnan(solution.levels).all()
    assert solution.n_components == 0


def test_parts_are_numbered_by_their_first_member():
    pairs = offsets_of(np.zeros(6), [(1, 4), (4, 5), (2, 3)])
    assert connected_parts(6, pairs).tolist() == [0, 1, 2, 2, 1, 1]


@pytest.mark.parametrize("level", [0.0, 1e3])
def test_exact_offsets_do_not_break_weights(level):
    offsets = [PairOffset(0, 1, level, 0.0, 10), PairOffset(1, 2, level, 0.0, 90)]
    np.testing.assert_allclose(
        solve_levels(3, offsets).levels, [level, 0.0, -level], atol=1e-9 * max(level, 1.0)
    )


def test_pair_that_contradicts_all_loops_is_left_out():
    rng = np.random.default_rng(9)
    levels = rng.normal(size=8)
    pairs = [(i, j) for i in range(8) for j in range(i + 1, 8)]
    errors = 0.01 * rng.normal(size=len(pairs))
    clean = solve_levels(8, offsets_of(levels, pairs, 1e-4, errors))
    spoiled = errors.copy()
    spoiled[4] += 1.0
    found = solve_levels(8, offsets_of(levels, pairs, 1e-4, spoiled))
    assert np.flatnonzero(found.trust < 0.5).tolist() == [4]
    assert np.all(clean.trust > 0.5)
    # By less than the error of a level.
    assert np.abs(found.levels - clean.levels).max() < 0.01 / np.sqrt(8)


def test_without_loops_nothing_is_distrusted():
    levels = np.array([0.0, 5.0, 1.0])
    solution = solve_levels(3, offsets_of(levels, [(0, 1), (1, 2)], 1e-8))
    assert solution.trust.tolist() == [1.0, 1.0]
