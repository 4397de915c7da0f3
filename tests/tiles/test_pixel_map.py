"""The coarse mesh against the exact map."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import rotated
from numpy.testing import assert_array_equal

from jwst_mosaic_simulation import compose_scene, dither_pointings, simulate_exposure
from jwst_mosaic_skymatch.exposures.models import wcs_footprint
from jwst_mosaic_skymatch.tiles.frame import detector_frame
from jwst_mosaic_skymatch.tiles.grid import shared_grid
from jwst_mosaic_skymatch.tiles.pixel_map import map_pixels
from jwst_mosaic_skymatch.tiles.windows import BLOCK_CELLS


def all_coordinates(pixel_map):
    return np.concatenate([places for _, places in pixel_map.bands()])


@pytest.mark.parametrize(
    ("aperture", "filter_name", "binning", "distortion"),
    [("MIRIM_FULL", "F770W", 2, 4.0), ("NRCA1_FULL", "F200W", 8, 8.3)],
)
def test_map_and_affine_frame(aperture, filter_name, binning, distortion):
    """The map is good to 2e-5 pixel; distortion moves pixels of a full frame by a few."""
    (pointing,) = dither_pointings(1, aperture=aperture)
    scene = compose_scene("one", [pointing], filter_name=filter_name, binning=binning)
    model = simulate_exposure(scene, pointing)
    wcs, shape = model.meta.wcs, model.data.shape
    grid = shared_grid([wcs_footprint(wcs, shape)], wcs, shape, 2.2)
    pixel_map = grid.map_pixels(wcs, shape)
    y, x = np.indices(shape, dtype=float)
    exact = grid.wcs.invert(*wcs(x, y, with_bounding_box=False), with_bounding_box=False)
    error = np.abs(all_coordinates(pixel_map) - np.stack(exact, axis=-1)).max() * 2.2
    assert error < 2e-5
    frame = detector_frame(pixel_map, np.ones(shape, dtype=bool))
    error = np.abs(frame.pixels(np.array(exact)) - (x, y)).max()
    assert error * binning == pytest.approx(distortion, abs=0.1)
    # Distortion changes the area of a pixel by some percent over the detector.
    assert pixel_map.pixels_per_cell == pytest.approx(2.2**2, rel=0.03)


@pytest.mark.parametrize("angle", [0.0, 30.0, 100.0])
@pytest.mark.parametrize("pixels_per_side", [0.7, 2.2])
def test_bounds_hold_all_pixels_and_hardly_more(angle, pixels_per_side):
    to_grid = rotated(angle, pixels_per_side, x0=-40.3, y0=7.6)
    pixel_map = map_pixels(to_grid, (100, 200))
    assert pixel_map.pixels_per_cell == pytest.approx(pixels_per_side**2, rel=1e-9)
    corners = np.array(to_grid(*np.array([(-0.5, 199.5, 199.5, -0.5), (-0.5, -0.5, 99.5, 99.5)])))
    # Cells reach half beyond their centres.
    low, high = np.reshape(pixel_map.bounds, (2, 2)).T - 0.5
    margins = np.array([corners.min(axis=1) - low, high - corners.max(axis=1)])
    assert np.all((margins >= 0) & (margins <= 2.5 + BLOCK_CELLS))
    assert_array_equal(np.mod(pixel_map.bounds, BLOCK_CELLS), 0)


def test_map_from_another_process():
    """Its arrays may lie at odd places."""
    pixel_map = map_pixels(rotated(20.0, 2.2), (90, 70))
    cells = pixel_map.cells
    odd = np.ndarray(cells.shape, cells.dtype, bytearray(cells.nbytes + 1), offset=1)
    odd[...] = cells
    sent = replace(pixel_map, cells=odd)
    assert_array_equal(all_coordinates(sent), all_coordinates(pixel_map))
