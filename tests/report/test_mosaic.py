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
# North is up and east left where x runs to the west.
AXES = {"upright": np.diag([-SIDE, SIDE]), "upside down": np.diag([SIDE, -SIDE])}


def picture(axes, shape=(90, 90), keep_pictures=True):
    tiles = [
        make_tile(*corner, shape, level=level, noise=0.01, seed=k, sky=structured_sky)
        for k, (corner, level) in enumerate(zip(CORNERS, LEVELS, strict=True))
    ]
    exposures = as_exposures(tiles)
    grid = SimpleNamespace(
        sky_axes=axes,
        cell_scale=SIDE,
        wcs=lambda x, y, with_bounding_box: (150.0, 2.0),
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


@pytest.mark.parametrize("turn", AXES)
def test_levels_are_there_before_and_gone_after(turn):
    found = picture(AXES[turn])
    ny, nx = found.after.shape
    assert (ny, nx) == (93, 154)
    assert found.extent == (38.5, -38.5, -23.25, 23.25)
    y, x = np.indices((ny, nx))
    if turn == "upside down":
        x, y = nx - 1 - x, ny - 1 - y
    known = np.isfinite(found.after)
    assert 0.9 < known.mean() < 1.0
    left = (found.after - structured_sky(x, y))[known]
    assert np.std(left) < 0.02
    # Of two exposures that lie upon each other their mean, in the middle of each stack.
    taken = found.before - found.after
    middle = (y > 20) & (y < 70)
    assert np.nanmedian(taken[middle & (x > 16) & (x < 48)]) == pytest.approx(0.25, abs=0.01)
    assert np.nanmedian(taken[middle & (x > 112)]) == pytest.approx(1.5, abs=0.01)


def test_residuals_are_those_of_blocks_of_cells():
    """Of 16 cells, differences of noise of 0.01."""
    residual = picture(AXES["upright"]).residual
    assert np.nanmedian(residual) == pytest.approx(0.01 * np.sqrt(2.0) / 4.0, rel=0.35)
    # What one exposure alone sees has none.
    assert np.isnan(residual[0, 0])
    assert np.isnan(picture(AXES["upright"], keep_pictures=False).residual).all()


def test_large_mosaics_are_condensed():
    found = picture(AXES["upright"], shape=(700, 1300))
    assert max(found.after.shape) <= 480
    assert found.extent[0] == pytest.approx(1364 * SIDE / 2, rel=0.01)


def test_nothing_to_show():
    assert condense_mosaic(SimpleNamespace(stacks=()), np.zeros(0), None) is None
