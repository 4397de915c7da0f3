"""The true sky, its components, and how detectors see it."""

import numpy as np
import pytest
from helpers import wcs_of
from numpy.random import default_rng
from numpy.testing import assert_allclose
from scipy.ndimage import center_of_mass

from jwst_mosaic_simulation import Cirrus, Galaxy, Pointing, dither_pointings
from jwst_mosaic_simulation._geometry import load_aperture
from jwst_mosaic_simulation._sky import make_sky, render_stars


@pytest.mark.parametrize(
    ("aperture", "binning"), [("MIRIM_FULL", 1), ("MIRIM_FULL", 4), ("NRCA1_FULL", 32)]
)
def test_the_sky_is_where_the_wcs_says(aperture, binning):
    pointings = dither_pointings(1, rolls=(40.0, 130.0), aperture=aperture)
    sky = make_sky(pointings, components=(Galaxy(6.0, 15.0), Cirrus(0.5, 0.8)), binning=binning)
    for pointing in pointings:
        wcs = wcs_of(pointing, binning)
        y, x = np.indices(wcs.array_shape)[:, ::7, ::7]
        expected = sky.diffuse(*wcs(x, y, with_bounding_box=False))
        seen = sky.observe(wcs, wcs.array_shape)[::7, ::7]
        assert np.ptp(expected) > 0.5
        assert_allclose(seen, expected, atol=1e-4)


def test_star_keeps_flux_and_place():
    wcs, (x, y), flux = wcs_of(Pointing(150.0, 2.2, 40.0)), (692.3, 512.1), 100.0
    image = render_stars(np.array([[*wcs(x, y), flux]]).T, wcs, (1024, 1032), 0.27)
    pixel = load_aperture("MIRIM_FULL").pixel_area * np.deg2rad(1 / 3600) ** 2
    assert image.sum() * pixel * 1e12 == pytest.approx(flux, rel=1e-3)  # uJy
    assert center_of_mass(image) == pytest.approx((y, x), abs=1e-3)


def test_cirrus_is_log_normal_with_a_power_law():
    places, frequency = np.arange(256.0), np.fft.fftfreq(256)
    cirrus = Cirrus(5.0, 0.5, slope=2.5)
    image = cirrus.draw(places[None], places[:, None], default_rng(4))
    assert (image.mean(), np.log(image).std()) == pytest.approx((5.0, 0.5), rel=0.05)
    power = np.abs(np.fft.fft2(np.log(image))) ** 2
    logs = np.log([np.hypot(frequency, frequency[:, None]).ravel()[1:], power.ravel()[1:]])
    assert np.polyfit(*logs, 1)[0] == pytest.approx(-2.5, abs=0.05)
