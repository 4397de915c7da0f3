"""Made-up observations."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import pdist, squareform

from jwst_mosaic_simulation import dither_pointings, mosaic_pointings
from jwst_mosaic_simulation._geometry import TangentPlane


def test_dithers_are_one_to_two_steps_apart():
    pointings = dither_pointings(30, step=5.0)
    ra, dec = np.array([(p.ra_ref, p.dec_ref) for p in pointings]).T
    apart = squareform(pdist(np.transpose(TangentPlane(150.0, 2.2).project(ra, dec))))
    nearest = np.sort(apart, axis=1)[:, 1]
    assert nearest.min() == pytest.approx(5.0, rel=1e-5)
    assert nearest.max() < 10.0


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
    exposures = [int(p.exposure) for p in pointings if p.visit_id == pointings[-1].visit_id]
    assert exposures == list(range(1, 24 // n_visits + 1))
