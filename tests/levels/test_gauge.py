"""The zero point."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from jwst_mosaic_skymatch.levels.gauge import fix_zero_point

NAN = np.nan
# Two components, and an exposure without a level.
LEVELS = SimpleNamespace(
    values=np.array([-1.0, 1.0, NAN, -2.0, 2.0, 0.0]),
    components=np.array([0, 0, -1, 1, 1, 1]),
    anchored=np.array([False, False]),
)
ANCHORED = SimpleNamespace(**{**vars(LEVELS), "anchored": np.array([False, True])})
NOTHING = SimpleNamespace(
    values=np.full(2, NAN), components=np.array([-1, -1]), anchored=np.array([], dtype=bool)
)


@pytest.mark.parametrize(
    ("levels", "positions", "match_down", "expected", "unreached"),
    [
        (LEVELS, (), True, [1, 3, NAN, 0, 4, 2], [0, 1]),
        (LEVELS, (), False, [-3, -1, NAN, -4, 0, -2], [0, 1]),
        (LEVELS, (1,), True, [-2, 0, NAN, 0, 4, 2], [1]),
        (LEVELS, (4, 5), True, [0, 2, NAN, -3, 1, -1], [0]),
        (LEVELS, (0, 2, 3), True, [0, 2, NAN, 0, 4, 2], []),
        (LEVELS, (2,), True, [1, 3, NAN, 0, 4, 2], [0, 1]),
        (ANCHORED, (), True, [0, 2, NAN, -2, 2, 0], [0]),
        (NOTHING, (), True, [NAN, NAN], []),
    ],
)
def test_constants(levels, positions, match_down, expected, unreached):
    values, components = fix_zero_point(levels, positions, match_down=match_down)
    assert_array_equal(values, expected)
    assert components.tolist() == unreached


def test_lowest_sky_that_is_left_becomes_zero():
    """Without overlap a level counts as zero; without a good pixel it is unknown."""
    skies = np.array([100.0, 102.0, 95.0, 99.0, NAN, 101.0])
    values, _ = fix_zero_point(LEVELS, match_down=True, skies=skies)
    assert_array_equal(values, [96.0, 98.0, 95.0, 95.0, NAN, 97.0])
    none, _ = fix_zero_point(LEVELS, match_down=True, skies=np.full(6, NAN))
    assert np.isnan(none).all()
