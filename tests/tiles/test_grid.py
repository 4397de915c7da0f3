"""The shared grid: where it lies, and the sky behind its cells."""

from dataclasses import replace
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import ICRS, SkyCoord
from astropy.modeling.models import Pix2Sky_TAN, RotateNative2Celestial, Scale, Shift
from gwcs import WCS
from gwcs.coordinate_frames import CelestialFrame, Frame2D
from stdatamodels.jwst.datamodels import open as open_model

from jwst_mosaic_skymatch.exposures.library import open_input
from jwst_mosaic_skymatch.exposures.models import wcs_footprint
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


def plain_grid(ra, dec, scale=0.2, shape=(101, 201)):
    """Make a grid with north up and east to the left, ``scale`` arcsec a cell."""
    step = scale / 3600.0
    centre = Shift(-(shape[1] - 1) / 2) & Shift(-(shape[0] - 1) / 2)
    to_sky = (
        centre | Scale(-step) & Scale(step) | Pix2Sky_TAN() | RotateNative2Celestial(ra, dec, 180.0)
    )
    pixel = Frame2D(name="cells", axes_order=(0, 1), unit=(u.pix, u.pix))
    sky = CelestialFrame(reference_frame=ICRS(), unit=(u.deg, u.deg))
    return Grid(wcs=WCS([(pixel, to_sky), (sky, None)]), shape=shape)


@pytest.mark.parametrize("ra", [0.0, 150.0])
def test_directions_on_the_sky(ra):
    """Also where right ascension goes through zero between two cells."""
    grid = plain_grid(ra, 60.0)
    # One cell to the east a great circle is off the parallel by 2e-7 arcsec.
    np.testing.assert_allclose(grid.sky_axes, [[-0.2, 0.0], [0.0, 0.2]], atol=1e-6)
    assert grid.cell_scale == pytest.approx(0.2, rel=1e-7)


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


def test_places_on_the_grid_are_those_of_the_wcs(laid, model):
    grid, footprints = laid
    corners = wcs_footprint(model.meta.wcs, model.data.shape)
    # S_REGION goes the other way round, along the edges of pixels instead of their centres.
    (places,) = grid.locate([corners])
    distances = np.linalg.norm(places[:, None] - footprints[0], axis=2)
    np.testing.assert_allclose(distances.min(axis=0), np.sqrt(0.5) / RATIO, atol=0.01)
    back = [np.stack(grid.wcs(*c.T, with_bounding_box=False), axis=1) for c in footprints]
    for located, corners in zip(grid.locate(back), footprints, strict=True):
        np.testing.assert_allclose(located, corners, atol=1e-6)


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
    light = np.nan_to_num(tile.data)
    rows, columns = np.indices(light.shape)
    centroid = [np.sum(axis * light) / light.sum() for axis in (columns, rows)]
    wcs = grid.cutout_wcs(tile)
    measured, truth = (
        SkyCoord(*wcs(*centroid), unit="deg"),
        SkyCoord(*model.meta.wcs(*star), unit="deg"),
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
