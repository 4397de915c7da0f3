"""The zero point."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from jwst_mosaic_skymatch.levels.gauge import fix_zero_point

NAN = np.nan
# Two components, and an exposure without a level.
VALUES = np.array([-1.0, 1.0, NAN, -2.0, 2.0, 0.0])
COMPONENTS = np.array([0, 0, -1, 1, 1, 1])


def fix(*positions, anchored=(False, False), match_down=True, **options):
    levels = SimpleNamespace(values=VALUES, components=COMPONENTS, anchored=np.array(anchored))
    return fix_zero_point(levels, positions, match_down=match_down, **options)


@pytest.mark.parametrize(
    ("positions", "options", "constants", "unreached"),
    [
        ((), {}, (2, 2), [0, 1]),
        ((), {"match_down": False}, (-2, -2), [0, 1]),
        ((1,), {}, (-1, 2), [1]),
        ((0, 2, 4, 5), {}, (1, -1), []),
        ((2,), {}, (2, 2), [0, 1]),
        ((), {"anchored": (False, True)}, (2, 0), [0]),
    ],
)
def test_constants(positions, options, constants, unreached):
    values, components = fix(*positions, **options)
    assert_array_equal(values, VALUES + np.append(constants, NAN)[COMPONENTS])
    assert components.tolist() == unreached


def test_lowest_sky_that_is_left_becomes_zero():
    """Without overlap a level counts as zero; without a good pixel as well it is unknown."""
    skies = np.array([100.0, 102.0, 95.0, 99.0, NAN, 101.0])
    values, _ = fix(skies=skies)
    assert_array_equal(values, [96.0, 98.0, 95.0, 95.0, 99.0, 97.0])
    none, _ = fix(skies=np.full(6, NAN))
    assert np.isnan(none).all()
