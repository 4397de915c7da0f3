"""Errors of levels: cases done by hand, and the scatter of many noises."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import make_tile, match_tiles, structured_sky

from jwst_mosaic_skymatch.levels.combine import combine_levels
from jwst_mosaic_skymatch.levels.errors import level_errors
from jwst_mosaic_skymatch.levels.joint import solve_jointly
from jwst_mosaic_skymatch.levels.results import Stack
from jwst_mosaic_skymatch.offsets.measure import PairOffset
from jwst_mosaic_skymatch.offsets.statistic import Statistic
from jwst_mosaic_skymatch.tiles.blocks import BlockMap, summarize
from jwst_mosaic_skymatch.tiles.noise import NoiseCurve

# Variance of a member's level inside its stack of two, and of the levels of two stacks
# about their mean: a quarter of that of the offset.
INSIDE, BETWEEN = 0.03**2, 0.02 / 4
NOISE = NoiseCurve(constant=4.0)


def blocks(*values):
    return BlockMap(x0=0, y0=0, weight=np.array([values], dtype=np.float32))


def make_stack(members, *coverage, x0=0):
    """Make a stack of one or two members, of 100 cells of unit variance."""
    two = len(members) == 2
    tile = replace(make_tile(x0, 0, (10, 10)), noise=NOISE)
    return Stack(
        label="v",
        members=members,
        levels=np.zeros(len(members)),
        covariance=INSIDE * np.array([[1.0, -1.0], [-1.0, 1.0]]) if two else np.zeros((1, 1)),
        shifts=np.full((len(members), 2), np.nan),
        shift_variances=np.full((len(members), 2), np.nan),
        coverage=coverage,
        frames=(),
        summary=summarize(tile),
        mean=tile,
    )


def errors_of(n, stacks, *pairs, rigid=False):
    offsets = [
        PairOffset(
            first=first, second=second, value=0.0, variance=0.02, quoted_variance=0.02, n_cells=100
        )
        for first, second in pairs
    ]
    joint = solve_jointly([s.summary for s in stacks], offsets)
    return level_errors(stacks, offsets, joint, combine_levels(n, stacks, joint, rigid=rigid))


def test_two_exposures():
    """One offset, its error divided between the two; and two exposures that nothing ties."""
    stacks = [make_stack((k,), blocks(1.0), x0=x0) for k, x0 in enumerate((0, 0, 90))]
    expected = [np.sqrt(BETWEEN), np.sqrt(BETWEEN), np.nan, np.nan]
    np.testing.assert_allclose(errors_of(4, stacks, (0, 1)), expected, rtol=1e-5)


def test_stack_without_partner_has_its_own_errors():
    stacks = [make_stack((1, 0), blocks(1.0), blocks(1.0))]
    np.testing.assert_allclose(errors_of(3, stacks), [0.03, 0.03, np.nan], rtol=1e-6)


def test_members_that_share_the_overlap_alike_do_not_spoil_it():
    """Errors (e, -e) inside and (g, -g) between: e + 2g/3, -e + 2g/3 and -4g/3."""
    stacks = [make_stack((0, 1), blocks(1.0), blocks(1.0)), make_stack((2,), blocks(1.0))]
    variance = np.array([INSIDE + 4 / 9 * BETWEEN, INSIDE + 4 / 9 * BETWEEN, 16 / 9 * BETWEEN])
    np.testing.assert_allclose(errors_of(3, stacks, (0, 1)) ** 2, variance, rtol=1e-5)


def test_overlap_with_one_member_passes_its_error_on():
    """What is tied to that member alone shares its error e.

    The level e that is too high makes the stack's mean, and the offset, too low by e.
    Half of it goes to each stack: e/2, -3e/2 and e/2, less their mean -e/6.
    """
    first = make_stack((0, 1), blocks(1.0, 0.0), blocks(0.0, 1.0))
    second = make_stack((2,), blocks(1.0, 0.0))
    of_inside, of_between = np.array([2, -4, 2]) / 3, np.array([2, 2, -4]) / 3
    variance = of_inside**2 * INSIDE + of_between**2 * BETWEEN
    found = errors_of(3, [first, second], (0, 1))
    np.testing.assert_allclose(found**2, variance, rtol=1e-5)


def test_rigid_groups_count_once_in_the_mean():
    first = replace(make_stack((0, 1), blocks(1.0), blocks(1.0)), covariance=np.zeros((2, 2)))
    found = errors_of(3, [first, make_stack((2,), blocks(1.0))], (0, 1), rigid=True)
    np.testing.assert_allclose(found, np.sqrt(BETWEEN), rtol=1e-5)


def smooth_sky(x, y):
    """One slope in each overlap, from which offset and shift look alike."""
    return 10.0 * np.exp(-((x - 40.0) ** 2 + (y - 30.0) ** 2) / 800.0)


def mosaic_tiles(seed, sky, spread):
    """Make overlapping tiles; every seed has its own noise and no levels."""
    corners = np.random.default_rng(1).integers(0, spread, (7, 2))
    return [
        make_tile(int(x), int(y), (40, 40), noise=0.1, seed=1000 * seed + k, sky=sky)
        for k, (x, y) in enumerate(corners)
    ]


@pytest.mark.parametrize(
    ("labels", "spread", "sky"),
    [
        ("aaaabbb", 20, structured_sky),
        pytest.param("abcdefg", 35, structured_sky, marks=pytest.mark.slow),
        pytest.param("aaaaaaa", 20, structured_sky, marks=pytest.mark.slow),
        ("aaaabbb", 20, smooth_sky),
        pytest.param("abcdefg", 35, smooth_sky, marks=pytest.mark.slow),
        pytest.param("aaaabbb", 20, None, marks=pytest.mark.slow),
    ],
)
def test_pulls_have_unit_width(labels, spread, sky):
    """Errors describe the scatter, also where errors inside stacks spread to others."""
    matches = [
        match_tiles(mosaic_tiles(seed, sky, spread), labels, Statistic()) for seed in range(30)
    ]
    pulls = np.array([m.levels / m.level_errors for m in matches])
    # 180 independent pulls give their width to 5 %; means of seven are zero.
    assert 0.85 < pulls.std() < 1.15
    assert abs(pulls.mean()) < 0.05
    # Thirty to 240 degrees of freedom in all.
    chi2, dof = np.sum([m.closure for m in matches], axis=0)
    assert abs(chi2 - dof) < 3.0 * np.sqrt(2.0 * dof)


def test_errors_know_that_pairs_share_noise():
    """Seven exposures of one field: each level is known to sigma / sqrt(cells)."""
    tiles = [make_tile(0, 0, (50, 50), noise=0.1, seed=k) for k in range(7)]
    errors = match_tiles(tiles, "a" * 7, Statistic()).level_errors
    # From the scatter of 21 pairs, that of 2500 cells each.
    np.testing.assert_allclose(errors, 0.1 / 50 * np.sqrt(6 / 7), rtol=0.1)
