"""Levels, errors and backgrounds from made-up measurements with known ones."""

from dataclasses import replace

import numpy as np
import pytest
from levels.synthetic import (
    grid,
    measure,
    measure_all,
    measurements_of,
    neighbours,
    quality,
    unknowns_of,
)

from jwst_mosaic_skymatch.levels.estimate import estimate_levels
from jwst_mosaic_skymatch.levels.results import NO_OVERLAP, MatchedStack

SEEDS = range(12)


def match(sky, pairs, changes=None, **options):
    """Estimate the levels of exposures in no stacks."""
    n = len(sky.levels)
    skies = dict.fromkeys(range(n), np.nan)
    nothing = np.zeros(0)
    inside = [MatchedStack((), (), nothing, nothing, skies, {0: "no good pixel"}, {})]
    unknowns = unknowns_of(sky, **(changes or {}))
    return estimate_levels(measurements_of(n, pairs), unknowns, inside, (), **options)


def pull(errors, quoted):
    """Rms of errors in units of the quoted ones."""
    return np.sqrt(np.mean(np.square(np.concatenate(errors) / np.concatenate(quoted))))


def about_mean(values):
    return values - values.mean()


@pytest.fixture(
    params=[
        (None, {}),
        ("visit gradient", {"gradient": 2e-4, "per_visit": True}),
        ("exposure gradient", {"gradient": 2e-4, "per_visit": False}),
        ("gain", {"gain": 5e-3}),
        ("left", {"glow": 0.1}),
    ],
    ids=lambda param: str(param[0]),
)
def scene(request):
    """Name an effect, and make up measurements with it from a seed."""
    name, options = request.param

    def made(seed):
        rng = np.random.default_rng(seed)
        sky = grid(5, rng, glow=options.get("glow", 0.0))
        n = len(sky.levels)
        families = np.append(np.repeat(np.arange(5), 5), 5)
        if "gradient" in options:
            of_family = rng.normal(0.0, options["gradient"], (n, 2))
            own = of_family[families[:n]] if options["per_visit"] else of_family
            sky = replace(sky, gradients=own)
        if "gain" in options:
            sky = replace(sky, gains=rng.normal(0.0, options["gain"], n))
        return sky, measure_all(sky, rng), {"family_of": families}

    return name, made


def test_levels_have_their_errors(scene):
    """Errors explain what the estimates miss, and the model has the effect that is there."""
    name, made = scene
    errors, quoted = [], []
    for seed in SEEDS:
        sky, pairs, changes = made(seed)
        result = match(sky, pairs, changes)
        assert list(result.backgrounds.sigmas) == ([name] if name else [])
        errors.append(result.levels.values - about_mean(sky.levels))
        quoted.append(result.levels.errors)
        assert result.levels.values.sum() == pytest.approx(0.0, abs=1e-9)
    assert 0.8 < pull(errors, quoted) < 1.25


@pytest.mark.parametrize(("per_visit", "plane_per"), [(True, "group"), (False, "exposure")])
def test_gradients_have_their_errors(per_visit, plane_per):
    errors, quoted = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        families = np.append(np.repeat(np.arange(18), 2), 18) if per_visit else np.arange(37)
        sky = grid(6, rng)
        gradients = rng.normal(0.0, 2e-4, (36, 2))[families[:36]]
        sky = replace(sky, gradients=gradients)
        result = match(sky, measure_all(sky, rng), {"family_of": families}, plane_per=plane_per)
        errors.append((result.backgrounds.gradients - gradients).ravel())
        quoted.append(result.backgrounds.gradient_errors.ravel())
    assert 0.8 < pull(errors, quoted) < 1.25


