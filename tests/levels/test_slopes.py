"""Gradients of visits from those of pairs."""

from dataclasses import replace

import numpy as np
import pytest

from jwst_mosaic_skymatch.levels.results import PairResult
from jwst_mosaic_skymatch.levels.slopes import family_slopes
from jwst_mosaic_skymatch.levels.solution import incidence_matrix
from jwst_mosaic_skymatch.offsets.measure import PairOffset
from jwst_mosaic_skymatch.offsets.trends import Trends

ERROR = 1e-5
SLOPES = np.array([(0.0, 0.0), (3e-3, -1e-3), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0)])
FAMILIES = ["a", "b", "c", "d", "e"]


def make_pair(i, j, rng, *, extra=0.0, robust_weight=1.0, error=ERROR):
    slopes = SLOPES[i] - SLOPES[j] + rng.normal(0.0, error, 2) + extra
    trends = Trends(
        position=np.zeros(3),
        slopes=np.append(slopes, 0.0),
        covariance=np.diag([error**2, error**2, 1.0]),
        strips=(),
    )
    trends = replace(trends, strips=(_calm(),) * 2)
    offset = PairOffset(i, j, 0.0, 1e-6, 999, trends=trends, noise_variance=1e-6)
    return PairResult(offset, 0.0, 1e-6, 1.0, robust_weight)


def _calm():
    from jwst_mosaic_skymatch.offsets.trends import StripScatter

    return StripScatter(9.0, 3.0, 1e-6, 1e-6, 1e-6, 1e-6, np.zeros((3, 3)))


ALL = [(i, j) for i in range(5) for j in range(i + 1, 5)]


def solve(pairs, n=5, families=None):
    shares = incidence_matrix(n, [pair.offset for pair in pairs]).tocsr()
    return family_slopes(pairs, shares, families or FAMILIES[:n])


def test_the_steep_visit_is_found():
    rng = np.random.default_rng(1)
    found = solve([make_pair(i, j, rng) for i, j in ALL])
    assert found.names == tuple(FAMILIES)
    np.testing.assert_allclose(found.slopes, SLOPES, atol=5 * ERROR)
    assert found.significances[1] > 100
    assert np.all(np.delete(found.significances, 1) < 5)
    assert found.sizes[1] == pytest.approx(np.hypot(3e-3, 1e-3), rel=0.02)


def test_errors_are_honest():
    pulls = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        found = solve([make_pair(i, j, rng) for i, j in ALL])
        about_mean = found.slopes - SLOPES
        about_mean -= about_mean.mean(axis=0)
        pulls.append(about_mean / found.errors)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("left_out", [True, False])
def test_a_spoiled_overlap_is_no_gradient(left_out):
    rng = np.random.default_rng(2)
    pairs = [make_pair(i, j, rng) for i, j in ALL]
    weight = 0.0 if left_out else 1.0
    pairs[ALL.index((2, 3))] = make_pair(2, 3, rng, extra=5e-3, robust_weight=weight)
    found = solve(pairs)
    np.testing.assert_allclose(found.slopes[1], SLOPES[1], atol=20 * ERROR)
    assert np.argmax(found.sizes) == 1
    assert np.all(np.delete(found.sizes, 1) < 0.1 * found.sizes[1])


def test_pairs_of_one_visit_tell_nothing():
    rng = np.random.default_rng(3)
    found = solve([make_pair(1, 2, rng)], families=["a", "b", "b", "c", "d"])
    assert found.names == ("a", "b", "c", "d")
    assert np.isnan(found.slopes).all()
    found = solve([make_pair(0, 1, rng), make_pair(1, 2, rng)], families=["a", "b", "b", "c", "d"])
    assert np.isfinite(found.slopes[:2]).all()
    assert np.isnan(found.slopes[2:]).all()


def test_pairs_without_trends():
    pair = make_pair(0, 1, np.random.default_rng(4))
    plain = replace(pair, offset=replace(pair.offset, trends=None))
    assert np.isnan(solve([plain]).sizes).all()
    assert np.isnan(solve([]).slopes).all()
