"""Absolute levels from skies."""

import numpy as np
from numpy.testing import assert_array_equal

from jwst_mosaic_skymatch.levels.absolute import add_global_level, global_levels, local_levels

SKIES = np.array([100.0, 120.0, np.nan, 95.0])


def test_local_level_is_the_lowest_of_the_group():
    assert_array_equal(local_levels(SKIES, [*"aabb"]), [100.0, 100.0, np.nan, 95.0])
    assert_array_equal(local_levels(SKIES, [*"abcd"]), SKIES)


def test_global_level_is_the_lowest_of_all():
    assert_array_equal(global_levels(SKIES), [95.0, 95.0, np.nan, 95.0])
    assert np.isnan(global_levels(np.full(3, np.nan))).all()


def test_global_level_on_top_of_matched_ones():
    """The lowest sky that is left is zero; without overlap a level counts as zero."""
    levels = add_global_level(np.array([0.0, 15.0, np.nan, np.nan]), SKIES)
    assert_array_equal(levels, [95.0, 110.0, np.nan, 95.0])
