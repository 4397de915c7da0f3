"""Exposures, their metadata, and their files."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from spherical_geometry.polygon import SphericalPolygon
from stdatamodels.jwst.datamodels import ImageModel

from jwst_mosaic_simulation import (
    DetectorOptions,
    Imperfections,
    blank_field,
    nircam_mosaic,
    simulate_exposure,
    simulate_models,
    simulate_mosaic,
    true_exposure,
)
from jwst_mosaic_simulation._effects import FLAGS

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
                "instrument.filter": "F770W",
                "bunit_data": "MJy/sr",
                "subarray.name": "FULL",
            },
        ),
        (
            NIRCAM,
            3,
            {
                "instrument.detector": "NRCA4",
                "instrument.channel": "SHORT",
                "exposure.type": "NRC_IMAGE",
            },
        ),
        (CROPPED, 0, {"subarray.name": "GENERIC", "subarray.xstart": 9, "subarray.ysize": 128}),
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


def signal(scene, **imperfections):
    """What the first exposure of a scene would show without noise."""
    scene = replace(scene, imperfections=Imperfections(**imperfections))
    return true_exposure(scene, scene.pointings[0]).signal


def test_cosmic_rays_are_flagged_or_left(dithered):
    scenes = dithered, replace(dithered, cosmic_rays=None)
    hit, without = (simulate_exposure(scene, scene.pointings[0]) for scene in scenes)
    flagged = (hit.dq & FLAGS["JUMP_DET"]) != 0
    added = hit.data - without.data
    assert 0 < np.nanmax(added[flagged]) < np.nanmax(added[~flagged])


def test_gain_error_scales_all_light(clean):
    ratio = signal(clean, gain_rms=0.005) / signal(clean)
    assert np.ptp(ratio) < 1e-9
    assert 1e-4 < abs(ratio[0, 0] - 1) < 0.02


def test_exposures_depend_on_seed_and_name_only(dithered):
    last = simulate_models(dithered)[-1]
    again = simulate_models(replace(dithered, pointings=dithered.pointings[:0:-1]))[0]
    assert_array_equal(last.data, again.data)


def test_files_hold_the_exposures(dithered, tmp_path):
    """They are in a directory that did not exist."""
    written = simulate_mosaic(dithered, tmp_path / "new")
    expected = simulate_exposure(dithered, dithered.pointings[2])
    with ImageModel(written.files[2]) as model:
        for name in ("data", "dq", "err", "var_poisson", "var_rnoise", "var_flat"):
            assert_array_equal(getattr(model, name), getattr(expected, name))
        assert_allclose(model.meta.wcs(90, 60), expected.meta.wcs(90, 60), rtol=0, atol=1e-12)
        assert model.meta.wcsinfo.s_region == expected.meta.wcsinfo.s_region
        assert model.meta.filename == written.files[2].name
