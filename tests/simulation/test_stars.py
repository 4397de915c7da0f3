"""Point sources."""

import numpy as np
import pytest
from scipy.ndimage import center_of_mass

from jwst_mosaic_simulation import Pointing, StarCounts
from jwst_mosaic_simulation._sky import render_stars


def test_power_law_fluxes():
    counts = StarCounts(20000, flux=2.0, slope=1.8, brightest=100.0)
    _, _, flux = counts.draw((90.0, 40.0), np.random.default_rng(3))
    assert (flux.min(), flux.max()) == pytest.approx((2.0, 100.0), rel=1e-3)
    # N(> f) ~ f**(1 - slope)
    assert np.mean(flux > 20.0) == pytest.approx(10**-0.8, rel=0.05)


def pixel_area(wcs, x, y):
    """Area of a pixel on the sky, sr."""
    ra, dec = np.deg2rad(wcs([x, x + 1, x], [y, y, y + 1]))
    return abs(np.linalg.det([ra[1:] - ra[0], dec[1:] - dec[0]])) * np.cos(dec[0])


def test_stars_keep_flux_and_place():
    wcs = Pointing(150.0, 2.2, 40.0).wcs()
    places = [(600.3, 500.1, 100.0), (900.0, 40.4, 30.0)]
    x, y, flux = np.array(places).T
    image = render_stars(np.stack([*wcs(x, y), flux]), wcs, (1024, 1032), 0.27)
    rest = image.copy()
    for x, y, flux in places:
        window = np.s_[int(y) - 12 : int(y) + 13, int(x) - 12 : int(x) + 13]
        star, total = image[window], image[window].sum()
        assert total * 1e12 * pixel_area(wcs, x, y) == pytest.approx(flux, rel=1e-3)  # uJy
        centre = np.add(center_of_mass(star), (int(y) - 12, int(x) - 12))
        assert centre == pytest.approx((y, x), abs=1e-3)
        rest[window] = 0
    assert rest.max() < 1e-6 * image.max()
