import numpy as np
import pytest
from helpers import make_tile, match_tiles, structured_sky

from jwst_mosaic_skymatch.match import apply_gauge
from jwst_mosaic_skymatch.methods import add_global_level, global_levels, local_levels
from jwst_mosaic_skymatch.pairs import measure_offset
from jwst_mosaic_skymatch.stack import stack_tiles
from jwst_mosaic_skymatch.statistic import Statistic
from jwst_mosaic_skymatch.tile import candidate_pairs, overlap_windows

STATISTIC = Statistic()
# jwst's documentation of skymatch, second example: two mosaics apart.
DOCUMENTED = np.array([100.0, 120.0, 105.0, 110.0, 95.0, 90.0, 100.0])


def two_mosaics():
    corners = [(0, 0), (20, 0), (0, 20), (20, 20), (100, 0), (120, 0), (140, 0)]
    return [
        make_tile(x, y, (30, 30), level=level)
        for (x, y), level in zip(corners, DOCUMENTED, strict=True)
    ]


def test_documented_example_of_two_mosaics():
    match = match_tiles(two_mosaics(), list("abcdefg"), STATISTIC, min_cells=25)
    levels = apply_gauge(match.levels, match_down=True)
    np.testing.assert_allclose(levels, [0, 20, 5, 10, 8.75, 3.75, 13.75], atol=1e-5)
    assert match.components.tolist() == [0, 0, 0, 0, 1, 1, 1]
    np.testing.assert_allclose(
        add_global_level(levels, DOCUMENTED), [86.25, 106.25, 91.25, 96.25, 95, 90, 100], atol=1e-5
    )
    np.testing.assert_allclose(global_levels(DOCUMENTED), 90.0)
    np.testing.assert_allclose(local_levels(DOCUMENTED, list("abcdefg")), DOCUMENTED)


def test_gauge_upwards():
    assert apply_gauge(np.array([1.0, np.nan, 3.0]), match_down=False)[[0, 2]].tolist() == [-2.0, 0]
    assert np.isnan(apply_gauge(np.full(2, np.nan), match_down=True)).all()


@pytest.mark.parametrize("skystat", ["biweight", "median", "midpt", "mean", "mode"])
@pytest.mark.parametrize("weighted", [True, False])
def test_levels_on_structured_sky(skystat, weighted):
    truth = np.array([0.3, -0.2, 1.4, 1.1, 0.9])
    corners = [(0, 0), (15, 5), (30, 0), (10, 25), (25, 30)]
    tiles = [
        make_tile(x, y, (50, 50), level=level, noise=0.02, seed=k, sky=structured_sky)
        for k, ((x, y), level) in enumerate(zip(corners, truth, strict=True))
    ]
    match = match_tiles(
        tiles, ["v1", "v1", "v1", "v2", "v2"], Statistic(skystat), min_cells=25, weighted=weighted
    )
    # 'mode' comes from a histogram and is good to a fraction of the noise.
    tolerance = 0.03 if skystat == "mode" else 0.004
    np.testing.assert_allclose(match.levels, truth - truth.mean(), atol=tolerance)
    assert [g.members for g in match.groups] == [(0, 1, 2), (3, 4)]


def test_group_that_does_not_hang_together_is_split():
    tiles = [make_tile(x, 0, (30, 30), level=x / 10) for x in (0, 100, 20, 120, 60)]
    bridge = make_tile(15, 0, (30, 100), level=7.0)
    match = match_tiles([*tiles, bridge], ["a"] * 5 + ["b"], STATISTIC, min_cells=25)
    assert [(g.label, g.members) for g in match.groups] == [
        ("a_1", (0, 2)),
        ("a_2", (1, 3)),
        ("a_3", (4,)),
        ("b", (5,)),
    ]
    truth = np.array([0.0, 10.0, 2.0, 12.0, 6.0, 7.0])
    np.testing.assert_allclose(match.levels, truth - truth.mean(), atol=1e-5)


