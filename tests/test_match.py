"""The whole way from tiles, or pixels, to levels."""

import subprocess
import sys
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import (
    as_exposures,
    make_tile,
    match_tiles,
    observe_sky,
    outline,
    punch,
    rms,
    structured_sky,
)

from jwst_mosaic_skymatch.compute.executors import SerialExecutor, Workers
from jwst_mosaic_skymatch.exposures.sky import SkyStatistic
from jwst_mosaic_skymatch.levels.absolute import add_global_level, global_levels, local_levels
from jwst_mosaic_skymatch.levels.gauge import apply_gauge
from jwst_mosaic_skymatch.match import match_exposures
from jwst_mosaic_skymatch.offsets.statistic import OFFSET_STATS, Statistic
from jwst_mosaic_skymatch.stack import MatchSettings, match_stack
from jwst_mosaic_skymatch.tiles.observation import TiledExposure

STATISTIC = Statistic()
SETTINGS = MatchSettings(STATISTIC)
SERIAL = Workers(SerialExecutor())
# jwst's documentation of skymatch, second example: two mosaics apart.
DOCUMENTED = np.array([100.0, 120.0, 105.0, 110.0, 95.0, 90.0, 100.0])


# --- levels ------------------------------------------------------------------


def test_documented_example_of_two_mosaics():
    corners = [(0, 0), (20, 0), (0, 20), (20, 20), (100, 0), (120, 0), (140, 0)]
    tiles = [
        make_tile(*corner, (30, 30), level=level)
        for corner, level in zip(corners, DOCUMENTED, strict=True)
    ]
    match = match_tiles(tiles, list("abcdefg"), STATISTIC)
    levels = apply_gauge(match.levels, match_down=True)
    np.testing.assert_allclose(levels, [0, 20, 5, 10, 8.75, 3.75, 13.75], atol=1e-5)
    assert match.components.tolist() == [0, 0, 0, 0, 1, 1, 1]
    np.testing.assert_allclose(
        add_global_level(levels, DOCUMENTED), [86.25, 106.25, 91.25, 96.25, 95, 90, 100], atol=1e-5
    )
    np.testing.assert_allclose(global_levels(DOCUMENTED), 90.0)
    np.testing.assert_allclose(local_levels(DOCUMENTED, list("abcdefg")), DOCUMENTED)


@pytest.mark.parametrize("offset_stat", OFFSET_STATS)
@pytest.mark.parametrize("weighted", [True, False])
def test_levels_on_structured_sky(offset_stat, weighted):
    truth = np.array([0.3, -0.2, 1.4, 1.1, 0.9])
    corners = [(0, 0), (15, 5), (25, 0), (10, 25), (25, 30)]
    tiles = [
        make_tile(x, y, (50, 50), level=level, noise=0.02, seed=k, sky=structured_sky)
        for k, ((x, y), level) in enumerate(zip(corners, truth, strict=True))
    ]
    labels = ["v1", "v1", "v1", "v2", "v2"]
    match = match_tiles(tiles, labels, Statistic(offset_stat), weighted=weighted)
    # 'mode' comes from a histogram and is good to a fraction of the noise; a mean of 1000
    # differences to a thirtieth of theirs.
    tolerance = 0.03 if offset_stat == "mode" else 0.004
    np.testing.assert_allclose(match.levels, truth - truth.mean(), atol=tolerance)
    assert [(s.label, s.members) for s in match.stacks] == [("v1", (0, 1, 2)), ("v2", (3, 4))]


def test_group_that_does_not_hang_together_is_split():
    tiles = [make_tile(x, 0, (30, 30), level=x / 10) for x in (0, 100, 10, 110, 60)]
    bridge = make_tile(15, 0, (30, 100), level=7.0)
    match = match_tiles([*tiles, bridge], ["a"] * 5 + ["b"], STATISTIC)
    assert [(stack.label, stack.members) for stack in match.stacks] == [
        ("a_1", (0, 2)),
        ("a_2", (1, 3)),
        ("a_3", (4,)),
        ("b", (5,)),
    ]
    truth = np.array([0.0, 10.0, 1.0, 11.0, 6.0, 7.0])
    np.testing.assert_allclose(match.levels, truth - truth.mean(), atol=1e-5)


