"""How large trends are, found from pairs with known ones, and what they do to offsets."""

import numpy as np
import pytest
from helpers import flat_frame
from scipy import sparse

from jwst_mosaic_skymatch.levels.solution import incidence_matrix
from jwst_mosaic_skymatch.levels.trends import (
    StripNoise,
    TrendEffects,
    TrendVariances,
    find_structure,
    include_structure,
)
from jwst_mosaic_skymatch.offsets.measure import PairFit, PairOffset
from jwst_mosaic_skymatch.offsets.trends import StripScatter, Trends

NOISE = 1e-8
SLOPE_NOISE = np.diag([1e-12, 1e-12, 1e-6])


def strips(variance=NOISE, n_strips=40.0):
    return StripScatter(
        n_strips=n_strips,
        n_wide=n_strips / 4,
        variance=variance,
        variance_wide=variance,
        with_trends=variance,
        wide_with_trends=variance,
        of_slopes=np.eye(3) * 1e-6,
    )


def pair(first, second, slopes=(0.0, 0.0, 0.0), position=(0.0, 0.0, 5.0), scatter=NOISE):
    return PairOffset(
        first=first,
        second=second,
        value=0.0,
        variance=NOISE,
        noise_variance=NOISE,
        n_cells=1000,
        fit=PairFit(np.zeros(3), NOISE * np.eye(3), np.eye(3)),
        trends=Trends(
            position=np.array(position),
            slopes=np.array(slopes, dtype=float),
            covariance=SLOPE_NOISE,
            strips=(strips(scatter), strips()),
        ),
    )


def drawn_pairs(n, own, *, families=None, shared=0.0, gain=0.0, seed=1):
    """All pairs of n exposures whose gradients and gains are drawn, with noise."""
    rng = np.random.default_rng(seed)
    families = range(n) if families is None else families
    of_family = rng.normal(0, shared, (max(families) + 1, 2))
    slopes = of_family[list(families)] + rng.normal(0, own, (n, 2))
    trends = np.column_stack([slopes, rng.normal(0, gain, n)])
    noise = np.sqrt(np.diag(SLOPE_NOISE))
    return [
        pair(i, j, trends[i] - trends[j] + noise * rng.standard_normal(3))
        for i in range(n)
        for j in range(i + 1, n)
    ]


def structure_of(pairs, n, families=None):
    names = [str(k) for k in (families or range(n))]
    return find_structure(
        pairs, incidence_matrix(n, pairs), [flat_frame(0, 0)] * n, names, np.ones(len(pairs))
    )


def test_effects_by_hand():
    """Measured at x = 30; centres at 10 and 50: +20 for one, +20 for the other's share of -1."""
    pairs = [pair(0, 1, position=(30.0, 7.0, 5.0))]
    frames = [flat_frame(10, 7), flat_frame(50, 4)]
    effects = TrendEffects.of(incidence_matrix(2, pairs), pairs, frames)
    x, y, light = (matrix.toarray()[0] for matrix in effects.by_axis)
    np.testing.assert_allclose(x, [20.0, 20.0])
    np.testing.assert_allclose(y, [0.0, -3.0])
    np.testing.assert_allclose(light, [5.0, -5.0])
    variance = effects.variances(TrendVariances(slope=1e-6, gain=1e-4))
    np.testing.assert_allclose(variance, 1e-6 * (400 + 400 + 9) + 1e-4 * 50)


def test_gradient_of_a_family_moves_its_own_pairs_by_the_distance_of_centres():
    pairs = [pair(0, 1, position=(30.0, 0.0, 5.0))]
    frames = [flat_frame(10, 0), flat_frame(50, 0)]
    effects = TrendEffects.of(incidence_matrix(2, pairs), pairs, frames)
    family = effects.by_group(sparse.csr_array(np.ones((2, 1))))
    np.testing.assert_allclose(family.by_axis[0].toarray(), [[40.0]])
    np.testing.assert_allclose(family.shares.toarray(), [[0.0]])


def test_unknown_trends_change_nothing():
    offset = PairOffset(first=0, second=1, value=1.0, variance=0.1, n_cells=9)
    found = structure_of([offset], 2)
    assert found.trend_variances.tolist() == [0.0]
    assert found.structure_variances.tolist() == [0.0]


@pytest.mark.parametrize("seed", range(5))
def test_constants_have_no_trends(seed):
    found = structure_of(drawn_pairs(8, 0.0, seed=seed), 8)
    assert (found.of_exposures, found.of_families) == (TrendVariances(), TrendVariances())


def test_gradients_of_single_exposures():
    rms = 2e-5
    variances = [
        structure_of(drawn_pairs(9, rms, seed=seed), 9, [0] * 9).of_exposures.slope
        for seed in range(20)
    ]
    assert np.mean(variances) == pytest.approx(rms**2, rel=0.35)


def test_gradients_of_families():
    """Four families of three: those of families are found beside those of exposures."""
    own, shared = 5e-6, 4e-5
    families = np.repeat(range(4), 3).tolist()
    found = [
        structure_of(drawn_pairs(12, own, families=families, shared=shared, seed=s), 12, families)
        for s in range(20)
    ]
    assert np.mean([f.of_exposures.slope for f in found]) == pytest.approx(own**2, rel=0.35)
    # That of four is multiplied by 4/3, as so few tell it badly.
    assert np.mean([f.of_families.slope for f in found]) == pytest.approx(
        4 / 3 * shared**2, rel=0.45
    )


def test_gains():
    found = structure_of(drawn_pairs(9, 0.0, gain=0.01), 9, [0] * 9)
    assert found.of_exposures.gain**0.5 == pytest.approx(0.01, rel=0.5)
    assert found.of_exposures.slope == 0.0


def test_strips_of_all_pairs_tell_what_they_do_to_each():
    """In each pair strips show a hundred times the noise: one exposure's half of that."""
    pairs = [
        pair(i, j, scatter=101 * NOISE) for i, j in ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
    ]
    found = structure_of(pairs, 4, [0] * 4)
    rows, columns = found.strips
    # As wide ones scatter no more than four times less wide ones would, they are independent.
    assert rows.exponent == 1.0 or rows.variance > 0
    assert rows.variance == pytest.approx(100 * NOISE * 40 / 2)
    assert columns == StripNoise()
    np.testing.assert_allclose(found.structure_variances, 100 * NOISE)


def test_what_is_included():
    pairs = [pair(0, 1), PairOffset(first=0, second=1, value=0.0, variance=0.5, n_cells=9)]
    first, second = include_structure(pairs, np.array([1e-8, 0.25]), np.array([2e-8, 0.125]))
    assert first.variance == pytest.approx(4e-8)
    assert first.fit.covariance[0, 0] == pytest.approx(4e-8)
    assert first.noise_variance == NOISE
    assert (second.variance, second.structure_variance, second.trend_variance) == (
        0.875,
        0.25,
        0.125,
    )
