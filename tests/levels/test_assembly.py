"""Noise that pairs share, noise of tiles, shifts, and pairs of stacks in terms of exposures."""

from dataclasses import replace

import numpy as np
import pytest
from levels.synthetic import grid, measure, quality

from jwst_mosaic_skymatch.levels.assembly import assemble
from jwst_mosaic_skymatch.levels.information import (
    information_ratios,
    noise_factors,
    weigh_pairs,
)
from jwst_mosaic_skymatch.levels.measurements import pair_shares
from jwst_mosaic_skymatch.levels.results import Flattening, MatchedStack, Stack
from jwst_mosaic_skymatch.levels.shifts import align_pairs
from jwst_mosaic_skymatch.offsets.measure import Shift
from jwst_mosaic_skymatch.tiles.blocks import BlockMap, TileSummary
from jwst_mosaic_skymatch.tiles.frame import DetectorFrame


@pytest.fixture
def sky():
    return grid(2, np.random.default_rng(0))


def made(sky, ends, **changes):
    rng = np.random.default_rng(sum(ends))
    pair = measure(sky, ((ends[0],), (ends[1],)), rng)
    return replace(pair, **changes)


ENDS = [(0, 1), (0, 2), (1, 2), (2, 3)]


def maps():
    """Inverse variances of tiles that overlap in part."""
    rng = np.random.default_rng(2)
    return [
        BlockMap(x, y, rng.uniform(0.5, 2.0, (6, 6)).astype(np.float32))
        for x, y in [(0, 0), (2, 1), (3, 3), (7, 4)]
    ]


def test_ratios_are_those_of_a_joint_solution(sky):
    """Information of each pair after the sky of every block is eliminated, by dense algebra."""
    information, factors = maps(), np.array([1.0, 2.0, 0.5, 1.0])
    weight = np.zeros((4, 20, 20))
    for k, one in enumerate(information):
        weight[k, one.y0 : one.y0 + 6, one.x0 : one.x0 + 6] = one.weight / factors[k]
    weight = weight.reshape(4, -1)
    # Normal matrix of levels and skies, and its Schur complement for the levels.
    total = np.maximum(weight.sum(axis=0), 1e-30)
    joint = np.diag(weight.sum(axis=1)) - weight / total @ weight.T
    alone = [
        np.sum(weight[i] * weight[j] / np.maximum(weight[i] + weight[j], 1e-30)) for i, j in ENDS
    ]
    ratios = information_ratios([made(sky, ends) for ends in ENDS], information, factors)
    expected = [-joint[i, j] / own for (i, j), own in zip(ENDS, alone, strict=True)]
    np.testing.assert_allclose(ratios, expected, rtol=1e-5)
    assert ratios.min() < 0.9


def summaries(n=4):
    return [TileSummary(m, m, 100 * (k + 1), True, 1.0, 1.0) for k, m in enumerate(maps())][:n]


def test_noise_of_each_tile(sky):
    """One tile is noisier than it says; of its partners none is."""
    truth = np.array([1.0, 1.0, 9.0, 1.0])
    pairs = [
        made(sky, (i, j), quality=quality(noise_ratio=0.5 * (truth[i] + truth[j])))
        for i in range(4)
        for j in range(i + 1, 4)
    ]
    np.testing.assert_allclose(noise_factors(pairs, summaries()), truth, rtol=0.05)
    np.testing.assert_array_equal(noise_factors([], summaries()), 1.0)


def test_share_outside_of_the_overlap(sky):
    pair = made(sky, (0, 1), quality=quality(n_cells=60))
    assert weigh_pairs([pair], summaries())[1] == pytest.approx([1.0 - 120.0 / 300.0])


