"""The tangent plane of the simulated sky."""

import numpy as np
from astropy.wcs import WCS
from numpy.testing import assert_allclose

from jwst_mosaic_simulation._geometry import TangentPlane


def test_agrees_with_astropy():
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.crval = 0.001, 88.0
    plane = TangentPlane(0.001, 88.0)
    x, y = np.array([-100.0, 40.0]), np.array([30.0, -200.0])
    ra, dec = plane.deproject(x, y)
    assert_allclose((ra, dec), wcs.wcs_pix2world(x / 3600, y / 3600, 1), rtol=0, atol=1e-10)
    assert_allclose(plane.project(ra, dec), (x, y), atol=1e-8)