def test_stack_without_enough_common_cells_is_split():
    """The footprints say that the exposures lie upon each other, but the pixels do not."""
    upper = np.indices((30, 30))[0] < 15
    first = punch(make_tile(0, 0, (30, 30)), upper)
    second = punch(make_tile(0, 0, (30, 30), level=3.0), ~upper)
    match = match_tiles([first, second, make_tile(10, 0, (30, 30), level=1.0)], "aab", STATISTIC)
    assert [stack.members for stack in match.stacks] == [(0,), (1,), (2,)]
    np.testing.assert_allclose(match.levels, np.array([0.0, 3.0, 1.0]) - 4 / 3, atol=1e-6)


def test_rigid_group_keeps_one_level_without_overlap_inside():
    left, right = make_tile(0, 0, (30, 30), level=5.0), make_tile(60, 0, (30, 30), level=5.0)
    across = make_tile(10, 10, (30, 60), level=2.0)
    alone = make_tile(500, 500, (30, 30), level=1.0)
    tiles = [left, right, across, alone]
    match = match_tiles(tiles, ["e1", "e1", "e2", "e3"], STATISTIC, rigid=True)
    # Two exposures with a level each: zero mean over the two, not the three images.
    np.testing.assert_allclose(match.levels, [1.5, 1.5, -1.5, np.nan], atol=1e-6)
    assert match.exposure_pairs == ()


def test_single_stack_is_matched_inside():
    tiles = [make_tile(10 * k, 0, (30, 30), level=float(k)) for k in range(3)]
    match = match_tiles(tiles, ["v"] * 3, STATISTIC)
    np.testing.assert_allclose(match.levels, [-1, 0, 1], atol=1e-6)
    assert [(p.offset.first, p.offset.second) for p in match.exposure_pairs] == [
        (0, 1),
        (0, 2),
        (1, 2),
    ]
    assert match.stack_pairs == ()


def test_exposure_without_pixels_or_overlap_has_no_level():
    tiles = [make_tile(0, 0, (30, 30)), None, make_tile(5, 5, (30, 30)), make_tile(90, 0, (9, 9))]
    match = match_tiles(tiles, ["v"] * 4, STATISTIC)
    np.testing.assert_array_equal(np.isfinite(match.levels), [True, False, True, False])
    np.testing.assert_array_equal(np.isfinite(match.level_errors), [True, False, True, False])
    assert match.components.tolist() == [0, -1, 0, -1]


def test_nothing_to_match():
    match = match_tiles([make_tile(0, 0, (9, 9)), None], "ab", STATISTIC)
    assert np.isnan(match.levels).all()
    assert (match.n_components, match.closure) == (0, (0.0, 0.0))


@pytest.mark.parametrize(("min_cells", "n_components"), [(24, 1), (25, 0)])
def test_too_few_common_cells_are_no_overlap(min_cells, n_components):
    tiles = [make_tile(0, 0, (30, 30)), make_tile(29, 6, (30, 30), level=1.0)]
    match = match_tiles(tiles, "ab", STATISTIC, min_cells=min_cells)
    assert match.n_components == n_components


def test_order_of_exposures_does_not_matter():
    rng = np.random.default_rng(6)
    tiles = [
        make_tile(int(x), int(y), (40, 40), noise=0.1, seed=k, sky=structured_sky)
        for k, (x, y) in enumerate(rng.integers(0, 50, (8, 2)))
    ]
    labels = ["v1", "v2"] * 4
    order = rng.permutation(8)
    match = match_tiles(tiles, labels, STATISTIC)
    shuffled = match_tiles([tiles[k] for k in order], [labels[k] for k in order], STATISTIC)
    # Sums in another order, and iterations that end a hundredth of an error earlier.
    difference = np.abs(shuffled.levels - match.levels[order])
    assert np.all(difference < 0.02 * match.level_errors[order])


