"""Which pixels of an exposure are left out, from its WCS and metadata."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS

from jwst_mosaic_simulation import DetectorOptions, simulate_models, stephans_quintet
from jwst_mosaic_skymatch.exposures.areas import MaskArea, read_area
from jwst_mosaic_skymatch.exposures.metadata import Exposure
from jwst_mosaic_skymatch.tiles.exclusion import (
    Exclusion,
    excluded_pixels,
    pixels_in_area,
)
from jwst_mosaic_skymatch.tiles.pixel_map import map_pixels
from jwst_mosaic_skymatch.tiles.regions import lyot_window

IMAGER = Exposure(0, "a_cal.fits", instrument="MIRI", detector="MIRIMAGE", subarray="FULL")


@pytest.fixture(scope="module")
def model():
    """Make an exposure with distortion and all its pixels."""
    return simulate_models(stephans_quintet(1, binning=2))[0]


def sky_of(model):
    """Find where all pixels are, by the WCS itself."""
    y, x = np.indices(model.data.shape).astype(float)
    return SkyCoord(*model.meta.wcs(x, y, with_bounding_box=False), unit="deg")


def flat_map(shape, box=None):
    return map_pixels(lambda x, y: (x / 2, y / 2), shape, box)


@pytest.mark.parametrize("kind", ["regions", "mask"])
def test_area_is_right_to_half_a_pixel(model, tmp_path, kind):
    sky, shape = sky_of(model), model.data.shape
    centre = sky[300, 400]
    separation = centre.separation(sky).arcsec
    if kind == "regions":
        path = tmp_path / "a.reg"
        path.write_text(f'icrs\ncircle({centre.ra.deg},{centre.dec.deg},20")\n')
        area = read_area(path)
    else:
        scale = 0.05  # a quarter of a pixel
        wcs = WCS(naxis=2)
        wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [centre.ra.deg, centre.dec.deg]
        wcs.wcs.crpix, wcs.wcs.cdelt = [501, 501], [-scale / 3600, scale / 3600]
        y, x = np.indices((1001, 1001)) - 500
        area = MaskArea(image=np.hypot(x, y) * scale < 20.0, wcs=wcs)
    inside = pixels_in_area(area, model.meta.wcs, shape)
    half = 0.5 * 2 * 0.11
    assert inside[separation < 20.0 - half].all()
    assert not inside[separation > 20.0 + half].any()
    # Regions are far better than that: only pixels whose centres touch the circle may differ.
    if kind == "regions":
        assert np.array_equal(inside, separation < 20.0)


def test_mask_elsewhere_excludes_nothing(model):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [0.0, -80.0]
    area = MaskArea(image=np.ones((10, 10), dtype=bool), wcs=wcs)
    assert not pixels_in_area(area, model.meta.wcs, model.data.shape).any()


def test_edge_counts_from_the_bounding_box():
    pixel_map = flat_map((20, 40), ((3.5, 35.5), (-0.5, 19.5)))
    excluded = excluded_pixels(Exclusion(edge_trim=2), IMAGER, None, pixel_map).unpack()
    expected = np.ones((20, 40), dtype=bool)
    expected[2:18, 6:34] = False
    np.testing.assert_array_equal(excluded, expected)
    everything = excluded_pixels(Exclusion(edge_trim=11), IMAGER, None, pixel_map).unpack()
    assert everything.all()
    whole = excluded_pixels(Exclusion(edge_trim=1), IMAGER, None, flat_map((5, 6))).unpack()
    assert (~whole).sum() == 3 * 4


def test_nothing_to_leave_out():
    assert excluded_pixels(Exclusion(), IMAGER, None, flat_map((20, 40))) is None
    nircam = replace(IMAGER, instrument="NIRCAM", detector="NRCA1")
    mask = Exclusion(miri_lyot="mask")
    assert excluded_pixels(mask, nircam, None, flat_map((2048, 2048))) is None


@pytest.mark.parametrize(
    ("changes", "shape", "expected"),
    [
        ({}, (1024, 1032), np.s_[716:1024, 0:320]),
        ({"subarray": None}, (1024, 1032), np.s_[716:1024, 0:320]),
        ({}, (128, 129), np.s_[89:128, 0:40]),
        ({"subarray": "GENERIC", "xstart": 101, "ystart": 513}, (512, 400), np.s_[204:512, 0:220]),
        ({"subarray": "BRIGHTSKY", "xstart": 457, "ystart": 51}, (512, 512), None),
        # These see the coronagraph's field alone.
        ({"subarray": "MASKLYOT", "xstart": 1, "ystart": 719}, (304, 320), None),
        ({"subarray": "SUB128", "xstart": 1, "ystart": 891}, (128, 136), None),
        ({"instrument": "NIRCAM", "detector": "NRCA1"}, (1024, 1032), None),
    ],
)
def test_lyot(changes, shape, expected):
    assert lyot_window(replace(IMAGER, **changes), shape) == expected


@pytest.mark.parametrize(
    ("binning", "subarray"), [(1, None), (8, None), (16, None), (1, (200, 600, 600, 424))]
)
def test_lyot_is_what_is_left_of_the_imager_and_sees_the_sky(binning, subarray):
    options = DetectorOptions(binning=binning, subarray=subarray, bad_fraction=0.0)
    (model,) = simulate_models(replace(stephans_quintet(1), detector=options))
    meta = model.meta
    exposure = replace(
        IMAGER,
        subarray=meta.subarray.name,
        xstart=meta.subarray.xstart,
        ystart=meta.subarray.ystart,
    )
    excluded = np.zeros(model.data.shape, dtype=bool)
    excluded[lyot_window(exposure, model.data.shape)] = True
    column = np.arange(model.data.shape[1]) * binning + (subarray or (0,))[0]
    lit = (model.dq & 1) == 0
    left, imager = lit & (column + binning <= 357), lit & (column >= 357)
    assert left.any()
    assert excluded[left].all()
    assert not excluded[imager].any()


def test_all_three_together(tmp_path):
    (tmp_path / "a.reg").write_text("image\nbox(65,65,10,10,0)\n")
    exclusion = Exclusion(2, "mask", read_area(tmp_path / "a.reg"))
    (model,) = simulate_models(stephans_quintet(1, binning=8))
    pixel_map = flat_map(model.data.shape)
    packed = excluded_pixels(exclusion, IMAGER, model.meta.wcs, pixel_map)
    assert packed.in_area
    excluded = packed.unpack()
    assert excluded[64, 64]
    assert excluded[100, 20]
    assert excluded[64, 1]
    assert not excluded[64, 80]
    beside = replace(exclusion, area=None)
    assert not excluded_pixels(beside, IMAGER, model.meta.wcs, pixel_map).in_area


def test_position_angle_of_a_box(model, tmp_path):
    """Turned with the sky, not with the detector."""
    sky = sky_of(model)
    centre = sky[300, 350]
    path = tmp_path / "a.reg"
    path.write_text(f'fk5\nbox({centre.fk5.ra.deg},{centre.fk5.dec.deg},60",6",90)\n')
    inside = pixels_in_area(read_area(path), model.meta.wcs, model.data.shape)
    east, north = centre.spherical_offsets_to(sky)
    expected = (np.abs(east.arcsec) < 3.0) & (np.abs(north.arcsec) < 30.0)
    assert np.count_nonzero(inside != expected) < 0.005 * expected.sum()
