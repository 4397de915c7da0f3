"""Symmetries of the match of tiles.

Examples are drawn anew each time in the same way, so that a failure repeats.
"""

from dataclasses import replace

import numpy as np
from helpers import make_tile, match_tiles, structured_sky
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from jwst_mosaic_skymatch.offsets.regression import Statistic

# Each example matches some tiles.
TILES = settings(derandomize=True, deadline=None, max_examples=10)


def centred(values, labels):
    """Subtract the mean over each label."""
    values = np.array(values, dtype=float)
    for label in np.unique(labels):
        values[labels == label] -= values[labels == label].mean(axis=0)
    return values


# Whole blocks of cells, as sizes of tiles are.
FIELD, BLOCK = 96, 8
# Multiples of this are added and subtracted without rounding.
QUANTUM = 2.0**-10


@st.composite
def mosaics(draw, step=1):
    """Draw up to six tiles of one noisy, structured sky, and the group of each.

    Their corners are multiples of ``step`` cells.
    """
    n = draw(st.integers(2, 6))
    corner = st.integers(0, (FIELD - 40) // step).map(step.__mul__)
    noise = draw(st.sampled_from([0.0, 0.02, 0.02, 0.5]))
    tiles = [
        make_tile(draw(corner), draw(corner), (40, 32), noise=noise, seed=k, sky=structured_sky)
        for k in range(n)
    ]
    tiles = [replace(t, data=np.float32(QUANTUM) * np.round(t.data / QUANTUM)) for t in tiles]
    return tiles, draw(st.lists(st.sampled_from("abcdef"), min_size=n, max_size=n))


@given(mosaics(), st.data(), st.sampled_from(["biweight", "median"]))
@TILES
def test_constants_come_back(mosaic, data, offset_stat):
    tiles, labels = mosaic
    number = st.integers(-100_000, 100_000)
    constants = QUANTUM * np.array([data.draw(number) for _ in tiles])
    raised = [
        replace(tile, data=tile.data + np.float32(constant))
        for tile, constant in zip(tiles, constants, strict=True)
    ]
    before, after = (match_tiles(t, labels, Statistic(offset_stat)).levels for t in (tiles, raised))
    assert after.components.tolist() == before.components.tolist()
    expected = before.values + centred(constants, before.components)
    # float32 knows a number to 1e-7, and a mean of a stack is rounded again.
    largest = max(np.abs(tile.data).max() for tile in raised)
    assert_allclose(after.values, expected, atol=1e-6 * largest)
    # Of images without noise what is rounded is the noise.
    assert_allclose(after.errors, before.errors, rtol=0.02, atol=1e-7 * largest)


def changed(tile, change, x0, y0):
    """Change both images of a tile, and its place."""
    data, weight = change(tile.data).copy(), change(tile.weight).copy()
    return replace(tile, x0=x0, y0=y0, data=data, weight=weight)


def mirrored(tile):
    return changed(tile, np.fliplr, FIELD - tile.x0 - tile.shape[1], tile.y0)


def upside_down(tile):
    return changed(tile, np.flipud, tile.x0, FIELD - tile.y0 - tile.shape[0])


def transposed(tile):
    return changed(tile, np.transpose, tile.y0, tile.x0)


def elsewhere(tile):
    return replace(tile, x0=tile.x0 - 160, y0=tile.y0 + 320)


# Blocks begin at a corner of an overlap. Of overlaps of whole blocks a turned grid has the same; of
# others it has some cells in other blocks, and levels differ by up to two of their errors.
@given(mosaics(BLOCK), st.sampled_from([mirrored, upside_down, transposed, elsewhere]))
@TILES
def test_orientation_of_the_grid_does_not_matter(mosaic, turn):
    tiles, labels = mosaic
    match = match_tiles(tiles, labels, Statistic())
    turned = match_tiles([turn(tile) for tile in tiles], labels, Statistic())
    # Two tiles that share just half of their footprints may be one stack or two.
    assume([s.members for s in turned.stacks] == [s.members for s in match.stacks])
    assert_array_equal(turned.levels.components, match.levels.components)
    assert_allclose(turned.levels.values, match.levels.values, atol=1e-6)
    assert_allclose(turned.levels.errors, match.levels.errors, rtol=1e-3, atol=1e-9)
