"""Where tiles show a Lyot field, on a detector of 100 by 100 pixels, two to a cell."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import make_tile

from jwst_mosaic_simulation import simulate_models, stephans_quintet
from jwst_mosaic_skymatch.exposures.metadata import Exposure
from jwst_mosaic_skymatch.tiles.exclusion import Exclusion, kept_parts, lyot_window
from jwst_mosaic_skymatch.tiles.frame import detector_frame
from jwst_mosaic_skymatch.tiles.grid import shared_grid
from jwst_mosaic_skymatch.tiles.lyot import has_lyot, lyot_share, without_lyot
from jwst_mosaic_skymatch.tiles.pixel_map import map_pixels

# Imager to the right, and a field at the top left.
PARTS = (40, 100, 0, 100), (0, 30, 70, 100)
FULL = Exposure(0, "a_cal.fits", instrument="MIRI", detector="MIRIMAGE", subarray="FULL")


def frame_at(x, y, parts=PARTS):
    """Make the frame of a detector whose first pixel falls on a place."""
    pixel_map = map_pixels(lambda column, row: (x + column / 2, y + row / 2), (100, 100))
    return detector_frame(pixel_map, np.ones((100, 100), dtype=bool), parts)


def tile_with(*frames, x0=0, y0=0):
    """Make a tile of 50 by 50 cells."""
    return replace(make_tile(x0, y0, (50, 50), level=1.0), frames=frames)


def test_share_of_those_that_see_a_place():
    x = np.array([5.0, 30.0, 17.5, 5.0, 90.0])
    y = np.array([45.0, 45.0, 45.0, 5.0, 45.0])
    assert lyot_share([frame_at(0, 0)], x, y).tolist() == [1, 0, 0, 0, 0]
    both = [frame_at(0, 0), frame_at(-25, 0)]
    assert lyot_share(both, x, y).tolist() == [0.5, 0, 0, 0, 0]
    without = [frame_at(0, 0), frame_at(-25, 0, None)]
    assert lyot_share(without, x, y).tolist() == [1, 0, 0, 0, 0]
    assert lyot_share(both, x, y[:, None]).shape == (5, 5)


def test_frames_tell_whether_there_is_a_field():
    assert has_lyot(tile_with(frame_at(0, 0)))
    assert not has_lyot(tile_with(frame_at(0, 0, None)))
    assert not has_lyot(tile_with())


@pytest.mark.parametrize(("offset", "expected"), [(0.25, 0.75), (None, np.nan)])
def test_field_on_an_imager(offset, expected):
    first, second = tile_with(frame_at(0, 0)), tile_with(frame_at(-25, 0))
    changed = without_lyot(first, second, offset)
    in_field = np.zeros((50, 50), dtype=bool)
    in_field[36:50, 1:15] = True
    rest = np.ones((50, 50), dtype=bool)
    rest[35:, :16] = False
    np.testing.assert_array_equal(changed.data[in_field], np.float32(expected))
    np.testing.assert_array_equal(changed.data[rest], 1.0)
    np.testing.assert_array_equal(changed.weight > 0, np.isfinite(changed.data))
    # Seen from the other tile, the difference is the same.
    other = without_lyot(second, first, offset)
    np.testing.assert_array_equal(other.data[in_field], np.float32(2.0 - expected))


def test_fields_on_each_other_stay():
    first, second = tile_with(frame_at(0, 0)), tile_with(frame_at(0, 0))
    for offset in (0.25, None):
        np.testing.assert_array_equal(without_lyot(first, second, offset).data, first.data)


def test_mixed_cells_are_left_out():
    mixed = tile_with(frame_at(0, 0), frame_at(-25, 0))
    for first, second in ((mixed, tile_with()), (tile_with(), mixed)):
        changed = without_lyot(first, second, 0.25)
        assert np.isnan(changed.data[36:50, 1:15]).all()
        np.testing.assert_array_equal(changed.data[:35], 1.0)


def test_parts_of_a_frame():
    keep = Exclusion(miri_lyot="keep")
    assert kept_parts(keep, FULL, (1024, 1032)) == ((349, 1042, -10, 1034), (-10, 330, 706, 1034))
    assert kept_parts(keep, FULL, (128, 129)) == ((44, 130, -1, 129), (-1, 41, 88, 129))
    assert kept_parts(keep, replace(FULL, detector="NRCA1"), (1024, 1032)) is None
    for option in ("mask", "separate"):
        assert kept_parts(Exclusion(miri_lyot=option), FULL, (1024, 1032)) is None


def test_distortion_moves_no_pixel_into_the_other_part():
    model = simulate_models(stephans_quintet(1, binning=2))[0]
    wcs, shape = model.meta.wcs, model.data.shape
    footprint = wcs.footprint()
    grid = shared_grid([footprint], wcs, model.meta.wcsinfo.instance, 2.2)
    pixel_map = grid.map_pixels(wcs, shape)
    good = np.isfinite(model.data) & (model.dq % 2 == 0)
    frame = detector_frame(pixel_map, good, kept_parts(Exclusion(), FULL, shape))
    rows, columns = np.nonzero(good)
    cells = pixel_map.coordinates(np.s_[:])[rows, columns]
    cells += (pixel_map.cutout.x0, pixel_map.cutout.y0)
    share = lyot_share([frame], *cells.T)
    in_window = np.zeros(shape, dtype=bool)
    in_window[lyot_window(FULL, shape)] = True
    np.testing.assert_array_equal(share == 1.0, in_window[rows, columns])
    column, row = frame.near_pixels(*cells.T)
    assert np.hypot(column - columns, row - rows).max() < 4.5  # 9 pixels of a full frame
