"""Levels, gradients and shifts inside a stack, and the weights of its mean."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import as_exposure, make_tile, shifted_sky, structured_sky
from numpy.testing import assert_allclose

from jwst_mosaic_skymatch.offsets.measure import PairSettings
from jwst_mosaic_skymatch.offsets.regression import Statistic
from jwst_mosaic_skymatch.stacking import compare_with_image, match_stack
from jwst_mosaic_skymatch.tiles.frame import region_shares

SHAPE, NOISE = (96, 96), 0.01
# Each has a margin of its own.
CORNERS = [(200, 304), (224, 304), (216, 328), (208, 312)]
# Cells of the mean that the first and the second tile alone cover.
MARGINS = np.s_[:90, :8], np.s_[:90, 112:]
LEVELS = np.array([0.5, -0.2, 0.1, 0.3])


def match(*, noises=(NOISE,) * 4, skies=(lambda x, y: 0.0 * x,) * 4, regions=()):
    tiled = {}
    for k in range(4):
        tile = make_tile(*CORNERS[k], SHAPE, level=LEVELS[k], noise=noises[k], seed=k, sky=skies[k])
        tile = as_exposure(tile).tile
        frame = replace(tile.frames[0], pixel=np.full(2, 47.5), regions=regions)
        tiled[k] = replace(tile, frames=(frame,))
    return match_stack("a", tiled, PairSettings(Statistic()))[0]


def test_levels_have_zero_mean():
    (stack,) = match()
    assert_allclose(stack.corrections[:, 0], LEVELS - LEVELS.mean(), atol=5e-4)
    (pair,) = compare_with_image([stack], lambda x, y: 0.0 * x, PairSettings(Statistic()))
    # The image counts as exact: the error is that of a mean of independent cells.
    error = NOISE * (4.0 / float(stack.mean.weight.sum())) ** 0.5
    assert pair.variance**0.5 == pytest.approx(error, rel=0.08)
    assert pair.offset == pytest.approx(LEVELS.mean(), abs=4.0 * error)


@pytest.mark.parametrize("axis", [0, 1])
def test_gradients_are_subtracted_about_the_centres(axis):
    """Over its margin alone a tile of 0.003 per cell would lie 0.15 beside the others."""
    slopes = np.zeros((4, 2))
    slopes[:, axis] = 0.003, -0.003, 0.001, -0.001
    skies = [
        lambda x, y, s=slope, c=corner: s[0] * (x - c[0] - 47.5) + s[1] * (y - c[1] - 47.5)
        for slope, corner in zip(slopes, CORNERS, strict=True)
    ]
    (stack,) = match(skies=skies)
    assert_allclose(stack.corrections[:, 3:5], slopes, atol=2e-4)
    for part in MARGINS:
        assert np.mean(stack.mean.data[part]) == pytest.approx(LEVELS.mean(), abs=0.02)


def without_sky(tile):
    x, y = tile.places
    return tile.data - structured_sky(x - 200, y - 300)


def test_gains_are_removed():
    """A gain of 2 % on a sky of 5 would make margins of a tile alone 0.1 too bright."""
    gains = np.array([0.02, -0.02, 0.01, -0.01])
    skies = [lambda x, y, g=g: (1 + g) * structured_sky(x - 200, y - 300) for g in gains.tolist()]
    (stack,) = match(skies=skies)
    found = stack.corrections[:, 5]
    assert_allclose(found - found.mean(), gains, atol=1e-3)
    residual = without_sky(stack.mean)
    assert_allclose([residual[part].mean() for part in MARGINS], LEVELS.mean(), atol=0.01)


def test_displaced_tile_is_moved_back():
    """Where it is alone the mean is the sky; not moved, it would lie 0.15 cells beside it."""
    skies = [lambda x, y: structured_sky(x - 200, y - 300)] * 4
    skies[0] = lambda x, y: shifted_sky(0.2, -0.2)(x - 200, y - 300)
    (stack,) = match(skies=skies)
    residual = without_sky(stack.mean)
    # On a sky as smooth as this the trends take up to a tenth of the shift.
    assert_allclose(stack.corrections[:2, 1:3], [(0.15, -0.15), (-0.05, 0.05)], atol=0.02)
    assert max(np.std(residual[part]) for part in MARGINS) < 1.5 * NOISE


def test_tiles_count_by_their_actual_noise():
    """Twice the noise is a quarter of the weight; eight times is a stack of its own."""
    (stack,) = match(noises=(NOISE, 2 * NOISE, NOISE, NOISE))
    largest = [coverage.weight.max() for coverage in stack.coverage]
    assert_allclose(np.array(largest) / largest[0], [1.0, 0.25, 1.0, 1.0], rtol=0.15)
    assert stack.mean.weight.max() == pytest.approx(4 * 3.25, rel=0.1)
    apart = match(noises=(NOISE, 8 * NOISE, NOISE, NOISE))
    assert [stack.members for stack in apart] == [(0, 2, 3), (1,)]


def test_mean_has_lyot_fields_by_their_share():
    """The robust mean alone would be that of the majority."""
    regions = *((0, 0, 0, 0),) * 4, (0, 30, 60, 96)
    skies = [
        lambda x, y, c=corner: 0.5 * ((x < c[0] + 30) & (y >= c[1] + 60)) for corner in CORNERS
    ]
    (stack,) = match(skies=skies, regions=regions)
    share = region_shares(stack.mean.frames, stack.mean.places)[-1]
    assert_allclose(np.unique(share), [0.0, 0.25, 1 / 3, 0.5, 2 / 3, 0.75, 1.0], atol=0.01)
    expected = np.where(stack.mean.weight > 0.0, LEVELS.mean() + 0.5 * share, np.nan)
    assert_allclose(stack.mean.data, expected, atol=5.0 * NOISE)