def test_spoiled_overlap_moves_no_level():
    """A patch of 20 sigma over half of one overlap, in a mosaic with loops."""
    corners = [(0, 0), (30, 0), (0, 30), (30, 30), (15, 15)]
    tiles = [
        make_tile(x, y, (40, 40), noise=0.1, seed=k, sky=structured_sky)
        for k, (x, y) in enumerate(corners)
    ]
    clean = match_tiles(tiles, "abcde", STATISTIC)
    # The overlap of the first two, as far as the fifth does not cover it.
    tiles[0].data[:20, 30:] += 2.0
    spoiled = match_tiles(tiles, "abcde", STATISTIC)
    assert np.all(np.abs(spoiled.levels - clean.levels) < 3 * clean.level_errors)


# --- inside a stack ----------------------------------------------------------


def matched_stack(tiles, settings=SETTINGS):
    return match_stack(
        "v", tuple(range(len(tiles))), as_exposures(tiles), ["v"] * len(tiles), settings
    )


def noisy_tiles(n=5, **options):
    return [
        make_tile(0, 0, (60, 60), noise=0.05, seed=k, level=0.3 * k, sky=structured_sky, **options)
        for k in range(n)
    ]


def test_outliers_of_one_exposure_are_not_in_the_mean():
    """Cosmic rays and an afterglow in one of five tiles."""
    tiles = noisy_tiles()
    y, x = np.indices((60, 60))
    glow = np.hypot(x - 40, y - 20) < 8
    rays = np.zeros_like(glow)
    rays[5::15, 5::15] = True
    spoiled = replace(tiles[2], data=tiles[2].data + np.float32(5.0) * (glow | rays))
    (clean,), (stack,) = (
        matched_stack(some).stacks for some in (tiles, [*tiles[:2], spoiled, *tiles[3:]])
    )
    # Two of five sigma levels, and 1000 clean cells less in one of five.
    np.testing.assert_allclose(stack.levels, clean.levels, atol=0.002)
    np.testing.assert_array_equal(np.isfinite(stack.mean.data), True)
    hit = glow | rays
    # Five times the noise of four; a fifth of the outlier would be a hundred times as much.
    assert np.abs(stack.mean.data - clean.mean.data)[hit].max() < 5 * 0.05 / 2
    assert stack.mean.weight[hit].max() <= 16
    assert np.median(stack.mean.weight[~hit]) > 16


def test_two_exposures_have_no_majority_but_no_outlier_either():
    """The brighter of two is out: one partner is all there is."""
    tiles = noisy_tiles(2)
    tiles[0].data[30, 30] += 5.0
    (stack,) = matched_stack(tiles).stacks
    assert stack.mean.weight[30, 30] == 4
    second = tiles[1].data[30, 30] - stack.levels[1]
    assert stack.mean.data[30, 30] == pytest.approx(second, abs=1e-5)


def test_member_beside_its_place_is_moved_back():
    """Its level, its shift, and the mean, in which stars would be blurred."""

    def starry(dx, dy):
        def sky(x, y):
            x, y = x - dx, y - dy
            stars = np.exp(-(((x % 12 - 6) ** 2 + (y % 12 - 6) ** 2) / 3.0))
            return structured_sky(x, y) + 20.0 * stars

        return sky

    tiles = [
        make_tile(0, 0, (60, 60), noise=0.01, seed=k, level=k, sky=starry(*shift))
        for k, shift in enumerate([(0.0, 0.0)] * 3 + [(0.4, -0.2)])
    ]
    (stack,) = matched_stack(tiles).stacks
    np.testing.assert_allclose(stack.levels, [-1.5, -0.5, 0.5, 1.5], atol=0.002)
    # From their mean: three quarters for the one, a quarter for each of the others.
    np.testing.assert_allclose(stack.shifts[3], [0.3, -0.15], atol=0.01)
    np.testing.assert_allclose(stack.shifts[:3], [[-0.1, 0.05]] * 3, atol=0.01)
    expected = make_tile(0, 0, (60, 60), sky=starry(0.1, -0.05)).data
    error = (stack.mean.data - expected)[4:-4, 4:-4]
    # The noise of a mean of four is 0.005; not moved, stars would make it 0.045.
    assert np.std(error) < 0.01


