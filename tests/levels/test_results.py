"""Closure of pairs, and the factor that it puts on errors."""

import numpy as np
import pytest

from jwst_mosaic_skymatch.levels.results import PairResult, closure_factor, closure_of
from jwst_mosaic_skymatch.offsets.measure import PairOffset


def pairs(residuals, expected=1.0, variance=1.0):
    return [
        PairResult(
            offset=PairOffset(first=0, second=1, value=0.0, variance=variance, n_cells=9),
            residual=residual,
            expected_variance=expected,
            weight=1.0,
            robust_weight=1.0,
        )
        for residual in residuals
    ]


def test_all_pairs_count():
    chi2, dof = closure_of(pairs([1.0, -2.0, 30.0], expected=0.5))
    assert (chi2, dof) == (905.0, 1.5)
    assert closure_of(pairs([1.0, -2.0, 30.0]), 9.0)[0] == 14.0


def test_pairs_without_noise_say_nothing():
    assert closure_of(pairs([0.0, 0.0], variance=0.0)) == (0.0, 0.0)
    assert closure_factor(pairs([0.0], variance=0.0)) == 1.0


def test_nothing_measured_twice():
    """What is left of zeros by rounding is no disagreement."""
    assert closure_factor(pairs([1e-12], expected=1e-17)) == 1.0


def test_chance_leaves_errors_as_they_are():
    residuals = np.random.default_rng(1).standard_normal(30)
    assert closure_factor(pairs(residuals)) == 1.0
    assert closure_factor(pairs([2.0])) == 1.0


def test_errors_grow_by_what_is_missing():
    residuals = 2.5 * np.random.default_rng(1).standard_normal(300)
    assert closure_factor(pairs(residuals)) == pytest.approx(2.0, rel=0.1)


def test_one_spoiled_pair_does_not_decide():
    residuals = np.append(np.random.default_rng(1).standard_normal(30), 1000.0)
    assert closure_factor(pairs(residuals)) == 1.0