def test_contrast_of_a_region_has_its_error():
    errors, quoted = [], []
    for seed in range(24):
        rng = np.random.default_rng(seed)
        sky = grid(3, rng, glow=0.05)
        contrasts = match(sky, measure_all(sky, rng)).backgrounds.contrasts
        value, error = contrasts["MIRIMAGE left"]
        errors.append([value - sky.glow])
        quoted.append([error])
    assert 0.8 < pull(errors, quoted) < 1.25


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
    """Three exposures of one field: each pair shares a third of its information."""
    closures, n = [], 4
    for seed in range(60):
        rng = np.random.default_rng(seed)
        sky = grid(2, rng)
        # Four quarters of the field; in each the noise of the exposures closes in all loops.
        noise = rng.normal(0.0, 1e-3, n)
        pairs = []
        for i, j in neighbours(sky):
            pair = measure(sky, ((i,), (j,)), rng)
            estimate = pair.estimate.copy()
            estimate[0] = sky.levels[i] + noise[i] - sky.levels[j] - noise[j]
            covariance = pair.covariance.copy()
            covariance[0, 0] = 2e-6
            pairs.append(replace(pair, estimate=estimate, covariance=covariance))
        measurements = measurements_of(n, pairs, ratios=np.full(6, 0.5))
        nothing = [MatchedStack((), (), np.zeros(0), np.zeros(0), {}, {}, {})]
        levels = estimate_levels(measurements, unknowns_of(sky), nothing, ()).levels
        closures.append((*levels.closure, np.mean((levels.values - about_mean(sky.levels)) ** 2)))
        quoted = np.mean(levels.errors**2)
    chi2, dof, square = np.mean(closures, axis=0)
    assert (chi2, dof) == pytest.approx((0.0, 0.0), abs=1e-4)
    assert 0.8 < np.sqrt(square / quoted) < 1.25


def spoil(pair, value):
    return replace(pair, estimate=pair.estimate + np.array([value, 0.0, 0.0, 0.0]))


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


def test_pairs_that_do_not_close_are_in_the_errors():
    """Offsets that scatter by more than their errors have a misfit, or a factor on errors."""
    errors, quoted = [], []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        sky = grid(5, rng)
        pairs = [spoil(pair, rng.normal(0.0, 2e-3)) for pair in measure_all(sky, rng)]
        result = match(sky, pairs)
        errors.append(result.levels.values - sky.levels)
        quoted.append(result.levels.errors)
        assert "misfit" in result.backgrounds.sigmas or result.backgrounds.factor > 1.3
    assert 0.8 < pull(errors, quoted) < 1.25


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


def test_tie_without_redundancy_leaves_the_errors():
    """A single exposure ties two components: nothing measures its pedestals."""
    rng = np.random.default_rng(8)
    sky = grid(2, rng)
    pairs = [measure(sky, ends, rng) for ends in [((0,), (1,)), ((2,), (3,))]]
    levels = match(sky, pairs, {"exposure_of": np.array([0, 1, 0, 2, 3])}).levels
    assert levels.values[0] == pytest.approx(levels.values[2], abs=1e-9)
    assert levels.errors.max() < 2e-3


def test_order_of_exposures_does_not_matter(scene):
    _, made = scene
    sky, pairs, changes = made(1)
    n = len(sky.levels)
    order = np.random.default_rng(1).permutation(n)
    place = np.argsort(order)
    moved = [replace(p, first=place[p.first], second=place[p.second]) for p in pairs[::-1]]
    moved_sky = replace(sky, levels=sky.levels[order], centres=sky.centres[order])
    one = match(sky, pairs, changes)
    families = {"family_of": changes["family_of"][np.append(order, n)]}
    other = match(moved_sky, moved, families)
    scale = np.abs(one.levels.values).max()
    np.testing.assert_allclose(other.levels.values, one.levels.values[order], atol=1e-8 * scale)
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
    assert result.levels.errors[4] == pytest.approx(0.04, rel=0.1)


def test_nothing_overlaps():
    sky = grid(2, np.random.default_rng(0))
    result = match(sky, [])
    assert np.isnan(result.levels.values).all()
    assert result.levels.reasons == ("no good pixel", *[NO_OVERLAP] * 3)
