"""Metadata of simulated exposures."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from spherical_geometry.polygon import SphericalPolygon

from jwst_mosaic_simulation import DetectorOptions, blank_field, nircam_mosaic, simulate_exposure

MIRI = blank_field(1, binning=4)
NIRCAM = nircam_mosaic(1, binning=64)
CROPPED = blank_field(1, detector=DetectorOptions(subarray=(8, 888, 128, 128)))


@pytest.mark.parametrize(
    ("scene", "number", "expected"),
    [
        (
            MIRI,
            0,
            {
                "filename": "jw09999001001_02101_00001_mirimage_cal.fits",
                "instrument.name": "MIRI",
                "instrument.detector": "MIRIMAGE",
                "instrument.filter": "F770W",
                "exposure.type": "MIR_IMAGE",
                "bunit_data": "MJy/sr",
                "cal_step.assign_wcs": "COMPLETE",
                "cal_step.photom": "COMPLETE",
                "subarray.name": "FULL",
            },
        ),
        (
            NIRCAM,
            3,
            {
                "instrument.detector": "NRCA4",
                "instrument.module": "A",
                "instrument.channel": "SHORT",
                "instrument.filter": "F200W",
                "exposure.type": "NRC_IMAGE",
            },
        ),
        (NIRCAM, 4, {"instrument.detector": "NRCB1", "instrument.module": "B"}),
        (
            CROPPED,
            0,
            {
                "subarray.name": "GENERIC",
                "subarray.xstart": 9,
                "subarray.ystart": 889,
                "subarray.xsize": 128,
                "subarray.ysize": 128,
            },
        ),
    ],
)
def test_metadata(scene, number, expected):
    model = simulate_exposure(scene, scene.pointings[number])
    model.validate()
    assert {f"meta.{k}": v for k, v in expected.items()}.items() <= model.to_flat_dict().items()


def test_s_region_holds_the_corners_and_the_pixel_area_is_theirs():
    model = simulate_exposure(MIRI, MIRI.pointings[0])
    corners = np.array(model.meta.wcsinfo.s_region.removeprefix("POLYGON ICRS").split(), float)
    corners = corners.reshape(4, 2)
    assert_allclose(corners, model.meta.wcs.footprint(center=False), rtol=0, atol=1e-9)
    area = SphericalPolygon.from_radec(*corners.T).area() / model.data.size
    assert model.meta.photometry.pixelarea_steradians == pytest.approx(area, rel=0.01)
