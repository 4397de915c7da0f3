"""Pixels of an exposure that are left out, from its WCS and metadata."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_array_equal

from jwst_mosaic_simulation import simulate_models, stephans_quintet
from jwst_mosaic_skymatch.exposures.sky_files import read_area
from jwst_mosaic_skymatch.observe import (
    Exclusion,
    excluded_pixels,
    pixels_in_area,
)

STRIPS = ((0, 0, 0, 0),) * 4
LYOT = (*STRIPS, (0, 5, 15, 20))


@pytest.fixture(scope="module")
def model():
    """Make an exposure with distortion and all its pixels."""
    return simulate_models(stephans_quintet(1, binning=2))[0]


def wcs_with(box):
    """Make a WCS that has nothing but a bounding box."""
    return SimpleNamespace(bounding_box=box and SimpleNamespace(bounding_box=lambda order: box))


def test_area_is_right_to_a_pixel(model, tmp_path):
    """All pixels by the WCS itself."""
    y, x = np.indices(model.data.shape).astype(float)
    sky = SkyCoord(*model.meta.wcs(x, y, with_bounding_box=False), unit="deg")
    centre = sky[300, 400]
    path = tmp_path / "a.reg"
    path.write_text(f'icrs\ncircle({centre.ra.deg},{centre.dec.deg},20")\n')
    inside = pixels_in_area(read_area(path), model.meta.wcs, model.data.shape)
    assert_array_equal(inside, centre.separation(sky).arcsec < 20.0)
    kept = excluded_pixels(Exclusion(kept=read_area(path)), (), model.meta.wcs, model.data.shape)
    box = excluded_pixels(Exclusion(), (), model.meta.wcs, model.data.shape)
    assert_array_equal(kept.pixels, ~inside | box.pixels)


BOX = ((3.5, 35.5), (-0.5, 19.5))


@pytest.mark.parametrize(
    ("exclusion", "box", "kept"),
    [
        (Exclusion(), BOX, [np.s_[:, 4:36]]),
        # The edge counts from the bounding box.
        (Exclusion(edge_trim=2), BOX, [np.s_[2:18, 6:34]]),
        (Exclusion(edge_trim=11), BOX, []),
        (Exclusion(edge_trim=1), ((-9.0, 99.0), (2.0, 40.0)), [np.s_[3:19, 1:39]]),
        (Exclusion(miri_lyot="mask"), None, [np.s_[:15], np.s_[:, 5:]]),
        (Exclusion(2, "mask"), BOX, [np.s_[2:18, 6:34]]),
    ],
)
def test_edge_and_lyot_field(exclusion, box, kept):
    excluded = excluded_pixels(exclusion, LYOT, wcs_with(box), (20, 40))
    expected = np.ones((20, 40), dtype=bool)
    for part in kept:
        expected[part] = False
    assert_array_equal(excluded.pixels, expected)
    assert not excluded.in_area


@pytest.mark.parametrize(
    ("exclusion", "regions"), [(Exclusion(), LYOT), (Exclusion(miri_lyot="mask"), STRIPS)]
)
def test_nothing_is_excluded(exclusion, regions):
    assert not excluded_pixels(exclusion, regions, wcs_with(None), (20, 40)).pixels.any()
