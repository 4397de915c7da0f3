"""Parts that pairs connect, and exposures that lie upon each other."""

import numpy as np
import pytest

from jwst_mosaic_skymatch.offsets.graph import connected_parts, find_stacks
from jwst_mosaic_skymatch.tiles.blocks import BlockMap


def stacks_of(*rectangles):
    """Find the stacks of rectangles (x0, y0, ny, nx)."""
    return find_stacks([BlockMap(x0, y0, np.ones(shape)) for x0, y0, *shape in rectangles]).tolist()


@pytest.mark.parametrize(("step", "expected"), [(50, [0, 0, 0]), (51, [0, 1, 2])])
def test_stacks_share_half(step, expected):
    assert stacks_of(*((step * k - 70, -3, 10, 100) for k in range(3))) == expected
    assert stacks_of(*((-3, step * k - 70, 100, 10) for k in range(3))) == expected


def test_half_of_the_smaller_one():
    for x0, stack in ((40, 0), (60, 1)):
        assert stacks_of((0, 0, 50, 50), (x0, 10, 5, 20)) == [0, stack]
    # Blocks without weight are no part of an exposure.
    mask = np.arange(10)[:, None] < 4
    assert find_stacks([BlockMap(0, 0, mask), BlockMap(0, 0, ~mask)]).tolist() == [0, 1]


def test_parts_are_numbered_by_their_first_node():
    assert stacks_of(*((x, 0, 50, 50) for x in (200, 0, 10, 205, 100))) == [0, 1, 1, 0, 2]
    first, second = np.array([(4, 1), (5, 4), (2, 3)]).T
    assert connected_parts(6, first, second).tolist() == [0, 1, 2, 2, 1, 1]
