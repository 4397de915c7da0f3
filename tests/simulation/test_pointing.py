"""Which detector looked where."""

from dataclasses import replace

import pytest
from numpy.testing import assert_allclose

from jwst_mosaic_simulation import Pointing, offset_pointing, real_field


@pytest.mark.parametrize(
    ("field", "first", "count"),
    [
        ("stephans-quintet", "jw02732002001_02101_00001_mirimage", 32),
        ("ngc628", "jw02107039001_02103_00001_mirimage", 20),
        ("thirty-doradus", "jw02729002001_02105_00001_mirimage", 20),
    ],
)
def test_real_pointings(field, first, count):
    names = [p.rootname for p in real_field(field, binning=16).pointings]
    assert names[0] == first
    assert names == sorted(set(names))
    assert len(names) == count


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
    assert_allclose(
        (back.ra_ref, back.dec_ref, back.roll_ref), (150.0, 60.0, 33.0), rtol=0, atol=1e-6
    )
    assert back == replace(start, ra_ref=back.ra_ref, dec_ref=back.dec_ref, roll_ref=back.roll_ref)
