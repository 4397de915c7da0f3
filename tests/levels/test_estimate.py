"""Levels, errors and backgrounds from made-up measurements with known ones."""

from dataclasses import replace

import numpy as np
import pytest
from levels.synthetic import (
    grid,
    measure,
    measure_all,
    measurements_of,
    quality,
    unknowns_of,
)

from jwst_mosaic_skymatch.levels.estimate import estimate_levels
from jwst_mosaic_skymatch.levels.results import NO_OVERLAP, MatchedStack
from jwst_mosaic_skymatch.offsets.strips import StripScatter

SEEDS = range(12)


def match(sky, pairs, changes=None, measured=None, **options):
    """Estimate the levels of exposures in no stacks."""
    n = len(sky.levels)
    skies = dict.fromkeys(range(n), np.nan)
    nothing = np.zeros(0)
    inside = [MatchedStack((), (), nothing, nothing, skies, {0: "no good pixel"}, {})]
    unknowns = unknowns_of(sky, **(changes or {}))
    measurements = measurements_of(n, pairs, **(measured or {}))
    return estimate_levels(measurements, unknowns, inside, (), **options)


def pull(errors, quoted):
    """Rms of errors in units of the quoted ones."""
    return np.sqrt(np.mean(np.square(np.concatenate(errors) / np.concatenate(quoted))))


def about_mean(values):
    return values - values.mean()


TRUTH = {
    "visit gradient": 2e-4,
    "exposure gradient": 2e-4,
    "gain": 5e-3,
    "left": 0.1,
    "misfit": 2e-3,
}


