"""Shape and distortion of the detectors."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from jwst_mosaic_simulation._geometry import load_aperture

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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("MIRIM_NONE",), "unknown aperture 'MIRIM_NONE'"),
        (("MIRIM_FULL", 1, (1000, 0, 128, 128)), "does not fit in 1032 x 1024 pixels"),
    ],
)
def test_load_aperture_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        load_aperture(*arguments)
