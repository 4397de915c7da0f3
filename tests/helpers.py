"""Makers of small tiles with known levels, and what is done to them."""

import json
from dataclasses import astuple, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import pytest
from astropy.io import fits
from stdatamodels.jwst.datamodels import open as open_model

from jwst_mosaic_simulation._geometry import build_wcs, load_aperture
from jwst_mosaic_skymatch import PixelSkyMatchStep
from jwst_mosaic_skymatch.compute.executors import Workers
from jwst_mosaic_skymatch.exposures.sky_files import tangent_plane
from jwst_mosaic_skymatch.match import MatchSettings, Names, match_exposures
from jwst_mosaic_skymatch.offsets.measure import PairSettings
from jwst_mosaic_skymatch.tiles.frame import DetectorFrame
from jwst_mosaic_skymatch.tiles.observation import TiledExposure, TileSettings
from jwst_mosaic_skymatch.tiles.tile import Tile

# So many pixels in a cell that hardly any lies across an edge.
INDEPENDENT = 1e8


def make_tile(x0, y0, shape, *, level=0.0, noise=0.0, seed=0, sky=None):
    """Make a tile of level + sky + noise; sky is a function of grid cells (x, y).

    Its cells are independent, as if no pixel were shared by two.
    """
    y, x = np.indices(shape)
    data = np.full(shape, level, dtype=float)
    if sky is not None:
        data += sky(x + x0, y + y0)
    data += noise * np.random.default_rng(seed).standard_normal(shape)
    return Tile(
        x0=x0,
        y0=y0,
        data=data.astype(np.float32),
        weight=np.full(shape, 4.0, dtype=np.float32),
        pixels_per_cell=INDEPENDENT,
    )


def rotated(angle, pixels_per_side, x0=0.0, y0=0.0):
    """Make a transform to cells some pixels wide."""
    angle = np.deg2rad(angle)
    cos, sin = np.array([np.cos(angle), np.sin(angle)]) / pixels_per_side
    return lambda x, y: (x0 + cos * x - sin * y, y0 + sin * x + cos * y)


def punch(tile, cells):
    """Take cells out of a tile."""
    return replace(
        tile,
        data=np.where(cells, np.float32(np.nan), tile.data),
        weight=np.where(cells, np.float32(0), tile.weight),
    )


def tiles_as_observed():
    """Take what observe returns as the tile: nothing is drizzled."""
    return patch("jwst_mosaic_skymatch.stacking.make_tile", lambda tiled, settings: tiled)


def as_exposure(tile, sky=0.0):
    """Take a tile for an exposure without distortion, whose pixels are cells."""
    x_min, x_max, y_min, y_max = tile.bounds
    centre = np.array([x_min + x_max - 1, y_min + y_max - 1]) / 2
    frame = DetectorFrame(np.zeros(2), centre, np.eye(2), tile.shape)
    return TiledExposure(replace(tile, frames=(frame,)), sky, True)


def match_tiles(tiles, labels, statistic, **options):
    """Match tiles of exposures without distortion as the step does."""
    bounds = [tile.bounds for tile in tiles]
    corners = [np.array([(a, c), (b, c), (b, d), (a, d)]) for a, b, c, d in bounds]
    exposures = [as_exposure(tile, float(k)) for k, tile in enumerate(tiles)]
    settings = MatchSettings(TileSettings(), PairSettings(statistic), **options)
    with TemporaryDirectory() as directory, tiles_as_observed():
        return match_exposures(
            Names(labels, labels, [str(k) for k in range(len(labels))]),
            corners,
            exposures.__getitem__,
            settings,
            Workers(),
            directory=directory,
        )


def structured_sky(x, y):
    """Emission that fills the field, with a contrast of several MJy/sr."""
    return 10.0 * np.exp(-((x - 40.0) ** 2 + (y - 30.0) ** 2) / 800.0) + 3.0 * np.sin(
        x / 7.0 + y / 11.0
    )


