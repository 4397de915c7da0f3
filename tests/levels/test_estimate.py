"""Levels, errors and backgrounds from made-up measurements with known ones."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from levels.synthetic import (
    Sky,
    change_offset,
    grid,
    measure_all,
    measurements_of,
    quality,
    unknowns_of,
)
from numpy.random import default_rng
from numpy.testing import assert_array_equal

from jwst_mosaic_skymatch.levels.estimate import estimate_levels
from jwst_mosaic_skymatch.levels.quality import Defects, remarks_of
from jwst_mosaic_skymatch.levels.results import NO_OVERLAP
from jwst_mosaic_skymatch.tiles.observation import TiledExposure

SEEDS = range(12)


def match(sky, pairs, changes=None, measured=None, **options):
    """Estimate the levels of exposures in no stacks."""
    n = len(sky.levels)
    exposures = [TiledExposure(None, np.nan, obstacle) for obstacle in ["no good pixel", *[""] * n]]
    unknowns = unknowns_of(sky, **(changes or {}))
    measurements = measurements_of(n, pairs, **(measured or {}))
    return estimate_levels(measurements, unknowns, exposures, (), **{"known": {}, **options})


def made_up(seed, side, *ends, **options):
    """Make up measurements without background."""
    rng = default_rng(seed)
    sky = grid(side, rng, **options)
    return sky, measure_all(sky, rng, *ends)


def pull(results):
    """Rms of errors in units of the quoted ones, from pairs of both."""
    errors, quoted = np.hstack(results)
    return np.sqrt(np.mean(np.square(errors / quoted)))


def about_mean(values):
    return values - values.mean(axis=0)


TRIANGLE = [(0, 1), (1, 2), (0, 2)]
TRUTH = {
    "visit gradient": 2e-4,
    "exposure gradient": 2e-4,
    "gain": 5e-3,
    "left": 0.1,
    "misfit": 2e-3,
    "shift": 0.1,
}


def made(name, seed, side=6):
    """Make up measurements with one effect; two exposures have a family."""
    rng = default_rng(seed)
    n, truth = side**2, TRUTH.get(name)
    families = np.append(np.arange(n) // 2, n // 2)
    sky = grid(side, rng, glow=truth if name == "left" else 0.0)
    if name in ("visit gradient", "exposure gradient"):
        sky.gradients[:] = rng.normal(0.0, truth, (n, 2))
    if name == "visit gradient":
        sky.gradients[:] = sky.gradients[families[:n]]
    if name == "shift":
        sky.shifts[:] = rng.normal(0.0, truth, (n, 2))
    if name == "gain":
        sky.gains[:] = rng.normal(0.0, truth, n)
    pairs = measure_all(sky, rng)
    if name == "misfit":
        pairs = [change_offset(pair, rng.normal(0.0, truth)) for pair in pairs]
    return sky, pairs, {"family_of": families}


@pytest.mark.parametrize("name", [None, *TRUTH])
def test_estimates_have_their_errors(name):
    """Levels, gradients, contrasts and variances come back, and no other effect is there."""
    results, fits, sigmas, others = [], [], [], []
    plane_per = {"visit gradient": "group", "exposure gradient": "exposure"}.get(name)
    for seed in SEEDS:
        sky, pairs, changes = made(name, seed)
        result = match(sky, pairs, changes, plane_per=plane_per)
        backgrounds = result.backgrounds
        assert list(backgrounds.sigmas) == ([name] if name not in (None, "shift") else [])
        error = result.levels.values - sky.levels
        if plane_per:
            gradients = backgrounds.gradients - sky.gradients
            # Nothing constrains the plane that all have in common.
            error -= about_mean(sky.centres) @ gradients.mean(axis=0)
            others.append(gradients / backgrounds.gradient_errors)
        elif name == "shift":
            shifts = result.levels.shifts - about_mean(sky.shifts)
            others.append(shifts.T / result.levels.shift_errors)
        elif name == "left":
            value, uncertainty = backgrounds.contrasts["MIRIMAGE left"]
            others.append((value - sky.glow) / uncertainty)
        results.append((error, result.levels.errors))
        for pair in [] if plane_per else result.stack_pairs:
            ends = [pair.measurement.first, pair.measurement.second]
            fitted = pair.measurement.offset - pair.residual + np.diff(sky.levels[ends])
            fits.append((fitted, [pair.fitted_error]))
        sigmas += backgrounds.sigmas.values()
    assert 0.8 < pull(results) < 1.25
    assert plane_per or 0.8 < pull(fits) < 1.25
    if others:
        assert 0.7 < np.sqrt(np.mean(np.square(others))) < 1.35
    if sigmas and name != "left":  # a single contrast says little about its variance
        assert 0.85 < np.mean(sigmas) / TRUTH[name] < 1.15


def test_one_gradient_beyond_all_others():
    """With a normal prior all gradients may be as large, and errors are 0.14."""
    results = []
    for seed in SEEDS:
        sky, _, changes = made("exposure gradient", seed, side=4)
        sky.gradients[5] = 50.0 * TRUTH["exposure gradient"]
        levels = match(sky, measure_all(sky, default_rng(seed)), changes).levels
        results.append((levels.values - sky.levels, levels.errors))
    # The plane that all have in common is most of the error, so that twelve seeds scatter.
    assert 0.7 < pull(results) < 1.5
    assert np.mean(results[0][1]) < 0.03


def test_pairs_that_share_noise():
    """Four exposures of one field: half of the information of each pair is its own."""
    results, sky = [], grid(2, default_rng(0))
    for seed in range(40):
        rng = default_rng(seed)
        noisy = replace(sky, levels=sky.levels + rng.normal(0.0, sky.noise, 4), noise=1e-9)
        pairs = [change_offset(p, variance=4.0 * sky.noise**2) for p in measure_all(noisy, rng)]
        levels = match(sky, pairs).levels
        results.append((levels.values - sky.levels, levels.errors))
    assert 0.8 < pull(results) < 1.25


def test_spoiled_pair_among_many_is_rejected():
    sky, pairs = made_up(3, 4)
    clean = match(sky, pairs).levels
    pairs[7] = change_offset(pairs[7], 0.5)
    spoiled = match(sky, pairs)
    assert [k for k, pair in enumerate(spoiled.stack_pairs) if not pair.used] == [7]
    assert spoiled.stack_pairs[7].residual == pytest.approx(0.5, abs=5e-3)
    assert np.all(np.abs(spoiled.levels.values - clean.values) < 2.0 * clean.errors)
    assert np.all(spoiled.levels.errors < 2.0 * clean.errors)


@pytest.mark.parametrize("spoiled", [0, 1, 2])
def test_loop_that_does_not_close_is_misfit(spoiled):
    """Six errors in a triangle are chi2 of 12, by chance in 1 of 2000.

    None of three pairs is known to be the spoiled one: the misfit is in all errors.
    """
    sky, pairs = made_up(0, 2, TRIANGLE, noise=1e-9)
    pairs = [change_offset(pair, variance=1e-6) for pair in pairs]
    clean = match(sky, pairs)
    assert not clean.backgrounds.sigmas
    for size in (6e-3, 0.5):
        pairs[spoiled] = change_offset(pairs[spoiled], size)
        result = match(sky, pairs)
        assert list(result.backgrounds.sigmas) == ["misfit"]
        levels = result.levels
        assert np.all(levels.errors[:3] > 3.0 * clean.levels.errors[:3])
        errors = levels.values[:3] - about_mean(sky.levels[:3])
        assert np.all(np.abs(errors) < 3.0 * levels.errors[:3])


def test_slopes_are_structure_without_gradients_in_the_model():
    """Strips scatter ten times as much with the slopes that no gradient explains."""
    sky, pairs = made_up(2, 4)
    own = quality(2e-3)
    steep = replace(own, strips=replace(own.strips, raw=10.0 * own.strips.raw))
    pairs = [replace(pair, quality=steep) for pair in pairs]
    assert match(sky, pairs).stack_pairs[0].error > np.sqrt(40e-6)


def test_either_of_two_links_may_be_spoiled():
    """Two links of two parts that are well connected: a misfit of one is an error of both."""
    rng = default_rng(5)
    sky = grid(4, rng)
    pairs = [p for p in measure_all(sky, rng) if (p.first < 8) == (p.second < 8)]
    pairs += [change_offset(pair, 0.1) for pair in measure_all(sky, rng, [(4, 8)])]
    pairs += measure_all(replace(sky, noise=3e-3), rng, [(7, 11)])
    result = match(sky, pairs)
    errors = np.array([pair.error for pair in result.stack_pairs])
    assert np.all(errors[:-2] < 2e-3)
    assert errors[-2] > 0.08
    assert np.all(np.abs(result.levels.values - sky.levels) < 2.0 * result.levels.errors)


def test_held_levels_are_exact_and_anchor_their_component():
    sky, pairs = made_up(6, 3)
    pairs = [p for p in pairs if (p.first > 5) == (p.second > 5)]
    held = np.append(np.full(9, np.nan), 0.0)
    held[[0, 4]] = 7.0 + sky.levels[[0, 4]]
    levels = match(sky, pairs, {"held": held}).levels
    assert_array_equal(levels.values[[0, 4]], held[[0, 4]])
    assert levels.errors[[0, 4]] == pytest.approx(0.0, abs=1e-12)
    assert_array_equal(levels.components, np.repeat([0, 1], [6, 3]))
    assert_array_equal(levels.anchored, [True, False])
    assert np.all(abs(levels.values - 7.0 - sky.levels)[:6] <= 3.0 * levels.errors[:6] + 1e-12)
    assert levels.values[6:].sum() == pytest.approx(0.0, abs=1e-9)
    assert_array_equal(levels.shifts, 0.0)


@pytest.mark.parametrize("held", [5.0, np.nan])
def test_one_exposure_ties_two_detectors(held):
    """Two detectors of an exposure have one level, to the error of typical pedestals."""
    sky, pairs = made_up(6, 2, [(0, 1), (2, 3)])
    held = np.array([held, np.nan, np.nan, np.nan, 0.0])
    changes = {"exposure_of": np.array([0, 1, 0, 2, 3]), "held": held}
    levels = match(sky, pairs, changes).levels
    assert levels.values[0] == pytest.approx(np.nan_to_num(held[0], nan=levels.values[2]))
    assert levels.values[2] == pytest.approx(levels.values[0], abs=1e-6)
    assert levels.values[2] - levels.values[3] == pytest.approx(pairs[1].offset, abs=1e-6)
    assert np.all((levels.errors[2:] > 1e-3) & (levels.errors[2:] < 6e-3))


def test_image_is_held_at_zero():
    sky, pairs = made_up(7, 2, [(0, 1), (1, 2)])
    pairs[1] = replace(pairs[1], second=4)
    levels = match(sky, pairs).levels
    assert levels.values[1] == pytest.approx(pairs[1].offset, abs=1e-9)
    assert levels.errors[:2] == pytest.approx(1e-3 * np.sqrt([2, 1]), rel=1e-6)
    assert (levels.components.tolist(), levels.anchored.tolist()) == ([0, 0, -1, -1], [True])
    assert levels.reasons == ("", "", NO_OVERLAP, NO_OVERLAP)
    assert match(sky, []).levels.reasons == ("no good pixel", *[NO_OVERLAP] * 3)


def detectors(rng, n):
    """Make up two detectors that never overlap, with n exposures and pedestals of 0.01."""
    levels = np.tile(rng.normal(0.0, 1.0, n), 2) + rng.normal(0.0, 0.01, 2 * n)
    none = np.zeros((2 * n, 2))
    sky = Sky(levels, none, none, none[:, 0], none)
    ends = [*combinations(range(n), 2), *combinations(range(n, 2 * n), 2)]
    exposures = np.append(np.tile(np.arange(n), 2), n)
    return sky, measure_all(sky, rng, ends), {"exposure_of": exposures}


def test_ties_recover_pedestals():
    results, sigmas = [], []
    for seed in range(40):
        sky, pairs, changes = detectors(default_rng(seed), 12)
        result = match(sky, pairs, changes)
        assert len(result.levels.anchored) == 1
        results.append((result.levels.values - about_mean(sky.levels), result.levels.errors))
        sigmas.append(result.backgrounds.sigmas["pedestal"])
    assert 0.8 < pull(results) < 1.25
    assert 0.008 < np.median(sigmas) < 0.0125
    assert len(match(sky, pairs).levels.anchored) == 2


def test_noisy_exposure_is_remarked():
    """Half of the variance of a pair is that of the others."""
    defects = Defects(*np.zeros((2, 3)), np.array([1.0, 13.0, 1.0]))
    assert "scatter 5 times" in remarks_of(defects)[1]


def test_exposure_full_of_hits_is_remarked_and_left_out_of_the_mean():
    sky, pairs = made_up(9, 3)
    for k, pair in enumerate(pairs):
        sign = (pair.first == 4) - (pair.second == 4)
        pairs[k] = replace(pair, quality=quality(excess=0.1 * sign, asymmetry=0.01 * sign))
    result = match(sky, pairs)
    assert list(result.remarks) == [4]
    assert np.delete(result.levels.values, 4).sum() == pytest.approx(0.0, abs=1e-9)
    # Twice the asymmetry is the bias of its offsets.
    assert result.levels.errors[4] == pytest.approx(0.02, rel=0.1)
