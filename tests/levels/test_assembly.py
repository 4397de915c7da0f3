"""Noise that pairs share, noise of tiles, and pairs of stacks in terms of exposures."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from levels.synthetic import grid, measure_all, quality
from numpy.random import default_rng
from numpy.testing import assert_allclose, assert_array_equal

from jwst_mosaic_skymatch.levels.assembly import assemble
from jwst_mosaic_skymatch.levels.information import (
    information_ratios,
    noise_factors,
    weigh_pairs,
)
from jwst_mosaic_skymatch.levels.results import MatchedStack, Stack
from jwst_mosaic_skymatch.tiles.frame import DetectorFrame
from jwst_mosaic_skymatch.tiles.tile import TileSummary
from jwst_mosaic_skymatch.tiles.windows import BlockMap

SKY = grid(2, default_rng(0))
ENDS = [(0, 1), (0, 2), (1, 2), (2, 3)]


def made(*ends, **changes):
    (pair,) = measure_all(SKY, default_rng(sum(ends)), [ends])
    return replace(pair, **changes)


def maps():
    """Inverse variances of tiles that overlap in part."""
    rng = default_rng(2)
    return [
        BlockMap(x, y, rng.uniform(0.5, 2.0, (6, 6)).astype(np.float32))
        for x, y in [(0, 0), (2, 1), (3, 3), (7, 4)]
    ]


def test_ratios_are_those_of_a_joint_solution():
    """Information of each pair after the sky of every block is eliminated, by dense algebra."""
    information, factors = maps(), np.array([1.0, 2.0, 0.5, 1.0])
    weight = np.full((4, 20, 20), 1e-30)
    for k, one in enumerate(information):
        weight[k, one.y0 : one.y0 + 6, one.x0 : one.x0 + 6] = one.weight / factors[k]
    weight = weight.reshape(4, -1)
    # The Schur complement for the levels; without other tiles, of two alone.
    joint = weight / weight.sum(axis=0) @ weight.T
    expected = [
        joint[i, j] / np.sum(weight[i] * weight[j] / (weight[i] + weight[j])) for i, j in ENDS
    ]
    ratios = information_ratios([made(*ends) for ends in ENDS], information, factors)
    assert_allclose(ratios, expected, rtol=1e-5)
    assert ratios.min() < 0.9


SUMMARIES = [TileSummary(m, 100 * (k + 1), 1.0, 1.0) for k, m in enumerate(maps())]


def test_noise_of_each_tile():
    """One tile is noisier than it says; of its partners none is."""
    truth = np.array([1.0, 1.0, 9.0, 1.0])
    pairs = [
        made(i, j, quality=quality(noise_ratio=0.5 * (truth[i] + truth[j])))
        for i, j in combinations(range(4), 2)
    ]
    assert_allclose(noise_factors(pairs, SUMMARIES), truth, rtol=0.05)
    assert_array_equal(noise_factors([], SUMMARIES), 1.0)


def test_share_outside_of_the_overlap():
    pair = made(0, 1, quality=quality(n_cells=60))
    assert weigh_pairs([pair], SUMMARIES)[1] == pytest.approx([1.0 - 120.0 / 300.0])


def stack(label, members, place, corrections):
    whole = BlockMap(place, 0, np.ones((4, 4), dtype=np.float32))
    centres = [np.array([10.0 * k, 5.0]) for k in members]
    frames = tuple(DetectorFrame(c, c, np.eye(2), (10, 10)) for c in centres)
    summary = TileSummary(whole, 1000, 1.0, 1.0)
    coverage = (whole,) * len(members)
    return Stack(label, members, corrections, coverage, frames, summary, None)


def test_pairs_of_stacks_measure_their_members():
    """Corrections of members are added again, at the place of the pair."""
    corrections = np.zeros((3, 5))
    corrections[:2] = [[0.1, 0.3, 0.0, 1e-3, 0.0], [-0.1, 0.0, -0.3, 0.0, 2e-3]]
    stacks = [stack("a", (0, 1, 2), 0, corrections), stack("b", (3,), 2, np.zeros((1, 5)))]
    before, inside_pair, nothing = made(0, 1), made(0, 1), np.zeros(0)
    before.centre[:2] = 0.02, -0.01
    inside = [
        MatchedStack((), (inside_pair,), np.array([0.4]), np.array([0.3]), {}, {}, {0: 2.0}),
        MatchedStack((), (), nothing, nothing, {}, {}, {3: 1.0}),
    ]
    result = assemble(4, inside, stacks, [before, made(1, 2)])
    third = 1.0 / 3.0
    expected = [[1, -1, 0, 0, 0], [third, third, third, -1, 0], [0, 0, 0, 1, -1]]
    assert_allclose(result.shares.toarray(), expected, atol=1e-7)
    assert_allclose(result.ratios[[0, 2]], [0.4, 1.0])
    assert_allclose(result.outside, [0.3, 0.0, 0.0])
    x, y = before.centre[2:4]
    offset = 0.1 + 1e-3 * x - 0.1 + 2e-3 * (y - 5.0)
    added = np.array([offset, 0.3, -0.3, 1e-3, 2e-3, 0.0]) / 3.0
    restored = before.estimate + added
    assert_allclose(result.pairs[1].estimate[1:], restored[1:], rtol=1e-9)
    # The shift that was taken out of the members is none of the mean: the offset has no part in it.
    assert result.pairs[1].offset == pytest.approx(restored[0], abs=2e-4)
    assert_array_equal(result.pairs[0].estimate, inside_pair.estimate)
    assert_array_equal(result.factors, [2.0, np.nan, np.nan, 1.0])