def shifted_sky(dx, dy):
    """Make that emission as an image sees it that lies beside its place."""
    return lambda x, y: structured_sky(x - dx, y - dy)


def run(inputs, **parameters):
    """Run the step and leave the log as it is; give the library."""
    return PixelSkyMatchStep.call(inputs, configure_log=False, **parameters)


def absolute(mosaic):
    """Give the association of a simulated mosaic as a mapping with absolute paths."""
    association = json.loads(mosaic.association.read_text())
    for member in association["products"][0]["members"]:
        member["expname"] = str(mosaic.association.parent / member["expname"])
    return association


def wcs_of(pointing, binning=1):
    """Build the WCS of a simulated exposure."""
    return build_wcs(load_aperture(pointing.aperture, binning), *astuple(pointing)[:3])


def rootname(filename):
    """Strip directory, extension and product suffix: the key of the true levels."""
    return filename.rsplit("/", 1)[-1].removesuffix(".fits").rsplit("_", 1)[0]


def read_levels(library):
    """Read {rootname: level} from a library."""
    levels = {}
    with library:
        for model in library:
            levels[rootname(model.meta.filename)] = model.meta.background.level
            library.shelve(model, modify=False)
    return levels


def levels_of_files(directory, suffix="skymatch"):
    """Read {rootname: level} from the files of a directory with a suffix."""
    levels = {}
    for path in sorted(Path(directory).glob(f"*_{suffix}.fits")):
        with open_model(path) as model:
            assert model.meta.cal_step.skymatch == "COMPLETE"
            levels[rootname(path.name).removesuffix("_a3001")] = model.meta.background.level
    return levels


def level_errors(levels, truth):
    """Level minus true level, means removed, as an array in the order of names."""
    names = sorted(levels)
    errors = np.array([levels[name] - truth[name] for name in names], dtype=float)
    return errors - errors.mean()


class FromSiaf:
    """In place of the step that assigns a WCS, which would fetch reference files."""

    @staticmethod
    def call(model, **_):
        info, detector = model.meta.wcsinfo, model.meta.instrument.detector
        aperture = load_aperture(f"{detector.replace('LONG', '5')}_FULL")
        model.meta.wcs = build_wcs(aperture, info.ra_ref, info.dec_ref, info.roll_ref)
        return model


# Problems of contrast, of reach by keyboard, and of labels for readers of the screen.
AXE = """async () => {
    const result = await axe.run(document, {resultTypes: ["violations"], preload: false});
    return result.violations
        .filter(violation => ["serious", "critical"].includes(violation.impact))
        .map(violation => [violation.id, ...violation.nodes.slice(0, 4).map(node => node.html)]);
}"""


def violations(page):
    """List what keeps someone from reading a page."""
    axe = pytest.importorskip("axe_playwright_python.base", reason="pip install axe-playwright")
    page.add_script_tag(content=axe.AXE_FILE_PATH.read_text(encoding="utf-8"))
    return page.evaluate(AXE)


def draw_sky(scene, path, center, width):
    """Save the true sky without stars as a mosaic, 0.5 arcsec to a pixel, turned by 8 degrees."""
    cosine, sine = np.cos(np.radians(8.0)), np.sin(np.radians(8.0))
    matrix = np.array([[-cosine, sine], [sine, cosine]]) * 0.5 / 3600
    wcs = tangent_plane(*center, matrix, (width / 2, 400.0))
    y, x = np.indices((800, width))
    image = scene.sky.diffuse(*wcs.all_pix2world(x, y, 0)).astype(np.float32)
    weight = np.ones_like(image)
    image[:, :40] = np.nan
    image[300:310], weight[300:310] = 1e5, 0.0  # pixels without weight do not count
    header = fits.Header({"BUNIT": "MJy/sr", **wcs.to_header()})
    science, weight = fits.ImageHDU(image, header, "SCI"), fits.ImageHDU(weight, name="WHT")
    fits.HDUList([fits.PrimaryHDU(), science, weight]).writeto(path)
    return path
