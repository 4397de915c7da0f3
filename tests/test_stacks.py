"""Parts that pairs connect, and exposures that lie upon each other."""

import numpy as np
import pytest

from jwst_mosaic_skymatch.levels.matrices import connected_parts
from jwst_mosaic_skymatch.stacking import find_stacks


def stacks_of(*rectangles, turn=1.0):
    """Find the stacks of rectangles (x0, y0, ny, nx), after a rotation of all."""
    corners = [
        turn * np.array([x + 1j * y, x + nx + 1j * y, x + nx + 1j * (y + ny), x + 1j * (y + ny)])
        for x, y, ny, nx in rectangles
    ]
    return find_stacks([np.column_stack([own.real, own.imag]) for own in corners]).tolist()


@pytest.mark.parametrize("turn", [1.0, np.exp(0.7j)])
@pytest.mark.parametrize(("step", "expected"), [(49, [0, 0, 0]), (51, [0, 1, 2])])
def test_stacks_share_half(turn, step, expected):
    assert stacks_of(*((step * k - 70, -3, 10, 100) for k in range(3)), turn=turn) == expected
    assert stacks_of(*((-3, step * k - 70, 100, 10) for k in range(3)), turn=turn) == expected


def test_parts_are_numbered_by_their_first_node():
    assert stacks_of(*((x, 0, 50, 50) for x in (200, 0, 10, 205, 100))) == [0, 1, 1, 0, 2]
    assert connected_parts(6, [(4, 1), (5, 4), (2, 3)]).tolist() == [0, 1, 2, 2, 1, 1]
