"""The whole match of small images with known levels."""

import numpy as np
import pytest
from helpers import tiles_as_observed

from jwst_mosaic_skymatch.compute.executors import Workers
from jwst_mosaic_skymatch.match import MatchSettings, Names, match_exposures
from jwst_mosaic_skymatch.offsets.measure import PairSettings
from jwst_mosaic_skymatch.offsets.statistic import Statistic
from jwst_mosaic_skymatch.tiles.frame import DetectorFrame
from jwst_mosaic_skymatch.tiles.observation import TiledExposure, TileSettings
from jwst_mosaic_skymatch.tiles.tile import Tile

SIZE, NOISE = 96, 0.01
# Two visits of three dithers each, side by side.
CORNERS = [(0, 0), (6, 4), (3, 8), (60, 0), (66, 6), (62, 3)]
GROUPS = ["a", "a", "a", "b", "b", "b"]
LEVELS = np.array([0.5, -0.2, 0.1, 1.0, -1.0, -0.4])


def observe(rng, k):
    """Image of a faint sky, with a level and noise."""
    x0, y0 = CORNERS[k]
    y, x = np.indices((SIZE, SIZE))
    sky = 0.02 * np.sin((x + x0) / 9.0) * np.cos((y + y0) / 7.0)
    data = (sky + LEVELS[k] + rng.normal(0.0, NOISE, sky.shape)).astype(np.float32)
    middle = np.array([0.5, 0.5]) * SIZE
    frame = DetectorFrame(middle, middle + np.array([x0, y0]), np.eye(2), (SIZE, SIZE))
    weight = np.ones_like(data)
    return TiledExposure(Tile(x0, y0, data, weight, NOISE**2, frames=(frame,)), float(k))


def match(directory, seed=0, image=None, held=None, **options):
    rng = np.random.default_rng(seed)
    names = Names(GROUPS, GROUPS, [f"{k}" for k in range(6)])
    corners = SIZE * np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    settings = MatchSettings(TileSettings(), PairSettings(Statistic("biweight")), **options)
    with tiles_as_observed():
        return match_exposures(
            names,
            [corners + place for place in CORNERS],
            lambda k: observe(rng, k),
            settings,
            Workers(),
            directory=directory,
            held=held,
            image=image,
        )


def test_levels_come_back(tmp_path):
    pulls = []
    for seed in range(4):
        levels = match(tmp_path, seed).levels
        pulls.append((levels.values - LEVELS + LEVELS.mean()) / levels.errors)
        assert np.abs(levels.values - LEVELS + LEVELS.mean()).max() < 1e-3
    assert 0.5 < np.sqrt(np.mean(np.square(pulls))) < 1.5


def test_stacks_and_their_pairs(tmp_path):
    result = match(tmp_path)
    assert [(stack.label, stack.members) for stack in result.stacks] == [
        ("a", (0, 1, 2)),
        ("b", (3, 4, 5)),
    ]
    assert len(result.exposure_pairs) == 6
    assert len(result.stack_pairs) == 1
    np.testing.assert_array_equal(result.skies, np.arange(6.0))
    assert {path.name for path in tmp_path.iterdir()} == {"0.npy", "1.npy"}


def test_rigid_groups_have_one_level(tmp_path):
    values = match(tmp_path, rigid=True).levels.values
    np.testing.assert_allclose(values[:3], values[0])
    np.testing.assert_allclose(values[3:], values[3])


def test_reference_image_and_held_level(tmp_path):
    def image(x, y):
        return 0.02 * np.sin(x / 9.0) * np.cos(y / 7.0) + 2.0

    anchored = match(tmp_path, image=image).levels
    np.testing.assert_allclose(anchored.values, LEVELS - 2.0, atol=2e-3)
    held = np.where(np.arange(6) == 2, 3.0, np.nan)
    values = match(tmp_path, held=held).levels.values
    assert values[2] == 3.0
    np.testing.assert_allclose(values, LEVELS - LEVELS[2] + 3.0, atol=2e-3)
    assert match(tmp_path).levels.values.sum() == pytest.approx(0.0, abs=1e-9)