def test_offsets_at_common_shifts(sky):
    """Shifts of exposures come back, and offsets lose their part in these."""
    shifts = np.array([[0.1, 0.0], [-0.1, 0.05], [0.0, -0.05]])
    slope = np.array([0.02, 0.01])
    response = np.eye(3)
    response[0, 1:] = slope
    pairs = []
    for i, j in [(0, 1), (1, 2), (0, 2)]:
        shift = shifts[i] - shifts[j]
        covariance = np.diag([1e-6, 1e-10, 1e-10])
        pair = made(sky, (i, j), shift=Shift(np.zeros(2), -shift, covariance, response))
        estimate = pair.estimate.copy()
        estimate[0] = sky.levels[i] - sky.levels[j] - slope @ shift
        pairs.append(replace(pair, estimate=estimate))
    shares = pair_shares(4, pairs)
    aligned, solved, variances = align_pairs(pairs, shares, np.zeros((3, 2)))
    relative = shifts - shifts.mean(axis=0)
    np.testing.assert_allclose(solved[:3] - solved[:3].mean(axis=0), relative, atol=2e-3)
    assert np.isnan(solved[3]).all()
    assert variances[:3].max() < 0.01 < variances[3]
    offsets = [pair.offset for pair in aligned]
    np.testing.assert_allclose(offsets, shares @ sky.levels, atol=1e-4)
    assert all(1e-6 < pair.variance < 1e-5 for pair in aligned)


def test_added_shifts_are_part_of_the_solution(sky):
    """Means whose members were moved by 0.1 cells have no shift of their own."""
    response = np.eye(3)
    response[0, 1:] = 0.02, -0.01
    shift = Shift(np.zeros(2), np.zeros(2), np.diag([1e-6, 1e-10, 1e-10]), response)
    pair = made(sky, (0, 1), shift=shift)
    shares = pair_shares(2, [pair])
    (aligned,), solved, _ = align_pairs([pair], shares, np.array([[0.1, -0.2]]))
    np.testing.assert_allclose(solved[0] - solved[1], [0.1, -0.2], rtol=0.05)
    assert aligned.offset == pytest.approx(pair.offset, abs=3e-4)


def stack(label, members, place, flattening):
    whole = BlockMap(place, 0, np.ones((4, 4), dtype=np.float32))
    n = len(members)
    centres = [np.array([10.0 * k, 5.0]) for k in members]
    frames = tuple(DetectorFrame(c, c, np.eye(2), (10, 10)) for c in centres)
    summary = TileSummary(whole, whole, 1000, True, 1.0, 1.0)
    return Stack(label, members, flattening, (whole,) * n, frames, summary, None)


def test_pairs_of_stacks_measure_their_members(sky):
    """Corrections of members are added again, at the place of the pair."""
    flattening = Flattening(
        np.array([0.1, -0.1, 0.0]),
        np.array([[1e-3, 0.0], [0.0, 2e-3], [0.0, 0.0]]),
        np.zeros((3, 2)),
    )
    none = Flattening(np.zeros(1), np.zeros((1, 2)), np.zeros((1, 2)))
    stacks = [stack("a", (0, 1, 2), 0, flattening), stack("b", (3,), 2, none)]
    between = [made(sky, (0, 1)), made(sky, (1, 2))]
    inside_pair = made(sky, (0, 1))
    nothing = np.zeros(0)
    inside = [
        MatchedStack((), (inside_pair,), np.array([0.4]), np.array([0.3]), {}, {}, {0: 2.0}),
        MatchedStack((), (), nothing, nothing, {}, {}, {3: 1.0}),
    ]
    result = assemble(4, inside, stacks, between)
    third = 1.0 / 3.0
    expected = [[1, -1, 0, 0, 0], [third, third, third, -1, 0], [0, 0, 0, 1, -1]]
    np.testing.assert_allclose(result.shares.toarray(), expected, atol=1e-7)
    np.testing.assert_allclose(result.ratios[[0, 2]], [0.4, 1.0])
    np.testing.assert_allclose(result.outside, [0.3, 0.0, 0.0])
    before, after = between[0], result.pairs[1]
    x, y = before.centre[:2]
    added = (0.1 + 1e-3 * (x - 0.0) - 0.1 + 2e-3 * (y - 5.0)) / 3.0
    assert after.offset - before.offset == pytest.approx(added)
    np.testing.assert_allclose((after.estimate - before.estimate)[1:3], [1e-3 / 3, 2e-3 / 3])
    assert result.pairs[0] == inside_pair
    np.testing.assert_array_equal(result.factors, [2.0, np.nan, np.nan, 1.0])
