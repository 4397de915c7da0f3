"""Regions of detectors, and the share of exposures that see a place in them."""

from dataclasses import replace

import numpy as np
import pytest

from jwst_mosaic_skymatch.exposures.metadata import Exposure
from jwst_mosaic_skymatch.tiles.frame import detector_frame
from jwst_mosaic_skymatch.tiles.pixel_map import map_pixels
from jwst_mosaic_skymatch.tiles.regions import REGIONS, detector_regions, region_shares

MIRI = Exposure(0, "a_cal.fits", instrument="MIRI", detector="MIRIMAGE", subarray="FULL")
NIRCAM = replace(MIRI, instrument="NIRCAM", detector="NRCA1")
# Imager and Lyot field of a detector of 100 by 100 pixels.
SMALL = {"left": (0, 10, 0, 100), "lyot": (0, 30, 70, 100)}


@pytest.mark.parametrize(
    ("exposure", "shape", "widths", "lyot"),
    [
        (MIRI, (1024, 1032), 40, (0, 320, 716, 1024)),
        # A simulated frame, eight pixels in one.
        (MIRI, (128, 129), 5, (0, 40, 89, 128)),
        (NIRCAM, (2048, 2048), 40, None),
        (replace(NIRCAM, subarray="SUB640"), (640, 640), None, None),
        (
            replace(MIRI, subarray="GENERIC", xstart=1, ystart=513),
            (512, 400),
            None,
            (0, 320, 204, 512),
        ),
        (Exposure(0, "a_cal.fits"), (2048, 2048), None, None),
    ],
)
def test_rectangles(exposure, shape, widths, lyot):
    regions = dict(zip(REGIONS, detector_regions(exposure, shape), strict=True))
    assert regions.pop("lyot") == lyot
    if widths is None:
        assert set(regions.values()) == {None}
        return
    expected = {
        "left": np.s_[:, :widths],
        "right": np.s_[:, -widths:],
        "bottom": np.s_[:widths],
        "top": np.s_[-widths:],
    }
    for name, (x_min, x_max, y_min, y_max) in regions.items():
        inside, wanted = np.zeros((2, *shape), dtype=bool)
        inside[y_min:y_max, x_min:x_max] = True
        wanted[expected[name]] = True
        np.testing.assert_array_equal(inside, wanted)


def test_masked_field_is_no_region():
    kept, masked = (detector_regions(MIRI, (1024, 1032), option) for option in ("keep", "mask"))
    assert masked == (*kept[:4], None)


def frame_at(x, y, regions=SMALL):
    """Make the frame of a detector whose first pixel falls on a place, two pixels to a cell."""
    pixel_map = map_pixels(lambda column, row: (x + column / 2, y + row / 2), (100, 100))
    rectangles = tuple(regions.get(name) for name in REGIONS)
    return detector_frame(pixel_map, np.ones((100, 100), dtype=bool), "MIRIMAGE", rectangles)


def shares(frames, x, y):
    values = region_shares(frames, np.asarray(x, dtype=float), np.asarray(y, dtype=float))
    assert values.dtype == np.float32
    return dict(zip(REGIONS, values.tolist(), strict=True))


def test_shares_of_exposures_that_see_a_place():
    # In field and strip, in the field alone, in the strip alone, in neither, outside.
    x, y = [2.0, 10.0, 2.0, 30.0, 90.0], [45.0, 45.0, 5.0, 5.0, 45.0]
    one = shares([frame_at(0, 0)], x, y)
    assert (one["lyot"], one["left"]) == ([1, 1, 0, 0, 0], [1, 0, 1, 0, 0])
    assert one["right"] == [0] * 5
    # The second exposure has the first four places 25 cells further right.
    both = shares([frame_at(0, 0), frame_at(-25, 0)], x, y)
    assert (both["lyot"], both["left"]) == ([0.5, 0.5, 0, 0, 0], [0.5, 0, 0.5, 0, 0])
    # One that does not see a place does not count, one without the region does.
    assert shares([frame_at(0, 0), frame_at(1000, 0)], x, y) == one
    assert shares([frame_at(0, 0), frame_at(0, 0, {})], x, y)["lyot"] == [0.5, 0.5, 0, 0, 0]


def test_borders_lie_between_pixels():
    x = np.array([-0.3, -0.2, 4.7, 4.8])
    assert shares([frame_at(0, 0)], x, np.full(4, 20.0))["left"] == [0, 1, 1, 0]


def test_rows_and_columns_are_broadcast():
    assert region_shares([frame_at(0, 0)], np.zeros(3), np.zeros((4, 1))).shape == (5, 4, 3)
    assert not region_shares([], np.zeros(3), np.zeros(3)).any()
