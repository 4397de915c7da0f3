"""Votes of partners on the cells of a tile."""

import numpy as np
import pytest
from helpers import make_tile

from jwst_mosaic_skymatch.offsets.outliers import Outliers, OutlierVotes


def vote(too_bright, x0=0, y0=0):
    """Make the comparison with a partner of which every cell has data."""
    first = np.array(too_bright, dtype=bool)
    return Outliers(
        x0=x0, y0=y0, valid=np.ones_like(first), first=first, second=np.zeros_like(first)
    )


@pytest.fixture
def tile():
    return make_tile(10, 20, (1, 4), level=1.0)


def rejected(tile, *partners):
    votes = OutlierVotes(tile)
    for outliers in partners:
        votes.add(outliers, outliers.first)
    found = votes.reject(tile)
    np.testing.assert_array_equal(np.isnan(found.data), found.weight == 0)
    return np.isnan(found.data[0]).tolist()


def test_more_than_half_of_the_partners_decide(tile):
    """Votes against the four cells: 3, 2, 1 and 0 of three; then 2 and 1 of two."""
    votes = ([[1, 1, 1, 0]], [[1, 1, 0, 0]], [[1, 0, 0, 0]])
    three = [vote(v, 10, 20) for v in votes]
    assert rejected(tile, *three) == [True, True, False, False]
    assert rejected(tile, *three[:2]) == [True, True, False, False]
    assert rejected(tile, three[0]) == [True, True, True, False]


def test_only_partners_that_see_a_cell_have_a_vote(tile):
    wide = vote([[1, 1, 1, 1]], 10, 20)
    right = vote([[0, 0]], 12, 20)
    assert rejected(tile, wide, right) == [True, True, False, False]
    hole = Outliers(x0=10, y0=20, valid=~wide.first, first=~wide.first, second=~wide.first)
    assert rejected(tile, wide, right, hole) == [True, True, False, False]


def test_tile_without_outliers_is_passed_on(tile):
    votes = OutlierVotes(tile)
    votes.add(vote([[0, 0, 0, 0]], 10, 20), np.zeros((1, 4), dtype=bool))
    assert votes.reject(tile) is tile
