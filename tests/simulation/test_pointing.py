"""Which detector looked where."""

import pytest
from numpy.testing import assert_allclose

from jwst_mosaic_simulation import Pointing, offset_pointing


@pytest.mark.parametrize(
    ("aperture", "detector"),
    [
        ("MIRIM_FULL", "MIRIMAGE"),
        ("NIS_CEN", "NIS"),
        ("NRCA1_FULL", "NRCA1"),
        ("NRCB5_FULL", "NRCBLONG"),
    ],
)
def test_names(aperture, detector):
    pointing = Pointing(53.1, -27.8, aperture=aperture, observation="002", exposure="00003")
    assert pointing.detector == detector
    assert pointing.rootname == f"jw09999002001_02101_00003_{detector.lower()}"


def test_offset_pointing_moves_the_field_along_the_detector():
    start = Pointing(150.0, 60.0, 33.0)
    there = offset_pointing(start, 300 * 0.1105, 0.0, exposure="00002")
    x, y = start.wcs().invert(there.ra_ref, there.dec_ref)
    # Distortion turns the columns a little from the ideal axis.
    assert_allclose((x - 692.5, y - 511.5), (300, 0), atol=4)
    back = offset_pointing(there, -300 * 0.1105, 0.0, exposure="00001")
    assert_allclose((back.ra_ref, back.dec_ref, back.roll_ref), (150.0, 60.0, 33.0), atol=1e-6)
