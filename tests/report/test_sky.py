"""Places on a tangent plane, and the net upon it."""

import numpy as np
import pytest
from astropy.wcs import WCS

from jwst_mosaic_skymatch.report.sky import (
    draw_graticule,
    find_centre,
    plane_of_sky,
    sky_of_plane,
)

CENTRES = [(150.0, 2.2), (0.001, -45.0), (359.999, 60.0), (83.0, 89.9)]


@pytest.mark.parametrize("centre", CENTRES)
def test_as_fits_has_it(centre):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = centre, (0.0, 0.0), (1 / 3600, 1 / 3600)
    offsets = np.random.default_rng(1).uniform(-300.0, 300.0, (50, 2))
    expected = np.stack(wcs.wcs_pix2world(*offsets.T, 0), axis=1)
    offsets = offsets + 1.0  # of the reference pixel
    np.testing.assert_allclose(plane_of_sky(*expected.T, centre), offsets, atol=1e-6)
    back = sky_of_plane(offsets, centre)
    apart = (back - expected + 180.0) % 360.0 - 180.0
    assert np.abs(apart * np.cos(np.deg2rad(expected[:, 1:]))).max() < 1e-9


def test_what_lies_behind_has_no_place():
    assert np.isnan(plane_of_sky(np.array([330.0]), np.array([-2.2]), (150.0, 2.2))).all()


def test_centre():
    """Right ascension passes 360 degrees."""
    corners = np.array([(359.9, 1.0), (0.1, 1.0), (0.1, -1.0), (359.9, -1.0)])
    ra, dec = find_centre([corners, np.zeros((0, 2))])
    assert min(ra, 360.0 - ra) < 1e-9
    assert dec == pytest.approx(0.0, abs=1e-9)
    assert find_centre([]) == (0.0, 0.0)


@pytest.mark.parametrize("centre", CENTRES[:3])
@pytest.mark.parametrize("half", [3.0, 100.0, 3000.0])
def test_net_is_where_it_says(centre, half):
    net = draw_graticule(half, -half, -half, half, centre)
    assert 1 <= len(net.ra_ticks) <= 6
    assert 1 <= len(net.dec_ticks) <= 6
    for north, name in net.dec_ticks:
        (_, dec), *_ = sky_of_plane(np.array([(half, north)]), centre)
        assert dec == pytest.approx(_degrees(name, "dms"), abs=half * 1e-3 / 3600.0)
    for east, name in net.ra_ticks:
        (ra, _), *_ = sky_of_plane(np.array([(east, -half)]), centre)
        apart = (ra - 15.0 * _degrees(name, "hms") + 180.0) % 360.0 - 180.0
        assert abs(apart) < half * 2e-3 / 3600.0


def _degrees(name, marks):
    sign, rest, total = -1.0 if name[0] == "-" else 1.0, name.lstrip("+-"), 0.0
    for mark, unit in zip(marks, (1.0, 60.0, 3600.0), strict=True):
        value, _, rest = rest.partition(mark)
        total += float(value or 0.0) / unit
    return sign * total
