"""The shared grid: where it lies, and the sky behind its cells."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from helpers import make_tile
from numpy.testing import assert_allclose, assert_array_equal
from stdatamodels.jwst.datamodels import open as open_model

from jwst_mosaic_skymatch.exposures.library import open_input
from jwst_mosaic_skymatch.exposures.pixels import FilePixels, Pixels
from jwst_mosaic_skymatch.observe import lay_grid, observe
from jwst_mosaic_skymatch.products.files import cutout_wcs

RATIO = 2.2


def opened(mosaic, on_disk=False):
    """Open the exposures as the step does."""
    step_input = open_input(str(mosaic.association), on_disk=on_disk, own_models=list)
    return step_input.library, step_input.exposures


@pytest.fixture(scope="module")
def exposures(mosaic):
    return opened(mosaic)


@pytest.fixture(scope="module")
def laid(exposures):
    return lay_grid(*exposures, RATIO)


def test_resampled_image_has_no_regions(laid, mosaic):
    library, exposures = opened(mosaic)
    resampled = replace(exposures[0], resample="COMPLETE")
    assert observe(library, resampled, laid[0]).regions == ()


@pytest.fixture
def model(mosaic):
    with open_model(mosaic.files[0]) as model:
        yield model


def test_axes_on_the_sky(laid):
    grid, _ = laid
    x, y = grid.wcs.forward_transform.crpix
    sky = SkyCoord(*grid.wcs([x, x + 1, x], [y, y, y + 1]), unit="deg")
    expected = [offset.to_value("arcsec")[1:] for offset in sky[0].spherical_offsets_to(sky)]
    # Curvature within a cell.
    assert_allclose(grid.sky_axes, expected, atol=1e-5)
    assert grid.cell_scale**2 == pytest.approx(abs(np.linalg.det(expected)), rel=1e-5)


def test_grid_covers_all_exposures_and_lies_along_the_first(laid, model):
    grid, footprints = laid
    corners = np.concatenate(footprints)
    # Half a cell for the cells' size, one for pixels of which S_REGION names the centres.
    assert np.all((corners > -1.5) & (corners < np.array(grid.wcs.pixel_shape) + 0.5))
    # A pixel's step along its axes is one along the grid's, to what distortion turns.
    x, y = (n / 2 for n in model.data.shape[::-1])
    sky = np.array(model.meta.wcs([x, x + 1, x], [y, y, y + 1]))
    places = np.stack(grid.from_sky(*sky), axis=1)
    assert_allclose(abs(places[1:] - places[0]), np.eye(2) / RATIO, atol=0.02)


def test_wcs_of_a_cutout(laid):
    tile = make_tile(5, 3, (20, 30))
    wcs = cutout_wcs(laid[0], tile)
    assert wcs.array_shape == tile.shape
    assert_allclose(wcs(2, 1), laid[0].wcs(7, 4), rtol=1e-12)


@pytest.mark.parametrize("from_file", [False, True])
def test_observation_holds_pixels_and_their_places(exposures, laid, mosaic, from_file):
    library, (first, *_) = exposures
    observation = observe(library, first, laid[0], from_file=from_file)
    assert isinstance(observation.pixels, FilePixels if from_file else Pixels)
    pixels = observation.pixels.read()
    with open_model(mosaic.files[0]) as model:
        for name in ("data", "dq", "err"):
            assert_array_equal(getattr(pixels, name), getattr(model, name))
        sky = model.meta.wcs(10.0, 20.0)
    pixel_map = observation.pixel_map
    place = next(pixel_map.bands())[1][20, 10]
    # A thousandth of a pixel, see `map_pixels`.
    assert_allclose(place, laid[0].from_sky(*sky), atol=1e-3 / RATIO)
