"""Pixels of a detector on the grid, its regions, and the share of exposures that see them."""

import numpy as np
import pytest
from helpers import rotated
from numpy.testing import assert_allclose

from jwst_mosaic_skymatch.exposures.detectors import detector_regions
from jwst_mosaic_skymatch.tiles.frame import (
    REGIONS,
    DetectorFrame,
    detector_frame,
    region_shares,
)
from jwst_mosaic_skymatch.tiles.pixel_map import map_pixels

SHAPE = (60, 80)
# Bounds of a region that a detector does not have.
NO_REGION = (0, 0, 0, 0)
ANGLE = 0.4
# Takes pixels to cells two pixels wide, with the rows in direction `ANGLE`.
turned = rotated(np.rad2deg(ANGLE), 2.0, 100.0, -30.0)


@pytest.fixture
def frame():
    """Make a frame without distortion, whose good pixels are in the left half."""
    good = np.zeros(SHAPE, dtype=bool)
    good[:, :40] = True
    return detector_frame(map_pixels(turned, SHAPE), good, "MIRIMAGE", (NO_REGION, (1, 2, 3, 4)))


def test_frame_without_distortion(frame):
    assert_allclose(frame.pixel, [19.5, 29.5])
    assert_allclose(frame.centre, turned(19.5, 29.5), rtol=1e-12)
    cos, sin = 0.5 * np.cos(ANGLE), 0.5 * np.sin(ANGLE)
    assert_allclose(frame.derivative, [[cos, -sin], [sin, cos]], rtol=1e-9)
    assert frame.angle == pytest.approx(ANGLE)
    assert (frame.detector, frame.regions) == ("MIRIMAGE", (NO_REGION, (1, 2, 3, 4)))
    pixels = np.array([[3.0, 70.0], [5.0, -20.0]])
    assert_allclose(frame.pixels(np.array(turned(*pixels))), pixels, atol=1e-9)


# Imager and Lyot field of a detector of 100 by 100 pixels.
SMALL = {"left": (0, 10, 0, 100), "lyot": (0, 30, 70, 100)}


@pytest.mark.parametrize(
    ("names", "shape", "width", "lyot"),
    [
        (("MIRI", "MIRIMAGE", "FULL"), (1024, 1032), 40, [(0, 320, 716, 1024)]),
        (("MIRI", "MIRIMAGE", None), (1024, 1032), 40, [(0, 320, 716, 1024)]),
        # A simulated frame, eight pixels in one.
        (("MIRI", "MIRIMAGE", "FULL"), (128, 129), 5, [(0, 40, 89, 128)]),
        (("NIRCAM", "NRCA1", "FULL"), (2048, 2048), 40, []),
        (("NIRCAM", "NRCA1", "SUB640"), (640, 640), 0, []),
        ((None, None, None), (2048, 2048), 0, []),
    ],
)
def test_rectangles(names, shape, width, lyot):
    ny, nx = shape
    rows, columns = [(0, width), (ny - width, ny)], [(0, width), (nx - width, nx)]
    strips = [*((*x, 0, ny) for x in columns), *((0, nx, *y) for y in rows)]
    assert list(detector_regions(*names, shape)) == (strips if width else []) + lyot


def frame_at(x, y, regions=SMALL):
    """Make the frame of a detector whose first pixel falls on a place, two pixels to a cell."""
    rectangles = tuple(regions.get(name, NO_REGION) for name in REGIONS)
    return DetectorFrame(np.zeros(2), np.array([x, y]), np.eye(2) / 2, (100, 100), "D", rectangles)


# In field and strip, in the field alone, in the strip alone, in neither, outside.
@pytest.mark.parametrize(
    ("frames", "lyot", "left"),
    [
        ([frame_at(0, 0)], [1, 1, 0, 0, 0], [1, 0, 1, 0, 0]),
        # The second exposure has the first four places 25 cells further right.
        ([frame_at(0, 0), frame_at(-25, 0)], [0.5, 0.5, 0, 0, 0], [0.5, 0, 0.5, 0, 0]),
        # One that does not see a place does not count, one without the region does.
        ([frame_at(0, 0), frame_at(1000, 0)], [1, 1, 0, 0, 0], [1, 0, 1, 0, 0]),
        ([frame_at(0, 0), frame_at(0, 0, {})], [0.5, 0.5, 0, 0, 0], [0.5, 0, 0.5, 0, 0]),
        ([], [0] * 5, [0] * 5),
    ],
)
def test_shares_of_exposures_that_see_a_place(frames, lyot, left):
    places = np.array([[2.0, 10.0, 2.0, 30.0, 90.0], [45.0, 45.0, 5.0, 5.0, 45.0]])
    shares = dict(zip(REGIONS, region_shares(frames, places).tolist(), strict=True))
    assert (shares["lyot"], shares["left"], shares["right"]) == (lyot, left, [0] * 5)


def test_borders_lie_between_pixels():
    """The array begins at -0.25 cells, and its left strip ends at 4.75; squares count by area."""
    places = np.array([[[-0.3, -0.2, 4.7, 4.8]] * 2, np.full((2, 4), 20.0)])
    frames = [frame_at(0, 0)]
    assert region_shares(frames, places)[0].tolist() == [[0, 1, 1, 0]] * 2
    assert_allclose(region_shares(frames, places, 2.0)[0, 0], [1.0, 1.0, 0.525, 0.475], atol=1e-6)