def test_rigid_group_keeps_one_level_without_overlap_inside():
    left, right = make_tile(0, 0, (30, 30), level=5.0), make_tile(60, 0, (30, 30), level=5.0)
    across = make_tile(10, 10, (30, 60), level=2.0)
    alone = make_tile(500, 500, (30, 30), level=1.0)
    match = match_tiles(
        [left, right, across, alone], ["e1", "e1", "e2", "e3"], STATISTIC, min_cells=25, rigid=True
    )
    # Two exposures with a level each: zero mean over the two, not the three images.
    np.testing.assert_allclose(match.levels, [1.5, 1.5, -1.5, np.nan], atol=1e-6)
    assert match.member_pairs == ()


def test_single_group_is_matched_inside():
    tiles = [make_tile(10 * k, 0, (30, 30), level=float(k)) for k in range(3)]
    match = match_tiles(tiles, ["v"] * 3, STATISTIC, min_cells=25)
    np.testing.assert_allclose(match.levels, [-1, 0, 1], atol=1e-6)


def test_exposure_without_pixels_or_overlap_has_no_level():
    tiles = [make_tile(0, 0, (30, 30)), None, make_tile(5, 5, (30, 30)), make_tile(90, 0, (9, 9))]
    match = match_tiles(tiles, ["v"] * 4, STATISTIC, min_cells=25)
    assert np.isfinite(match.levels).tolist() == [True, False, True, False]
    assert match.components.tolist() == [0, -1, 0, -1]


def test_too_few_common_cells_are_no_overlap():
    first, second = make_tile(0, 0, (30, 30)), make_tile(29, 6, (30, 30), level=1.0)
    assert measure_offset(first, second, STATISTIC, min_cells=25) is None
    assert match_tiles([first, second], "ab", STATISTIC, min_cells=25).n_components == 0
    assert match_tiles([first, second], "ab", STATISTIC, min_cells=24).n_components == 1


def test_order_of_exposures_does_not_matter():
    rng = np.random.default_rng(6)
    tiles = [
        make_tile(int(x), int(y), (40, 40), noise=0.1, seed=k, sky=structured_sky)
        for k, (x, y) in enumerate(rng.integers(0, 50, (8, 2)))
    ]
    labels = ["v1", "v2"] * 4
    order = rng.permutation(8)
    match = match_tiles(tiles, labels, STATISTIC, min_cells=25)
    shuffled = match_tiles(
        [tiles[k] for k in order], [labels[k] for k in order], STATISTIC, min_cells=25
    )
    np.testing.assert_allclose(shuffled.levels, match.levels[order], atol=1e-8)


def test_candidate_pairs_are_those_that_share_a_cell():
    rng = np.random.default_rng(7)
    tiles = [
        make_tile(int(x), int(y), (int(h), int(w)))
        for x, y, h, w in zip(
            *rng.integers([[0], [0], [1], [1]], [[60], [60], [20], [9]], (4, 40)), strict=True
        )
    ]
    expected = [
        (i, j)
        for i in range(40)
        for j in range(i + 1, 40)
        if tiles[i].data[overlap_windows(tiles[i], tiles[j])[0]].size
    ]
    assert candidate_pairs(tiles) == expected
    assert candidate_pairs(tiles[:1]) == []


def test_stack_is_the_weighted_mean_of_known_cells():
    first, second = make_tile(0, 0, (4, 4), level=3.0), make_tile(2, 0, (4, 4), level=10.0)
    first.data[:, 3] = np.nan
    first.weight[:, 3] = 0
    second.weight[...] = 12.0
    stack = stack_tiles([first, second], [1.0, 2.0], extents=[first, second])
    assert (stack.x0, stack.y0, stack.shape) == (0, 0, (4, 6))
    np.testing.assert_allclose(stack.data[0], [2, 2, (2 * 4 + 8 * 12) / 16, 8, 8, 8])
    np.testing.assert_allclose(stack.weight[0], [4, 4, 16, 12, 12, 12])
