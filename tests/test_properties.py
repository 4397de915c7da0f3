"""Symmetries of the match of tiles.

Examples are drawn anew each time in the same way, so that a failure repeats.
"""

from dataclasses import replace

import numpy as np
from helpers import make_tile, match_tiles, structured_sky
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from jwst_mosaic_skymatch.offsets.statistic import Statistic

# Each example matches some tiles.
TILES = settings(derandomize=True, deadline=None, max_examples=20)


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
def mosaics(draw):
    """Draw up to six tiles of one noisy, structured sky, and the group of each."""
    n = draw(st.integers(2, 6))
    corner = st.integers(0, (FIELD - 40) // BLOCK).map(BLOCK.__mul__)
    noise = draw(st.sampled_from([0.0, 0.02, 0.02, 0.5]))
    tiles = [
        make_tile(draw(corner), draw(corner), (40, 32), noise=noise, seed=k, sky=structured_sky)
        for k in range(n)
    ]
    tiles = [replace(t, data=np.float32(QUANTUM) * np.round(t.data / QUANTUM)) for t in tiles]
    return tiles, draw(st.lists(st.sampled_from("abcdef"), min_size=n, max_size=n))


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
@given(
    mosaics(),
    st.sampled_from(["biweight", "median"]),
    st.sampled_from([mirrored, upside_down, transposed, elsewhere]),
    st.sampled_from([0.0, 100.0]),
)
@TILES
def test_constants_come_back_and_orientation_does_not_matter(mosaic, offset_stat, turn, size):
    tiles, labels = mosaic
    constants = np.random.default_rng(len(tiles)).uniform(-size, size, len(tiles))
    constants = QUANTUM * np.round(constants / QUANTUM)
    after = [
        replace(turned, data=turned.data + np.float32(constant))
        for turned, constant in zip(map(turn, tiles), constants, strict=True)
    ]
    first, second = (match_tiles(own, labels, Statistic(offset_stat)) for own in (tiles, after))
    # Two tiles that share just half of their footprints may be one stack or two.
    assume([s.members for s in first.stacks] == [s.members for s in second.stacks])
    first, second = first.levels, second.levels
    assert_array_equal(second.components, first.components)
    expected = first.values + centred(constants, first.components)
    # float32 knows a number to 1e-7, and a mean of a stack is rounded again.
    largest = max(np.abs(tile.data).max() for tile in after)
    assert_allclose(second.values, expected, atol=1e-6 * max(largest, 1.0))
    # Of images without noise what is rounded is the noise.
    rtol, atol = (0.02, 1e-7 * largest) if size else (1e-3, 1e-9)
    assert_allclose(second.errors, first.errors, rtol=rtol, atol=atol)
