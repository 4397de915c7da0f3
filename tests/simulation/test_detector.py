"""Data quality of the detectors."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from jwst_mosaic_simulation import DetectorOptions
from jwst_mosaic_simulation._effects import FLAGS, draw_dq
from jwst_mosaic_simulation._geometry import load_aperture

PERFECT = DetectorOptions(bad_fraction=0.0, hot_fraction=0.0)


def flagged(dq, name):
    return (dq & FLAGS[name]) != 0


def test_masked_strips_of_miri():
    dq = draw_dq(load_aperture("MIRIM_FULL"), "MIRIMAGE", PERFECT, 1)
    masked = np.zeros((1024, 1032), dtype=bool)
    masked[:, :357] = True
    masked[745:1020, 10:281] = False  # the coronagraph's field
    assert_array_equal(flagged(dq, "NON_SCIENCE"), masked)
    assert np.all(flagged(dq, "DO_NOT_USE")[masked])


@pytest.mark.parametrize(
    ("name", "binning", "columns", "rows"),
    [
        ("NRCA1_FULL", 1, 4, 4),
        ("NRCA1_FULL", 8, 1, 1),
        ("MIRIM_FULL", 2, 2, 0),
        ("MIRIM_FULL", 16, 1, 0),
    ],
)
def test_reference_pixels(name, binning, columns, rows):
    aperture = load_aperture(name, binning)
    options = DetectorOptions(masked_strips=False, bad_fraction=0.0, hot_fraction=0.0)
    dq = draw_dq(aperture, "detector", options, 1)
    ny, nx = aperture.shape
    border = np.ones((ny, nx), dtype=bool)
    border[rows : ny - rows, columns : nx - columns] = False
    assert_array_equal(flagged(dq, "REFERENCE_PIXEL"), border)
    assert_array_equal(flagged(dq, "DO_NOT_USE"), border)


def test_bad_and_hot_pixels():
    options = DetectorOptions(masked_strips=False, bad_fraction=0.02, hot_fraction=0.005)
    dq = draw_dq(load_aperture("NRCA1_FULL"), "NRCA1", options, 1)[4:-4, 4:-4]
    bad, hot = flagged(dq, "DO_NOT_USE"), flagged(dq, "HOT")
    assert bad.mean() == pytest.approx(0.02, rel=0.05)
    assert hot.mean() == pytest.approx(0.005, rel=0.05)
    assert not np.any(bad & hot)


def test_bad_pixels_belong_to_the_detector():
    aperture = load_aperture("NRCA1_FULL", 8)
    first, again, other = (
        draw_dq(aperture, name, DetectorOptions(), 1) for name in ("NRCA1", "NRCA1", "NRCA2")
    )
    assert_array_equal(first, again)
    assert np.any(first != other)