def test_members_and_skies_keep_their_positions():
    exposures = [
        TiledExposure(tile=make_tile(0, 0, (30, 30), level=level) if level else None, sky=sky)
        for level, sky in ((1.0, 7.0), (None, np.nan), (4.0, 9.0))
    ]
    matched = match_stack("v", (5, 3, 2), exposures, ["v"] * 3, SETTINGS)
    assert (matched.members, matched.stacks[0].members) == ((5, 3, 2), (5, 2))
    np.testing.assert_array_equal(matched.skies, [7.0, np.nan, 9.0])
    (pair,) = matched.pairs
    assert (pair.offset.first, pair.offset.second) == (5, 2)
    assert pair.offset.value == pytest.approx(-3.0)
    np.testing.assert_allclose(matched.stacks[0].levels, [-1.5, 1.5], atol=1e-6)


def test_no_good_pixel_at_all():
    matched = matched_stack([None, None])
    assert (matched.stacks, matched.pairs, matched.members) == ((), (), (0, 1))


# --- from pixels, and through files ------------------------------------------

PLACES = [(0, 0), (4, 3), (30, 0), (33, 4), (2, 28), (5, 30)]
LEVELS = np.array([0.0, 1.0, 0.5, -0.3, 2.0, 0.1])
LABELS = ["a", "a", "b", "b", "a", "a"]
FOOTPRINTS = [outline(make_tile(*place, (40, 40))) for place in PLACES]


def observe(k):
    return observe_sky(*PLACES[k], LEVELS[k], seed=k)


@pytest.mark.parametrize("whole_stacks", [True, False])
def test_levels_from_pixels(tmp_path, whole_stacks):
    settings = replace(SETTINGS, sky_statistic=SkyStatistic("median"))
    match = match_exposures(
        LABELS, FOOTPRINTS, observe, settings, SERIAL, directory=tmp_path, whole_stacks=whole_stacks
    )
    assert [(s.label, s.members) for s in match.stacks] == [
        ("a_1", (0, 1)),
        ("a_2", (4, 5)),
        ("b", (2, 3)),
    ]
    assert np.all(np.abs(match.levels - LEVELS + LEVELS.mean()) < 5 * match.level_errors)
    # The noise of 1600 pixels and more: 0.02 / 40.
    assert rms(match.level_errors) < 1e-3
    medians = [np.median(observe(k).pixels.data) for k in range(6)]
    np.testing.assert_allclose(match.skies, medians, atol=0.02)


def test_means_wait_in_the_directory(tmp_path):
    match = match_exposures(LABELS, FOOTPRINTS, observe, SETTINGS, SERIAL, directory=tmp_path)
    assert len(list(tmp_path.iterdir())) == len(match.stacks)
    exposures = [observe(k) for k in (0, 1)]
    (alone,) = match_stack("a", (0, 1), exposures, ["a"] * 2, SETTINGS).stacks
    np.testing.assert_array_equal(match.stacks[0].mean.read().data, alone.mean.data)
    assert {path.parent for path in (s.mean.path for s in match.stacks)} == {Path(tmp_path)}


@pytest.mark.parametrize("whole_stacks", [True, False])
def test_each_exposure_is_observed_once_and_not_kept(tmp_path, whole_stacks):
    """Stack by stack; in this process pixels go when they are drizzled, tiles with their stack."""
    pixels, order = {}, []

    def watched(k):
        alive = [other for other in order if pixels[other]() is not None]
        assert alive == (order[len(order) // 2 * 2 :] if whole_stacks else [])
        order.append(k)
        found = observe(k)
        pixels[k] = weakref.ref(found.pixels)
        return found

    match_exposures(
        LABELS, FOOTPRINTS, watched, SETTINGS, SERIAL, directory=tmp_path, whole_stacks=whole_stacks
    )
    assert order == [0, 1, 4, 5, 2, 3]


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("match", {"jwst", "stdatamodels", "stpipe", "gwcs", "asdf", "stcal"}),
        ("step", {"matplotlib", "dask", "distributed", "jinja2"}),
    ],
)
def test_imports_are_light(module, heavy):
    """Processes that match need no jwst, which takes seconds, and the step no optional package."""
    code = f"import sys, jwst_mosaic_skymatch.{module}; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
