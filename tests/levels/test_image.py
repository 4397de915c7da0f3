"""Constants of components from an image."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import as_exposures, make_tile, outline, structured_sky

from jwst_mosaic_skymatch.compute.executors import SerialExecutor, Workers
from jwst_mosaic_skymatch.levels.image import anchor_to_image
from jwst_mosaic_skymatch.match import match_exposures
from jwst_mosaic_skymatch.offsets.statistic import Statistic
from jwst_mosaic_skymatch.stack import MatchSettings

LEVELS = np.array([1.0, 3.0, 2.0, 7.0, 5.0, -4.0])
LABELS = ["a", "a", "b", "c", "d", "e"]
# Two on each other and one beside them; two that overlap; one alone.
CORNERS = [(0, 0), (4, 2), (40, 0), (200, 0), (240, 0), (400, 0)]
SHAPE = (50, 60)


@pytest.fixture
def match(tmp_path):
    """Match exposures of which the tiles are still there."""
    tiles = [
        make_tile(x, y, SHAPE, level=level, noise=0.01, seed=seed, sky=structured_sky)
        for seed, ((x, y), level) in enumerate(zip(CORNERS, LEVELS, strict=True))
    ]
    return match_exposures(
        LABELS,
        [outline(tile) for tile in tiles],
        as_exposures(tiles).__getitem__,
        MatchSettings(Statistic()),
        Workers(SerialExecutor()),
        directory=tmp_path,
        whole_stacks=True,
    )


def absolute(found):
    return found.match.levels + found.constants[found.match.components]


def test_levels_become_absolute(match):
    found = anchor_to_image(match, structured_sky)
    np.testing.assert_allclose(absolute(found), LEVELS, atol=0.002)
    assert found.n_stacks.tolist() == [2, 2, 1]
    assert found.n_cells[1:].tolist() == [6000, 3000]
    assert np.isnan(found.scatter).tolist() == [False, False, True]
    assert np.all(found.errors < 0.001)


def test_exposure_without_overlap_becomes_a_component(match):
    assert match.components.tolist() == [0, 0, 0, 1, 1, -1]
    found = anchor_to_image(match, structured_sky).match
    assert found.components.tolist() == [0, 0, 0, 1, 1, 2]
    assert found.levels[5] == 0.0
    assert 0 < found.level_errors[5] < 0.001
    assert found.reasons == ("",) * 6
    # What was given stays as it was.
    assert np.isnan(match.levels[5])


def test_pieces_without_a_measured_level_say_nothing(match):
    levels = match.levels.copy()
    levels[2] += 5.0
    guessed = replace(match, levels=levels, placed=frozenset({2}))
    found = anchor_to_image(guessed, structured_sky)
    np.testing.assert_allclose(absolute(found)[:2], LEVELS[:2], atol=0.002)
    assert found.n_stacks.tolist() == [1, 2, 1]


def test_outliers_and_cells_without_a_value_do_not_count(match):
    def sample(x, y):
        values = np.where(x < 10, np.nan, structured_sky(x, y))
        return np.where((x > 20) & (x < 24), 1e3, values)

    found = anchor_to_image(match, sample)
    np.testing.assert_allclose(absolute(found), LEVELS, atol=0.002)


@pytest.mark.parametrize(("rows", "reaches"), [(24, False), (25, True)])
def test_few_cells_say_nothing(match, rows, reaches):
    def sample(x, y):
        return np.where((x == 210) & (y < rows), structured_sky(x, y), np.nan)

    found = anchor_to_image(match, sample, min_cells=25)
    assert np.isfinite(found.constants).tolist() == [False, reaches]
    # The lone one is not reached either, and stays without a level.
    assert found.match.n_components == 2
    assert found.match.reasons[5]
