"""Pixels of an exposure that are left out, from its WCS and metadata."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS

from jwst_mosaic_simulation import simulate_models, stephans_quintet
from jwst_mosaic_skymatch.exposures.areas import MaskArea, read_area
from jwst_mosaic_skymatch.tiles.exclusion import (
    Exclusion,
    excluded_pixels,
    pixels_in_area,
)

NO_REGION = (None,) * 5
LYOT = (None,) * 4 + ((0, 5, 15, 20),)


@pytest.fixture(scope="module")
def model():
    """Make an exposure with distortion and all its pixels."""
    return simulate_models(stephans_quintet(1, binning=2))[0]


@pytest.fixture(scope="module")
def sky(model):
    """Compute the places of all pixels by the WCS itself."""
    y, x = np.indices(model.data.shape).astype(float)
    return SkyCoord(*model.meta.wcs(x, y, with_bounding_box=False), unit="deg")


def wcs_with(box):
    """Make a WCS that has nothing but a bounding box."""
    return SimpleNamespace(bounding_box=box and SimpleNamespace(bounding_box=lambda order: box))


def mask_about(ra, dec, image, scale):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [ra, dec]
    wcs.wcs.crpix, wcs.wcs.cdelt = [501, 501], [-scale / 3600, scale / 3600]
    return MaskArea(image=image, wcs=wcs)


@pytest.mark.parametrize("kind", ["regions", "mask"])
def test_area_is_right_to_half_a_pixel(model, sky, tmp_path, kind):
    centre = sky[300, 400]
    separation = centre.separation(sky).arcsec
    if kind == "regions":
        path = tmp_path / "a.reg"
        path.write_text(f'icrs\ncircle({centre.ra.deg},{centre.dec.deg},20")\n')
        area, tolerance = read_area(path), 0.0
    else:
        y, x = np.indices((1001, 1001)) - 500
        scale = 0.05  # a quarter of a pixel
        area = mask_about(centre.ra.deg, centre.dec.deg, np.hypot(x, y) * scale < 20.0, scale)
        tolerance = 0.11
    inside = pixels_in_area(area, model.meta.wcs, model.data.shape)
    assert inside[separation < 20.0 - tolerance].all()
    assert not inside[separation >= 20.0 + tolerance].any()


def test_mask_elsewhere_excludes_nothing(model):
    area = mask_about(0.0, -80.0, np.ones((10, 10), dtype=bool), 1.0)
    assert not pixels_in_area(area, model.meta.wcs, model.data.shape).any()


BOX = ((3.5, 35.5), (-0.5, 19.5))


@pytest.mark.parametrize(
    ("exclusion", "box", "regions", "kept"),
    [
        (Exclusion(), BOX, LYOT, [np.s_[:, 4:36]]),
        # The edge counts from the bounding box.
        (Exclusion(edge_trim=2), BOX, LYOT, [np.s_[2:18, 6:34]]),
        (Exclusion(edge_trim=11), BOX, LYOT, []),
        (Exclusion(edge_trim=1), ((-9.0, 99.0), (2.0, 40.0)), LYOT, [np.s_[3:19, 1:39]]),
        (Exclusion(miri_lyot="mask"), None, LYOT, [np.s_[:15], np.s_[:, 5:]]),
        (Exclusion(2, "mask"), BOX, LYOT, [np.s_[2:18, 6:34]]),
        (Exclusion(), None, LYOT, None),
        (Exclusion(miri_lyot="mask"), None, NO_REGION, None),
    ],
)
def test_edge_and_lyot_field(exclusion, box, regions, kept):
    excluded = excluded_pixels(exclusion, regions, wcs_with(box), (20, 40))
    if kept is None:
        assert excluded is None
        return
    expected = np.ones((20, 40), dtype=bool)
    for part in kept:
        expected[part] = False
    np.testing.assert_array_equal(excluded.unpack(), expected)
    assert not excluded.in_area


def test_area_joins_the_other_parts(model, tmp_path):
    (tmp_path / "a.reg").write_text("image\nbox(65,65,10,10,0)\n")
    exclusion = Exclusion(2, "keep", read_area(tmp_path / "a.reg"))
    excluded = excluded_pixels(exclusion, LYOT, model.meta.wcs, model.data.shape)
    assert excluded.in_area
    assert list(excluded.unpack()[64, [64, 1, 80]]) == [True, True, False]
