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


def test_s_region_holds_the_corners_and_the_pixel_area_is_theirs():
    scene = blank_field(1, binning=4)
    model = simulate_exposure(scene, scene.pointings[0])
    kind, frame, *numbers = model.meta.wcsinfo.s_region.split()
    assert (kind, frame) == ("POLYGON", "ICRS")
    corners = np.array(numbers, dtype=float).reshape(4, 2)
    np.testing.assert_allclose(corners, model.meta.wcs.footprint(center=False), rtol=0, atol=1e-9)
    x, y = np.deg2rad(corners * [np.cos(np.deg2rad(corners[0, 1])), 1.0]).T
    area = abs((x[2] - x[0]) * (y[3] - y[1]) - (x[3] - x[1]) * (y[2] - y[0])) / 2
    (x0, x1), (y0, y1) = model.meta.wcs.bounding_box.bounding_box(order="F")
    area /= (x1 - x0) * (y1 - y0)
    assert model.meta.photometry.pixelarea_steradians == pytest.approx(area, rel=0.01)


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
