"""Symmetries of the match of tiles."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import make_tile, match_tiles, structured_sky
from numpy.testing import assert_allclose, assert_array_equal

from jwst_mosaic_skymatch.offsets.regression import OFFSET_STATS, Statistic

# Whole blocks of cells, as sizes of tiles are: of these a turned grid has the same blocks.
FIELD, BLOCK = 96, 8
# Multiples of this are added and subtracted without rounding.
QUANTUM = 2.0**-16


def centred(values, labels):
    """Subtract the mean over each label."""
    values = np.array(values, dtype=float)
    for label in np.unique(labels):
        values[labels == label] -= values[labels == label].mean(axis=0)
    return values


def rounded(values):
    return (QUANTUM * np.round(values / QUANTUM)).astype(np.float32)


def draw_mosaic(rng):
    """Draw up to six tiles of one noisy, structured sky, and the group of each."""
    n, noise = rng.integers(2, 7), rng.choice([0.0, 0.02, 0.02, 0.5])
    corners = BLOCK * rng.integers(0, (FIELD - 40) // BLOCK + 1, (n, 2))
    tiles = [
        make_tile(*corner, (40, 32), noise=noise, seed=k, sky=structured_sky)
        for k, corner in enumerate(corners.tolist())
    ]
    return [replace(t, data=rounded(t.data)) for t in tiles], rng.choice(list("abcdef"), n).tolist()


def changed(tile, change, x0, y0):
    """Change both images of a tile, and its place."""
    data, weight = change(tile.data).copy(), change(tile.weight).copy()
    return replace(tile, x0=x0, y0=y0, data=data, weight=weight)


def mirrored(tile):
    return changed(tile, np.fliplr, FIELD - tile.x0 - tile.shape[1], tile.y0)


def transposed(tile):
    return changed(tile, np.transpose, tile.y0, tile.x0)


def elsewhere(tile):
    return replace(tile, x0=tile.x0 - 160, y0=tile.y0 + 320)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("offset_stat", OFFSET_STATS)
@pytest.mark.parametrize(
    ("turn", "size"), [(mirrored, 0.0), (transposed, 0.0), (elsewhere, 0.0), (elsewhere, 100.0)]
)
def test_orientation_does_not_matter_and_constants_come_back(seed, offset_stat, turn, size):
    rng = np.random.default_rng(seed)
    tiles, labels = draw_mosaic(rng)
    constants = rounded(rng.uniform(-size, size, len(tiles)))
    turned = [turn(tile) for tile in tiles]
    after = [replace(t, data=t.data + c) for t, c in zip(turned, constants, strict=True)]
    first, second = (match_tiles(own, labels, Statistic(offset_stat)) for own in (tiles, after))
    assert [s.members for s in first.stacks] == [s.members for s in second.stacks]
    first, second = first.levels, second.levels
    assert_array_equal(second.components, first.components)
    # float32 knows a number to 1e-7, and a mean of a stack is rounded again.
    largest = max(np.abs(tile.data).max() for tile in after)
    expected = first.values + centred(constants, first.components)
    assert_allclose(second.values, expected, atol=1e-6 * max(largest, 1.0))
    # Of images without noise, two roundings are the noise.
    rtol, atol = (0.02, 2.0 * np.spacing(largest)) if size else (1e-3, 1e-9)
    assert_allclose(second.errors, first.errors, rtol=rtol, atol=atol)
