"""Places, pixels and planes of a detector on the grid."""

from dataclasses import replace

import numpy as np
import pytest

from jwst_mosaic_simulation import compose_scene, dither_pointings, simulate_exposure
from jwst_mosaic_skymatch.exposures.models import wcs_footprint
from jwst_mosaic_skymatch.tiles.frame import detector_frame
from jwst_mosaic_skymatch.tiles.grid import shared_grid
from jwst_mosaic_skymatch.tiles.pixel_map import map_pixels

SHAPE = (60, 80)
ANGLE = 0.4


def turned(x, y):
    """Take pixels to cells two pixels wide, with the rows in direction `ANGLE`."""
    cos, sin = np.cos(ANGLE) / 2, np.sin(ANGLE) / 2
    return 100.0 + cos * x - sin * y, -30.0 + sin * x + cos * y


@pytest.fixture
def frame():
    """Make a frame without distortion, whose good pixels are in the left half."""
    good = np.zeros(SHAPE, dtype=bool)
    good[:, :40] = True
    return detector_frame(map_pixels(turned, SHAPE), good, "MIRIMAGE", (None, (1, 2, 3, 4)))


def test_centre_and_derivative(frame):
    np.testing.assert_allclose(frame.pixel, [19.5, 29.5])
    np.testing.assert_allclose(frame.centre, turned(19.5, 29.5), rtol=1e-12)
    cos, sin = np.cos(ANGLE) / 2, np.sin(ANGLE) / 2
    np.testing.assert_allclose(frame.derivative, [[cos, -sin], [sin, cos]], rtol=1e-9)
    assert frame.angle == pytest.approx(ANGLE)
    assert (frame.detector, frame.regions) == ("MIRIMAGE", (None, (1, 2, 3, 4)))


def test_places_are_distances_from_the_centre(frame):
    columns, rows = np.arange(5.0), np.arange(7.0)[:, None]
    places = frame.places(columns, rows)
    assert places.shape == (2, 7, 5)
    np.testing.assert_allclose(places[:, 2, 3], np.array([3.0, 2.0]) - frame.centre)


def test_plane_in_pixels_is_the_gradient_in_places(frame):
    gradient = np.array([0.3, -0.1])
    y, x = np.indices(SHAPE, dtype=float)
    expected = np.tensordot(gradient, frame.places(*turned(x, y)), axes=1)
    image = frame.plane(gradient).image(SHAPE)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, expected, atol=1e-5)


@pytest.mark.parametrize("roll", [0.0, 37.0])
@pytest.mark.parametrize(
    ("aperture", "filter_name", "binning"), [("MIRIM_FULL", "F770W", 2), ("NRCA1_FULL", "F200W", 8)]
)
def test_pixels_are_good_to_half_a_pixel_of_a_full_frame(aperture, filter_name, binning, roll):
    """On a grid along the rows, and on a turned one; places outside of the array stay there."""
    (pointing,) = dither_pointings(1, aperture=aperture)
    scene = compose_scene("one", [pointing], filter_name=filter_name, binning=binning)
    model = simulate_exposure(scene, pointing)
    wcs, shape = model.meta.wcs, model.data.shape
    info = model.meta.wcsinfo.instance
    info = info | {"roll_ref": info["roll_ref"] + roll}
    grid = shared_grid([wcs_footprint(wcs, shape)], wcs, info, 2.2)
    pixel_map = grid.map_pixels(wcs, shape)
    frame = detector_frame(pixel_map, np.ones(shape, dtype=bool))
    y, x = np.indices(shape)
    cells = np.moveaxis(pixel_map.at(np.arange(shape[1]), np.arange(shape[0])), -1, 0)
    assert np.abs(frame.pixels(*cells) - (x, y)).max() < 0.5 / binning
    affine = replace(frame, coefficients=np.zeros((1, 1, 2))).pixels(*cells)
    assert np.abs(affine - (x, y)).max() > 5.0 / binning
    # Far beyond the left edge, too.
    steps = np.arange(-3000.0, 0.0, 10.0)
    edge = pixel_map.at(np.zeros(1), np.arange(0, shape[0], 20)).transpose(2, 0, 1)
    beyond = edge + np.multiply.outer(frame.derivative[:, 0], steps)[:, None]
    assert np.abs(frame.pixels(*beyond)[0] - steps).max() < 1.0 / binning
