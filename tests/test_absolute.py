"""Absolute levels from skies."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from jwst_mosaic_skymatch.absolute import local_levels

SKIES = [100.0, 120.0, np.nan, 95.0]


@pytest.mark.parametrize(
    ("skies", "labels", "levels"),
    [
        (SKIES, "aabb", [100.0, 100.0, np.nan, 95.0]),
        (SKIES, "abcd", SKIES),
        (SKIES, "aaaa", [95.0, 95.0, np.nan, 95.0]),
        ([np.nan] * 3, "aaa", [np.nan] * 3),
    ],
)
def test_level_is_the_lowest_of_the_group(skies, labels, levels):
    assert_array_equal(local_levels(np.array(skies), [*labels]), levels)
