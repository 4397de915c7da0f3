"""Shape, distortion and attitude of the detectors, the latter as by jwst."""

import numpy as np
import pytest
from jwst.assign_wcs import pointing as jwst_pointing
from numpy.testing import assert_allclose
from stdatamodels.jwst.datamodels import ImageModel

from jwst_mosaic_simulation import Pointing, detector_pointings
from jwst_mosaic_simulation._geometry import load_aperture, v2v3_to_sky

ARCSEC = 1 / 3600

NAMES = ["MIRIM_FULL", "NIS_CEN", *(f"NRC{m}{i}_FULL" for m in "AB" for i in range(1, 6))]


@pytest.mark.parametrize(
    ("name", "binning", "subarray"),
    [
        *((name, 1, None) for name in NAMES),
        ("MIRIM_FULL", 8, None),
        ("MIRIM_FULL", 2, (100, 40, 256, 128)),
    ],
)
def test_inverse_distortion(name, binning, subarray):
    aperture = load_aperture(name, binning, subarray)
    ny, nx = aperture.shape
    x, y = np.meshgrid(np.linspace(0, nx - 1, 15), np.linspace(0, ny - 1, 15))
    v2, v3 = aperture.to_v2v3(x, y, with_bounding_box=False)
    assert_allclose(aperture.to_v2v3.inverse(v2, v3), (x, y), atol=0.002)


def test_binning_and_subarray_keep_the_field():
    full = load_aperture("MIRIM_FULL")
    binned = load_aperture("MIRIM_FULL", 8)
    cropped = load_aperture("MIRIM_FULL", 1, (8, 888, 128, 128))
    assert_allclose(binned.to_v2v3(100, 20), full.to_v2v3(803.5, 163.5), rtol=1e-12)
    assert_allclose(cropped.to_v2v3(10, 20), full.to_v2v3(18, 908), rtol=1e-12)
    assert binned.pixel_area == pytest.approx(64 * full.pixel_area)


@pytest.mark.parametrize("name", ["MIRIM_FULL", "NRCB3_FULL"])
@pytest.mark.parametrize(("ra", "dec", "roll"), [(10.0, 0.0, 0.0), (359.999, -69.1, 174.9)])
def test_sky_agrees_with_jwst(name, ra, dec, roll):
    aperture = load_aperture(name)
    model = ImageModel((4, 4))
    model.meta.wcsinfo = {"ra_ref": ra, "dec_ref": dec, "roll_ref": roll}
    v2_ref, v3_ref = aperture.reference_point
    model.meta.wcsinfo.v2_ref, model.meta.wcsinfo.v3_ref = v2_ref, v3_ref
    v2, v3 = v2_ref + np.array([-60.0, 10.0]), v3_ref + np.array([50.0, -40.0])
    ours = v2v3_to_sky(v2_ref, v3_ref, ra, dec, roll)(v2, v3)
    theirs = jwst_pointing.v23tosky(model)(v2, v3)
    assert_allclose(ours, theirs, rtol=0, atol=1e-6 * ARCSEC)


def test_attitude_of_other_detectors_agrees_with_jwst():
    first = Pointing(53.1, -67.8, 33.0, "NRCA1_FULL")
    (other,) = detector_pointings(first, ["NRCB5_FULL"])
    v2_ref, v3_ref = load_aperture("NRCA1_FULL").reference_point
    new_v2_ref, new_v3_ref = load_aperture("NRCB5_FULL").reference_point
    theirs = jwst_pointing.compute_roll_ref(
        v2_ref, v3_ref, 33.0, 53.1, -67.8, new_v2_ref, new_v3_ref
    )
    assert other.roll_ref == pytest.approx(theirs, abs=1e-6)
