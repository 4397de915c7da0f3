"""Made-up observations."""

import pytest
from numpy.testing import assert_allclose

from jwst_mosaic_simulation import mosaic_pointings


def test_mosaic_overlaps_by_the_given_pixels():
    left, right = mosaic_pointings(2, 1, overlap_pixels=100, rolls=(33.0,))
    x, y = left.wcs().invert(right.ra_ref, right.dec_ref, with_bounding_box=False)
    # Distortion shifts the mean pitch a little from that at the reference point.
    assert_allclose((x - 692.5, y - 511.5), (1032 - 100, 0), atol=8)


@pytest.mark.parametrize(("visit_per_tile", "n_visits"), [(True, 12), (False, 2)])
def test_mosaic_visits_and_dithers(visit_per_tile, n_visits):
    pointings = mosaic_pointings(2, 3, dithers=2, rolls=(0.0, 90.0), visit_per_tile=visit_per_tile)
    assert len({p.rootname for p in pointings}) == len(pointings) == 24
    assert len({p.visit_id for p in pointings}) == n_visits
