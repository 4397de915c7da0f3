"""The true sky, as detectors see it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from jwst_mosaic_simulation import Cirrus, Galaxy, dither_pointings
from jwst_mosaic_simulation._sky import make_sky


@pytest.mark.parametrize(
    ("aperture", "binning"), [("MIRIM_FULL", 1), ("MIRIM_FULL", 4), ("NRCA1_FULL", 32)]
)
def test_the_sky_is_where_the_wcs_says(aperture, binning):
    pointings = dither_pointings(1, rolls=(40.0, 130.0), aperture=aperture)
    sky = make_sky(pointings, components=(Galaxy(6.0, 15.0), Cirrus(0.5, 0.8)), binning=binning)
    for pointing in pointings:
        wcs = pointing.wcs(binning)
        y, x = np.indices(wcs.array_shape)[:, ::7, ::7]
        expected = sky.diffuse(*wcs(x, y, with_bounding_box=False))
        seen = sky.observe(wcs, wcs.array_shape)[::7, ::7]
        assert np.ptp(expected) > 0.5
        assert_allclose(seen, expected, atol=1e-4)
