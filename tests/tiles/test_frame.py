"""Places, pixels and planes of a detector on the grid."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from jwst_mosaic_skymatch.tiles.frame import detector_frame
from jwst_mosaic_skymatch.tiles.pixel_map import map_pixels

SHAPE = (60, 80)
ANGLE = 0.4
COS, SIN = np.cos(ANGLE) / 2, np.sin(ANGLE) / 2


def turned(x, y):
    """Take pixels to cells two pixels wide, with the rows in direction `ANGLE`."""
    return 100.0 + COS * x - SIN * y, -30.0 + SIN * x + COS * y


@pytest.fixture
def frame():
    """Make a frame without distortion, whose good pixels are in the left half."""
    good = np.zeros(SHAPE, dtype=bool)
    good[:, :40] = True
    return detector_frame(map_pixels(turned, SHAPE), good, "MIRIMAGE", (None, (1, 2, 3, 4)))


def test_frame_without_distortion(frame):
    assert_allclose(frame.pixel, [19.5, 29.5])
    assert_allclose(frame.centre, turned(19.5, 29.5), rtol=1e-12)
    assert_allclose(frame.derivative, [[COS, -SIN], [SIN, COS]], rtol=1e-9)
    assert frame.angle == pytest.approx(ANGLE)
    assert (frame.detector, frame.regions) == ("MIRIMAGE", (None, (1, 2, 3, 4)))
    pixels = np.array([[3.0, 70.0], [5.0, -20.0]])
    assert_allclose(frame.pixels(*turned(*pixels)), pixels, atol=1e-9)
