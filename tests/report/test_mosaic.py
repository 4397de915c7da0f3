"""The picture of a mosaic."""

from tempfile import TemporaryDirectory
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import as_exposures, make_tile, outline, structured_sky

from jwst_mosaic_skymatch.compute.executors import SerialExecutor, Workers
from jwst_mosaic_skymatch.levels.gauge import apply_gauge
from jwst_mosaic_skymatch.match import match_exposures
from jwst_mosaic_skymatch.offsets.statistic import Statistic
from jwst_mosaic_skymatch.report.mosaic import condense_mosaic
from jwst_mosaic_skymatch.stack import MatchSettings

LEVELS = (0.0, 0.5, 2.0, 1.0)
CORNERS = ((0, 0), (4, 2), (60, 0), (64, 3))
SIDE = 0.5
# East and north, arcsec, for a cell in x and in y; the centre of the grid and its RA and Dec.
AXES = SIDE * np.array([[-0.8, 0.6], [0.6, 0.8]])
CENTER, PLACE = np.array([76.5, 46.0]), (150.0, 2.0)


def picture(shape=(90, 90), keep_pictures=True):
    tiles = [
        make_tile(*corner, shape, level=level, noise=0.01, seed=k, sky=structured_sky)
        for k, (corner, level) in enumerate(zip(CORNERS, LEVELS, strict=True))
    ]
    exposures = as_exposures(tiles)
    grid = SimpleNamespace(
        shape=(93, 154),
        sky_axes=AXES,
        wcs=lambda x, y, with_bounding_box: PLACE,
    )
    with TemporaryDirectory() as directory:
        match = match_exposures(
            ["a", "a", "b", "b"],
            [outline(tile) for tile in tiles],
            exposures.__getitem__,
            MatchSettings(Statistic("biweight"), keep_pictures=keep_pictures),
            Workers(SerialExecutor()),
            directory=directory,
            whole_stacks=True,
        )
        return condense_mosaic(match, apply_gauge(match.levels, match_down=True), grid)


def test_levels_are_there_before_and_gone_after():
    found = picture()
    ny, nx = found.after.shape
    assert (ny, nx) == (93, 154)
    y, x = np.indices((ny, nx))
    known = np.isfinite(found.after)
    assert 0.9 < known.mean() < 1.0
    assert np.std((found.after - structured_sky(x, y))[known]) < 0.02
    # Of two exposures that lie upon each other their mean, in the middle of each stack.
    level = found.before - found.after
    middle = (y > 20) & (y < 70)
    assert np.nanmedian(level[middle & (x > 16) & (x < 48)]) == pytest.approx(0.25, abs=0.01)
    assert np.nanmedian(level[middle & (x > 112)]) == pytest.approx(1.5, abs=0.01)


@pytest.mark.parametrize("shape", [(90, 90), (700, 1300)])
def test_wcs_is_that_of_the_grid(shape):
    """The centre of the grid is at the given place, and a cell has the given axes."""
    found = picture(shape)
    assert max(found.after.shape) <= 480
    block = max(1, -(-max(shape[0] + 3, shape[1] + 64) // 480))
    pixel = (CENTER + 0.5) / block - 0.5
    np.testing.assert_allclose(found.wcs.pixel_to_world_values(*pixel), PLACE, atol=1e-9)
    np.testing.assert_allclose(3600 * found.wcs.wcs.cd, block * AXES)


def test_residuals_are_those_of_blocks_of_cells():
    """Of 16 cells, differences of noise of 0.01."""
    residual = picture().residual
    assert np.nanmedian(residual) == pytest.approx(0.01 * np.sqrt(2.0) / 4.0, rel=0.35)
    # What one exposure alone sees has none.
    assert np.isnan(residual[0, 0])
    assert np.isnan(picture(keep_pictures=False).residual).all()


def test_nothing_to_show():
    assert condense_mosaic(SimpleNamespace(stacks=()), np.zeros(0), None) is None