def made(name, seed, side=6):
    """Make up measurements with one effect; two exposures have a family."""
    rng = np.random.default_rng(seed)
    n, truth = side**2, TRUTH.get(name)
    families = np.append(np.arange(n) // 2, n // 2)
    sky = grid(side, rng, glow=truth if name == "left" else 0.0)
    gradients, gains = np.zeros((n, 2)), np.zeros(n)
    if name in ("visit gradient", "exposure gradient"):
        gradients = rng.normal(0.0, truth, (n, 2))
        gradients = gradients[families[:n]] if name == "visit gradient" else gradients
    elif name == "gain":
        gains = rng.normal(0.0, truth, n)
    sky = replace(sky, gradients=gradients, gains=gains)
    pairs = measure_all(sky, rng)
    if name == "misfit":
        pairs = [spoil(pair, rng.normal(0.0, truth)) for pair in pairs]
    return sky, pairs, {"family_of": families}


def spoil(pair, value):
    return replace(pair, estimate=pair.estimate + np.eye(pair.estimate.size)[0] * value)


@pytest.mark.parametrize("name", [None, *TRUTH])
def test_estimates_have_their_errors(name):
    """Levels, gradients, contrasts and variances come back, and no other effect is there."""
    errors, quoted, sigmas, others = [], [], [], []
    for seed in SEEDS:
        sky, pairs, changes = made(name, seed)
        plane_per = {"visit gradient": "group", "exposure gradient": "exposure"}.get(name)
        result = match(sky, pairs, changes, plane_per=plane_per)
        backgrounds = result.backgrounds
        assert list(backgrounds.sigmas) == ([name] if name else [])
        error = result.levels.values - sky.levels
        if plane_per:
            # Nothing constrains the plane that all have in common.
            common = (backgrounds.gradients - sky.gradients).mean(axis=0)
            error -= (sky.centres - sky.centres.mean(axis=0)) @ common
        errors.append(error)
        quoted.append(result.levels.errors)
        sigmas += backgrounds.sigmas.values()
        if plane_per:
            others.append((backgrounds.gradients - sky.gradients) / backgrounds.gradient_errors)
        elif name == "left":
            value, error = backgrounds.contrasts["MIRIMAGE left"]
            others.append((value - sky.glow) / error)
    assert 0.8 < pull(errors, quoted) < 1.25
    if others:
        assert 0.7 < np.sqrt(np.mean(np.square(others))) < 1.35
    if name and name != "left":  # a single contrast says little about its variance
        assert 0.85 < np.mean(sigmas) / TRUTH[name] < 1.15


def test_closure_of_clean_pairs():
    """Chi2 is its degrees of freedom; without redundancy there are none."""
    closures = []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        sky = grid(5, rng)
        levels = match(sky, measure_all(sky, rng)).levels
        closures.append(levels.closure)
    chi2, dof = np.sum(closures, axis=0)
    assert dof == pytest.approx(len(SEEDS) * (72 - 24), rel=0.03)
    assert 0.8 < chi2 / dof < 1.2
    chain = [measure(sky, ((k,), (k + 1,)), rng) for k in range(24)]
    assert match(sky, chain).levels.closure == pytest.approx((0.0, 0.0), abs=1e-3)


def test_closure_of_pairs_that_share_noise():
    """Four exposures of one field: half of the information of each pair is its own."""
    closures, sky = [], grid(2, np.random.default_rng(0))
    for seed in range(40):
        rng = np.random.default_rng(seed)
        noise = rng.normal(0.0, sky.noise, 4)
        noisy = replace(sky, levels=sky.levels + noise, noise=1e-9)
        pairs = []
        for pair in measure_all(noisy, rng):
            covariance = pair.covariance.copy()
            covariance[0, 0] = 2.0 * sky.noise**2
            pairs.append(replace(pair, covariance=covariance))
        levels = match(sky, pairs, measured={"ratios": np.full(6, 0.5)}).levels
        errors = levels.values - sky.levels
        closures.append((*levels.closure, np.mean((errors / levels.errors) ** 2)))
    chi2, dof, square = np.mean(closures, axis=0)
    assert (chi2, dof) == pytest.approx((0.0, 0.0), abs=1e-3)
    assert 0.8 < np.sqrt(square) < 1.25


def test_spoiled_pair_among_many_is_rejected():
    rng = np.random.default_rng(3)
    sky = grid(4, rng)
    pairs = measure_all(sky, rng)
    clean = match(sky, pairs)
    pairs[7] = spoil(pairs[7], 0.5)
    spoiled = match(sky, pairs)
    used = [pair.used for pair in spoiled.stack_pairs]
    assert [k for k, one in enumerate(used) if not one] == [7]
    change = np.abs(spoiled.levels.values - clean.levels.values)
    assert np.all(change < 2.0 * clean.levels.errors)
    assert spoiled.stack_pairs[7].residual == pytest.approx(0.5, abs=5e-3)
    assert np.all(spoiled.levels.errors < 2.0 * clean.levels.errors)


@pytest.mark.parametrize("spoiled", [0, 1, 2])
def test_spoiled_pair_of_a_triangle_is_in_the_errors(spoiled):
    """None of three pairs is known to be the spoiled one."""
    rng = np.random.default_rng(4)
    sky = grid(2, rng)
    pairs = [measure(sky, ((i,), (j,)), rng) for i, j in [(0, 1), (1, 2), (0, 2)]]
    pairs[spoiled] = spoil(pairs[spoiled], 0.5)
    levels = match(sky, pairs).levels
    worst = np.abs(levels.values[:3] - about_mean(sky.levels[:3])) / levels.errors[:3]
    assert worst.max() < 3.0
    assert levels.reasons == ("", "", "", NO_OVERLAP)


def test_loop_that_does_not_close_is_misfit():
    """Six errors in a triangle are chi2 of 12, by chance in 1 of 2000."""
    sky = grid(2, np.random.default_rng(0), noise=1e-9)
    pairs = []
    for ends in [(0, 1), (1, 2), (0, 2)]:
        pair = measure(sky, tuple([end] for end in ends), np.random.default_rng(1))
        covariance = pair.covariance.copy()
        covariance[0, 0] = 1e-6
        pairs.append(replace(pair, covariance=covariance))
    clean = match(sky, pairs)
    spoiled = match(sky, [*pairs[:2], spoil(pairs[2], 6e-3)])
    assert not clean.backgrounds.sigmas
    assert list(spoiled.backgrounds.sigmas) == ["misfit"]
    assert np.all(spoiled.levels.errors[:3] > 3.0 * clean.levels.errors[:3])


def test_slopes_are_structure_without_gradients_in_the_model():
    """Strips scatter ten times as much with the slopes that no gradient explains."""
    rng = np.random.default_rng(2)
    sky = grid(4, rng)
    flat, sloped = 4.0 * sky.noise**2, 40.0 * sky.noise**2
    strips = StripScatter(
        np.array([[flat, 20.0], [flat, 5.0]]), np.array([[sloped, 20.0], [sloped, 5.0]])
    )
    pairs = [replace(p, quality=quality(strips=(strips, strips))) for p in measure_all(sky, rng)]
    assert match(sky, pairs).stack_pairs[0].error > np.sqrt(sloped)


def test_shifts_are_about_their_mean():
    rng = np.random.default_rng(2)
    sky = grid(2, rng)
    shifts = np.append(rng.normal(1.0, 0.1, (4, 2)), np.full((1, 2), np.nan), axis=0)
    levels = match(sky, measure_all(sky, rng), measured={"shifts": shifts}).levels
    np.testing.assert_allclose(levels.shifts, shifts[:4] - shifts[:4].mean(axis=0))
    np.testing.assert_array_equal(levels.shift_errors, 1.0)


def test_either_of_two_links_may_be_spoiled():
    """Two links of two parts that are well connected: a misfit of one is an error of both."""
    rng = np.random.default_rng(5)
    sky = grid(4, rng)
    pairs = [p for p in measure_all(sky, rng) if (p.first < 8) == (p.second < 8)]
    first = measure(sky, ((4,), (8,)), rng)
    second = measure(replace(sky, noise=3e-3), ((7,), (11,)), rng)
    result = match(sky, [*pairs, spoil(first, 0.1), second])
    errors = np.array([pair.error for pair in result.stack_pairs])
    assert np.all(errors[:-2] < 2e-3)
    assert errors[-2] > 0.08
    steps = (result.levels.values - sky.levels) / result.levels.errors
    assert np.abs(steps).max() < 2.0


def test_held_levels_are_exact_and_anchor_their_component():
    rng = np.random.default_rng(6)
    sky = grid(3, rng)
    pairs = [p for p in measure_all(sky, rng) if max(p.first, p.second) < 6 or p.first > 5]
    held = np.append(np.full(9, np.nan), 0.0)
    held[[0, 4]] = 7.0 + sky.levels[[0, 4]]
    levels = match(sky, pairs, {"held": held}).levels
    np.testing.assert_array_equal(levels.values[[0, 4]], held[[0, 4]])
    assert levels.errors[[0, 4]] == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_array_equal(levels.components, np.repeat([0, 1], [6, 3]))
    np.testing.assert_array_equal(levels.anchored, [True, False])
    pulls = (levels.values[:6] - 7.0 - sky.levels[:6])[[1, 2, 3, 5]] / levels.errors[[1, 2, 3, 5]]
    assert np.abs(pulls).max() < 3.0
    assert levels.values[6:].sum() == pytest.approx(0.0, abs=1e-9)


def test_held_level_ties_the_other_detector():
    """A detector without overlap has the level of the held one of its exposure."""
    rng = np.random.default_rng(6)
    sky = grid(2, rng)
    pairs = [measure(sky, ends, rng) for ends in [((0,), (1,)), ((2,), (3,))]]
    held = np.array([5.0, np.nan, np.nan, np.nan, 0.0])
    changes = {"held": held, "exposure_of": np.array([0, 1, 0, 2, 3])}
    levels = match(sky, pairs, changes).levels
    assert levels.values[2] == pytest.approx(5.0, abs=1e-6)
    assert levels.values[3] == pytest.approx(5.0 - pairs[1].offset, abs=1e-6)


def test_image_is_held_at_zero():
    rng = np.random.default_rng(7)
    sky = grid(2, rng)
    with_image = replace(
        sky, levels=np.append(sky.levels, 0.0), centres=np.append(sky.centres, [[0, 0]], axis=0)
    )
    pairs = [measure(with_image, ends, rng) for ends in [((0,), (1,)), ((1,), (4,))]]
    levels = match(sky, pairs).levels
    assert levels.values[1] == pytest.approx(pairs[1].offset, abs=1e-9)
    assert levels.errors[:2] == pytest.approx(1e-3 * np.sqrt([2, 1]), rel=1e-6)
    np.testing.assert_array_equal(levels.components, [0, 0, -1, -1])
    assert levels.reasons == ("", "", NO_OVERLAP, NO_OVERLAP)
    assert levels.anchored.tolist() == [True]


def detectors(rng, n_exposures, pedestal):
    """Two detectors that never overlap: exposures in two chains, levels with pedestals."""
    sky = grid(2, rng)
    common = rng.normal(0.0, 1.0, n_exposures)
    levels = np.concatenate([common, common]) + rng.normal(0.0, pedestal, 2 * n_exposures)
    sky = replace(sky, levels=levels, centres=np.zeros((2 * n_exposures, 2)))
    pairs = [
        measure(sky, ((i + k,), (j + k,)), rng)
        for k in (0, n_exposures)
        for j in range(n_exposures)
        for i in range(j)
    ]
    exposures = np.append(np.tile(np.arange(n_exposures), 2), n_exposures)
    return sky, pairs, {"exposure_of": exposures}


def test_ties_recover_pedestals():
    errors, quoted, sigmas = [], [], []
    for seed in range(40):
        sky, pairs, changes = detectors(np.random.default_rng(seed), 12, 0.01)
        result = match(sky, pairs, changes)
        assert result.levels.n_components == 1
        assert result.backgrounds.n_ties == 12
        errors.append(result.levels.values - about_mean(sky.levels))
        quoted.append(result.levels.errors)
        sigmas.append(result.backgrounds.sigmas["pedestal"])
    assert 0.8 < pull(errors, quoted) < 1.25
    assert 0.008 < np.median(sigmas) < 0.0125
    alone = match(sky, pairs)
    assert alone.levels.n_components == 2
    assert alone.backgrounds.n_ties == 0


def test_tie_without_redundancy_has_the_error_of_typical_pedestals():
    """A single exposure ties two components: nothing measures its pedestals."""
    rng = np.random.default_rng(8)
    sky = grid(2, rng)
    pairs = [measure(sky, ends, rng) for ends in [((0,), (1,)), ((2,), (3,))]]
    levels = match(sky, pairs, {"exposure_of": np.array([0, 1, 0, 2, 3])}).levels
    assert levels.values[0] == pytest.approx(levels.values[2], abs=1e-9)
    assert np.all((levels.errors > 1e-3) & (levels.errors < 6e-3))


@pytest.mark.parametrize("name", [None, *TRUTH])
def test_order_of_exposures_does_not_matter(name):
    sky, pairs, changes = made(name, 1, side=4)
    n = len(sky.levels)
    order = np.random.default_rng(1).permutation(n)
    place = np.argsort(order)
    moved = [replace(p, first=place[p.first], second=place[p.second]) for p in pairs[::-1]]
    moved_sky = replace(sky, levels=sky.levels[order], centres=sky.centres[order])
    one = match(sky, pairs, changes)
    families = {"family_of": changes["family_of"][np.append(order, n)]}
    other = match(moved_sky, moved, families)
    scale = np.abs(one.levels.values).max()
    np.testing.assert_allclose(
        other.levels.values, one.levels.values[order], rtol=0, atol=1e-9 * scale
    )
    np.testing.assert_allclose(other.levels.errors, one.levels.errors[order], rtol=1e-6)


def test_exposure_full_of_hits_is_remarked_and_left_out_of_the_mean():
    rng = np.random.default_rng(9)
    sky = grid(3, rng)
    pairs = []
    for pair in measure_all(sky, rng):
        sign = (pair.first == 4) - (pair.second == 4)
        hit = quality(excess=(0.1 * (sign > 0), 0.1 * (sign < 0)), asymmetry=0.01 * sign)
        pairs.append(replace(pair, quality=hit))
    result = match(sky, pairs)
    assert list(result.remarks) == [4]
    others = np.arange(9) != 4
    assert result.levels.values[others].sum() == pytest.approx(0.0, abs=1e-9)
    # Twice the asymmetry is the bias of its offsets.
    assert result.levels.errors[4] == pytest.approx(0.02, rel=0.1)


def test_nothing_overlaps():
    sky = grid(2, np.random.default_rng(0))
    result = match(sky, [])
    assert np.isnan(result.levels.values).all()
    assert result.levels.reasons == ("no good pixel", *[NO_OVERLAP] * 3)
