"""Symmetries of the match of tiles, and of whole runs of the step.

Examples are drawn anew each time in the same way, so that a failure repeats.
"""

from dataclasses import replace

import numpy as np
import pytest
from astropy.modeling.rotations import RotationSequence3D
from gwcs import WCS
from gwcs.geometry import CartesianToSpherical, SphericalToCartesian
from helpers import make_tile, match_tiles, structured_sky
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from stdatamodels.jwst.datamodels import open as open_model

from jwst_mosaic_skymatch import PixelSkyMatchStep
from jwst_mosaic_skymatch.offsets.statistic import Statistic

# Each example matches some tiles.
TILES = settings(derandomize=True, deadline=None, max_examples=10)


def centred(values, labels):
    """Subtract the mean over each label."""
    values = np.array(values, dtype=float)
    for label in np.unique(labels):
        values[labels == label] -= values[labels == label].mean(axis=0)
    return values


# --- tiles -------------------------------------------------------------------

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
    before = match_tiles(tiles, labels, Statistic(offset_stat))
    after = match_tiles(raised, labels, Statistic(offset_stat))
    assert after.levels.components.tolist() == before.levels.components.tolist()
    expected = before.levels.values + centred(constants, before.levels.components)
    # float32 knows a number to 1e-7, and a mean of a stack is rounded again.
    largest = max(np.abs(tile.data).max() for tile in raised)
    np.testing.assert_allclose(after.levels.values, expected, atol=1e-6 * largest)
    # Of images without noise what is rounded is the noise.
    atol = 1e-7 * largest
    np.testing.assert_allclose(after.levels.errors, before.levels.errors, rtol=0.02, atol=atol)


def mirrored(tile):
    return replace(tile, x0=FIELD - tile.x0 - tile.shape[1], **images(tile, np.s_[:, ::-1]))


def upside_down(tile):
    return replace(tile, y0=FIELD - tile.y0 - tile.shape[0], **images(tile, np.s_[::-1]))


def transposed(tile):
    return replace(
        tile, x0=tile.y0, y0=tile.x0, data=tile.data.T.copy(), weight=tile.weight.T.copy()
    )


def elsewhere(tile):
    return replace(tile, x0=tile.x0 - 160, y0=tile.y0 + 320)


def images(tile, part):
    return {"data": tile.data[part].copy(), "weight": tile.weight[part].copy()}


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
    assert turned.levels.components.tolist() == match.levels.components.tolist()
    np.testing.assert_allclose(turned.levels.values, match.levels.values, atol=1e-6)
    np.testing.assert_allclose(turned.levels.errors, match.levels.errors, rtol=1e-3, atol=1e-9)


# --- the step ----------------------------------------------------------------


def run(inputs, **parameters):
    """Run the step, and give levels and their errors in the order of file names."""
    step = PixelSkyMatchStep(**parameters)
    library = step.run(inputs)
    table = step.levels_table
    order = np.argsort(table["filename"])
    return library, table["level"].value[order], table["level_error"].value[order]


def turned(path, angles):
    """Open a file with its sky turned about three axes."""
    turn = (
        SphericalToCartesian(wrap_lon_at=360)
        | RotationSequence3D(angles, axes_order="zyz")
        | CartesianToSpherical(wrap_lon_at=360)
    )
    model = open_model(path)
    *steps, last, world = model.meta.wcs.pipeline
    model.meta.wcs = WCS([*steps, (last.frame, last.transform | turn), world])
    info = model.meta.wcsinfo
    info.ra_ref, info.dec_ref = (float(x) for x in turn(info.ra_ref, info.dec_ref))
    info.s_region = None
    return model


@pytest.mark.parametrize(
    "angles",
    [
        pytest.param((-97.0, 31.0, 168.0), marks=pytest.mark.slow),
        (150.0, 87.8, 30.0),  # to the pole
    ],
)
def test_rotated_sky_has_the_same_levels(small, small_levels, angles):
    """Cells of the grid lie differently on the same pixels."""
    reference = np.array([small_levels[name] for name in sorted(small_levels)])
    _, levels, errors = run([turned(path, angles) for path in small.files])
    difference = levels - reference
    assert np.all(np.abs(difference - difference.mean()) < 4 * errors)
    assert np.all(errors < 0.02 * np.ptp(reference))


@pytest.mark.parametrize(
    ("offset_stat", "grouping", "in_memory"),
    [("biweight", "none", False), pytest.param("median", "visit", True, marks=pytest.mark.slow)],
)
def test_what_was_matched_and_subtracted_matches(small, offset_stat, grouping, in_memory):
    parameters = {"offset_stat": offset_stat, "grouping": grouping, "subtract": True}
    library, levels, _ = run(str(small.association), in_memory=in_memory, **parameters)
    _, sums, errors = run(library, **parameters)
    # Of levels a hundred times their errors, all but a few hundredths of an error is gone.
    assert np.ptp(levels) > 50 * errors.max()
    changes = sums - levels
    assert np.all(np.abs(changes - changes.mean()) < 0.1 * errors)
