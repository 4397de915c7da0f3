"""Variance of offsets by structure of backgrounds."""

from dataclasses import replace

import numpy as np
import pytest
from levels.synthetic import grid, measure_all, quality
from numpy.testing import assert_allclose, assert_array_equal

from jwst_mosaic_skymatch.levels.model import structure_variances
from jwst_mosaic_skymatch.offsets.trends import StripScatter

NOISE, STRIP = 1e-3, 4e-4
NUMBERS = N_STRIPS, N_WIDE = 20.0, 5.0


def strips(variance, ratio=4.0):
    """Scatter of strips along rows with a variance; wide ones have a part of it."""
    narrow, wide = 2.0 * variance / N_STRIPS, 2.0 * variance / ratio / N_WIDE
    scatter = NOISE**2 + np.array([[narrow, wide], [0.0, 0.0]])
    return StripScatter(scatter, scatter * [[2.0, 1.0], [1.0, 1.0]], np.tile(NUMBERS, (2, 1)))


@pytest.fixture
def pairs():
    rng = np.random.default_rng(0)
    return striped(measure_all(grid(4, rng), rng), STRIP)


def striped(pairs, *scatter):
    """Put strips along rows, none along columns."""
    own = quality(outside=0.5, strips=strips(*scatter))
    return [replace(pair, quality=own) for pair in pairs]


def estimate(pairs, **options):
    n = len(pairs)
    return structure_variances(pairs, np.full(n, 2.0), **options)


def test_common_variance_of_independent_strips(pairs):
    variances = estimate(pairs)
    expected = 2.0 * STRIP / N_STRIPS
    assert_allclose(variances[:, 0], 0.5 * expected)
    assert_allclose(variances[:, 1], 1.0 + expected / NOISE**2)
    assert np.all(estimate(pairs, detrended=False)[:, 0] > 1.5 * variances[:, 0])


def test_correlated_strips_average_slowly(pairs):
    """With equal variances of strips of both widths, the exponent is the least one."""
    variances = estimate(striped(pairs, STRIP, 1.0))
    assert_allclose(variances[:, 0], STRIP / N_STRIPS**0.2)


def test_pair_that_scatters_by_more_has_its_own_variance(pairs):
    pairs[3] = striped(pairs, 100.0 * STRIP)[3]
    expected = np.where(np.arange(len(pairs)) == 3, 100.0, 1.0) * STRIP / N_STRIPS
    assert_allclose(estimate(pairs)[:, 0], expected, rtol=1e-6)


def test_noise_is_no_structure(pairs):
    quiet = [replace(pair, quality=quality()) for pair in pairs]
    assert_array_equal(estimate(quiet), np.tile([0.0, 1.0], (len(pairs), 1)))
    assert estimate([]).shape == (0, 2)
