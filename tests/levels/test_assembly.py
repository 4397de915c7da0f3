"""Pairs of stacks in terms of exposures."""

import numpy as np
import pytest
from levels.synthetic import made
from numpy.testing import assert_allclose, assert_array_equal

from jwst_mosaic_skymatch.levels.assembly import assemble
from jwst_mosaic_skymatch.levels.results import Stack
from jwst_mosaic_skymatch.tiles.frame import DetectorFrame
from jwst_mosaic_skymatch.tiles.windows import BlockMap


def stack(label, members, place, corrections):
    whole = BlockMap(place, 0, np.ones((4, 4), dtype=np.float32))
    centres = [np.array([10.0 * k, 5.0]) for k in members]
    frames = tuple(DetectorFrame(c, c, np.eye(2), (10, 10)) for c in centres)
    coverage = (whole,) * len(members)
    return Stack(label, members, corrections, coverage, frames, whole, None)


def test_pairs_of_stacks_measure_their_members():
    """Corrections of members are added again, at the place of the pair."""
    corrections = np.zeros((3, 6))
    corrections[:2] = [[0.1, 0.3, 0, 1e-3, 0, 0], [-0.1, 0, -0.3, 0, 2e-3, 0.06]]
    stacks = [stack("a", (0, 1, 2), 0, corrections), stack("b", (3,), 2, np.zeros((1, 6)))]
    before, inside_pair = made(0, 1), made(0, 1)
    before.centre[[0, 1, 4]] = 0.02, -0.01, 5.0
    result = assemble(4, [inside_pair], stacks, [before, made(1, 2)])
    third = 1.0 / 3.0
    expected = [[1, -1, 0, 0, 0], [third, third, third, -1, 0], [0, 0, 0, 1, -1]]
    assert_allclose(result.shares.toarray(), expected, atol=1e-7)
    x, y = before.centre[2:4]
    # The first side is brighter than the mean of both by half the offset.
    brightness = 5.0 + 0.5 * before.offset
    offset = 0.1 + 1e-3 * x - 0.1 + 2e-3 * (y - 5.0) + 0.06 * brightness
    added = np.array([offset, 0.3, -0.3, 1e-3, 2e-3, 0.06]) / 3.0
    restored = before.estimate + added
    assert_allclose(result.pairs[1].estimate[1:], restored[1:], rtol=1e-9)
    # The shift that was taken out of the members is none of the mean: the offset has no part in it.
    assert result.pairs[1].offset == pytest.approx(restored[0], abs=2e-4)
    assert_array_equal(result.pairs[0].estimate, inside_pair.estimate)
