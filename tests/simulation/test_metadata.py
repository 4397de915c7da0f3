"""Metadata of simulated exposures."""

import numpy as np
import pytest

from jwst_mosaic_simulation import DetectorOptions, blank_field, nircam_mosaic, simulate_exposure


def test_miri():
    scene = blank_field(1, binning=4)
    model = simulate_exposure(scene, scene.pointings[0])
    meta = model.meta
    model.validate()
    assert meta.filename == "jw09999001001_02101_00001_mirimage_cal.fits"
    assert (meta.instrument.name, meta.instrument.detector) == ("MIRI", "MIRIMAGE")
    assert (meta.instrument.filter, meta.exposure.type) == ("F770W", "MIR_IMAGE")
    assert meta.bunit_data == "MJy/sr"
    assert (meta.cal_step.assign_wcs, meta.cal_step.photom) == ("COMPLETE", "COMPLETE")
    assert meta.subarray.name == "FULL"


def test_pixel_area_is_that_of_the_wcs():
    scene = blank_field(1, binning=4)
    model = simulate_exposure(scene, scene.pointings[0])
    ra, dec = np.deg2rad(model.meta.wcs([173, 174, 173], [128, 128, 129]))
    dx, dy = (ra[1:] - ra[0]) * np.cos(dec[0]), dec[1:] - dec[0]
    area = abs(dx[0] * dy[1] - dx[1] * dy[0])
    assert model.meta.photometry.pixelarea_steradians == pytest.approx(area, rel=1e-3)


def test_s_region_holds_the_corners():
    scene = blank_field(1, binning=4)
    meta = simulate_exposure(scene, scene.pointings[0]).meta
    kind, frame, *numbers = meta.wcsinfo.s_region.split()
    assert (kind, frame) == ("POLYGON", "ICRS")
    corners = np.array(numbers, dtype=float).reshape(4, 2)
    expected = meta.wcs.footprint(center=False)
    np.testing.assert_allclose(corners, expected, rtol=0, atol=1e-9)


def test_nircam():
    scene = nircam_mosaic(1, binning=64)
    first, second = (simulate_exposure(scene, p).meta for p in scene.pointings[3:5])
    assert (first.instrument.detector, first.instrument.module) == ("NRCA4", "A")
    assert (second.instrument.detector, second.instrument.module) == ("NRCB1", "B")
    assert (first.instrument.channel, first.instrument.filter) == ("SHORT", "F200W")
    assert first.exposure.type == "NRC_IMAGE"


def test_subarray():
    options = DetectorOptions(subarray=(8, 888, 128, 128))
    scene = blank_field(1, detector=options)
    model = simulate_exposure(scene, scene.pointings[0])
    assert model.data.shape == (128, 128)
    assert (model.meta.subarray.xstart, model.meta.subarray.ystart) == (9, 889)
    assert (model.meta.subarray.xsize, model.meta.subarray.ysize) == (128, 128)
    assert model.meta.subarray.name == "GENERIC"
