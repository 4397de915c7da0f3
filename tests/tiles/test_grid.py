"""The shared grid: where it lies, and the sky behind its cells."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from scipy.ndimage import center_of_mass
from stdatamodels.jwst.datamodels import open as open_model

from jwst_mosaic_skymatch.exposures.library import open_input
from jwst_mosaic_skymatch.exposures.pixels import FilePixels, Pixels
from jwst_mosaic_skymatch.tiles.grid import Grid, lay_grid, observe
from jwst_mosaic_skymatch.tiles.observation import Observation, TileSettings, make_tile

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


@pytest.fixture
def model(mosaic):
    with open_model(mosaic.files[0]) as model:
        yield model


def test_axes_on_the_sky(laid):
    grid, _ = laid
    y, x = np.divide(grid.shape, 2.0) - 0.5
    ra, dec = np.array(grid.wcs([x, x + 1, x], [y, y, y + 1]))
    expected = 3600.0 * np.stack([(ra - ra[0]) * np.cos(np.deg2rad(dec[0])), dec - dec[0]])[:, 1:]
    # Curvature within a cell.
    np.testing.assert_allclose(grid.sky_axes, expected, atol=1e-5)
    assert grid.cell_scale**2 == pytest.approx(abs(np.linalg.det(expected)), rel=1e-5)


def test_grid_covers_all_exposures_and_lies_along_the_first(laid, model):
    grid, footprints = laid
    corners = np.concatenate(footprints)
    # Half a cell for the cells' size, one for pixels of which S_REGION names the centres.
    assert np.all(corners > -1.5)
    assert np.all(corners < np.array(grid.shape[::-1]) + 0.5)
    # A pixel's step along its axes is one along the grid's, to what distortion turns.
    x, y = (n / 2 for n in model.data.shape[::-1])
    sky = np.array(model.meta.wcs([x, x + 1, x], [y, y, y + 1]))
    steps = np.diff(grid.locate([sky.T])[0], axis=0)
    along = np.stack([steps[0], steps[0] + steps[1]])
    np.testing.assert_allclose(np.abs(along), np.eye(2) / RATIO, atol=0.02)


def test_grid_without_footprints_in_the_headers(mosaic, laid):
    """From the WCS of each exposure, whose corners S_REGION holds to a fraction of a cell."""
    library, exposures = opened(mosaic)
    without = [replace(exposure, s_region=None) for exposure in exposures]
    grid, footprints = lay_grid(library, without, RATIO)
    np.testing.assert_allclose(grid.shape, laid[0].shape, atol=1)
    assert all(corners.shape == (4, 2) for corners in footprints)


@pytest.mark.parametrize("from_file", [False, True])
def test_observation_holds_pixels_and_their_places(exposures, laid, mosaic, from_file):
    path = str(mosaic.files[0]) if from_file else None
    library, (first, *_) = exposures
    observation = observe(library, first, laid[0], path)
    assert isinstance(observation.pixels, FilePixels if from_file else Pixels)
    pixels = observation.pixels.read()
    with open_model(mosaic.files[0]) as model:
        for name in ("data", "dq", "err"):
            np.testing.assert_array_equal(getattr(pixels, name), getattr(model, name))
        sky = model.meta.wcs(10.0, 20.0)
    pixel_map = observation.pixel_map
    place = pixel_map.coordinates(slice(20, 21))[0, 10] + pixel_map.bounds[::2]
    # A thousandth of a pixel, see `map_pixels`.
    np.testing.assert_allclose(place, laid[0].locate([np.array([sky])])[0][0], atol=1e-3 / RATIO)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files as Linux does")
def test_no_file_stays_open(mosaic, laid, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    library, exposures = opened(mosaic, on_disk=True)
    counts = []
    for exposure in exposures:
        observe(library, exposure, laid[0])
        counts.append(len(list(Path("/proc/self/fd").iterdir())))
    assert max(counts) == counts[0]


def test_wcs_of_a_tile_gives_the_place_of_a_star(laid, model):
    """From the exposure's WCS over the drizzled image to the tile's WCS and the sky."""
    grid, _ = laid
    y, x = np.indices(model.data.shape)
    star = (60.3, 45.8)
    image = np.exp(-((x - star[0]) ** 2 + (y - star[1]) ** 2) / (2 * 3.0**2)).astype(np.float32)
    pixel_map = grid.map_pixels(model.meta.wcs, image.shape)
    observation = Observation(pixels=Pixels(data=image, dq=None, err=None), pixel_map=pixel_map)
    tile = make_tile(observation, TileSettings()).tile
    centroid = center_of_mass(np.nan_to_num(tile.data))[::-1]
    wcs = grid.cutout_wcs(tile)
    measured, truth = (
        SkyCoord(*sky, unit="deg") for sky in (wcs(*centroid), model.meta.wcs(*star))
    )
    assert measured.separation(truth).arcsec < 0.1 * grid.cell_scale
    assert wcs.array_shape == tile.shape
    # Cell (0, 0) of the tile is one cell of the grid, and outside there is nothing.
    np.testing.assert_allclose(wcs(0, 0), grid.wcs(tile.x0, tile.y0), rtol=1e-12)
    assert np.isnan(wcs(-1, 0)[0])


def test_wcs_without_sky_positions(exposures, laid, monkeypatch):
    library, (first, *_) = exposures

    def nowhere(self, x, y):
        return np.full_like(x, np.nan), np.full_like(y, np.nan)

    monkeypatch.setattr(Grid, "from_sky", nowhere)
    with pytest.raises(ValueError, match=f"{first.filename}: the WCS gives no sky position"):
        observe(library, first, replace(laid[0]))
