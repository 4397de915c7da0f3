"""Lyot fields above the imager by a known offset."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import make_tile

from jwst_mosaic_skymatch.offsets.lyot import (
    LyotContrast,
    LyotOffset,
    better_known,
    common_offset,
    measure_contrast,
    refine_offset,
)
from jwst_mosaic_skymatch.offsets.measure import PairOffset
from jwst_mosaic_skymatch.tiles.frame import detector_frame
from jwst_mosaic_skymatch.tiles.pixel_map import map_pixels

OFFSET, NOISE = 0.5, 0.05
SHAPE = (120, 120)
# Imager to the right, and a field at the top left; a pixel to a cell.
PARTS = (50, 120, 0, 120), (0, 40, 80, 120)


def pair(x=60, *, offset=OFFSET, noise=NOISE, seed=1, sky=lambda x, y: 0.0 * x):
    """Make two tiles, the second to the right by so many cells, which has the lower level."""
    tiles = []
    for k, x0 in enumerate((0, x)):
        tile = make_tile(x0, 0, SHAPE, level=2.0 - k, noise=noise, seed=(seed, k), sky=sky)
        pixel_map = map_pixels(lambda column, row, x0=x0: (x0 + column, row + 0.0), SHAPE)
        frame = detector_frame(pixel_map, np.ones(SHAPE, dtype=bool), PARTS)
        data = tile.data.copy()
        data[80:, :40] += np.float32(offset)
        data[:80, :45], data[80:, 40:45] = np.nan, np.nan
        weight = np.where(np.isfinite(data), tile.weight, np.float32(0))
        tiles.append(replace(tile, data=data, weight=weight, frames=(frame,)))
    return tiles


@pytest.mark.parametrize("offset", [OFFSET, 0.0, -0.1])
def test_contrast_is_within_its_error(offset):
    found = [measure_contrast(*pair(offset=offset, seed=seed)) for seed in range(30)]
    pulls = np.array([(c.value - offset) / c.error for c in found])
    assert 0.6 < np.sqrt(np.mean(pulls**2)) < 1.4
    assert max(c.error for c in found) < 0.02
    # The same from the other side.
    contrast, swapped = measure_contrast(*pair()), measure_contrast(*pair()[::-1])
    assert swapped.value == pytest.approx(contrast.value, abs=1e-4)
    assert swapped.share == -contrast.share > 0.0


def test_gradients_and_spoiled_cells_are_no_contrast():
    first, second = pair(offset=0.0)
    y, x = np.indices(SHAPE)
    first = replace(first, data=first.data + np.float32(0.01) * x - np.float32(0.005) * y)
    second.data[85:100, 20:35] += 5.0
    first.data[np.random.default_rng(1).random(SHAPE) < 0.05] += 20.0
    contrast = measure_contrast(first, second)
    assert abs(contrast.value) < 4 * contrast.error < 0.15


def test_overlap_wholly_in_a_field_does_not_tell():
    """The second tile's imager lies beside the first."""
    contrast = measure_contrast(*pair(85))
    assert np.isnan(contrast.value)
    assert contrast.share == pytest.approx(-1.0, abs=0.1)


def test_tiles_without_contrast():
    same = pair(0)
    assert measure_contrast(*same) is None
    without = [replace(tile, frames=()) for tile in pair()]
    assert measure_contrast(*without) is None
    apart = pair()
    apart[0].data[:] = np.nan
    assert measure_contrast(*apart) is None


def test_without_noise():
    contrast = measure_contrast(*pair(noise=0.0))
    assert contrast.value == pytest.approx(OFFSET, abs=1e-5)
    assert 0.0 < contrast.error < 1e-5


def contrasts(values, error=0.01):
    return [LyotContrast(value, error, 0.5, 99) for value in values]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], 0.0),
        ([np.nan], 0.0),
        ([0.5], 0.5),
        ([0.07], 0.0),  # seven errors, but alone
        ([0.07, 0.07, 0.07], 0.07),
        ([0.5, -0.5, 0.3, -0.2], 0.0),  # these are gradients or the like
        ([0.5, 0.51, np.nan, 7.0, 0.49], 0.5),
        ([0.01, -0.01, 0.02], 0.0),
    ],
)
def test_offset_in_common(values, expected):
    found = common_offset([None, *contrasts(values)])
    assert found.value == pytest.approx(expected, abs=0.011)
    assert found.n_pairs == np.count_nonzero(np.isfinite(values))
    assert bool(found.value) == bool(found.error)


def test_precise_contrasts_count_more():
    some = [*contrasts([0.5, 0.501], 0.001), *contrasts([0.3, 0.2, 0.1], 0.1)]
    found = common_offset(some)
    assert found.value == pytest.approx(0.5, abs=0.002)
    assert found.error < 0.004


def test_errors_are_those_of_the_median():
    rng = np.random.default_rng(1)
    found = [common_offset(contrasts(rng.normal(0.5, 0.01, 9))) for _ in range(300)]
    pulls = [(f.value - 0.5) / f.error for f in found]
    assert 0.7 < np.std(pulls) < 1.1
    assert LyotOffset() == common_offset([])


def drawn_pairs(n, *, shown=0.003, share=0.4, gradient=0.0, seed=1):
    """Make pairs with and without Lyot fields, of which ``shown`` is left in them."""
    rng = np.random.default_rng(seed)
    imagers, all_cells, shares = [], [], []
    for k in range(n):
        sign = (-1) ** k * share
        truth, both, own = 0.1 * k, *rng.normal(0.0, (2e-4, 3e-4))
        whole = truth + both + sign * (shown + rng.normal(0.0, gradient))
        lost = 0.0003**2
        imagers.append(made_pair(truth + both + own, 4e-8 + lost, lost))
        all_cells.append(made_pair(whole, 4e-8, 0.0))
        shares.append(LyotContrast(0.5, 0.01, sign, 99))
    return imagers, all_cells, shares


def made_pair(value, variance, structure):
    return PairOffset(
        first=0,
        second=1,
        value=value,
        variance=variance,
        structure_variance=structure,
        n_cells=99,
    )


def test_refined_offset_is_within_its_error():
    coarse = LyotOffset(0.5, 0.002, 4)
    found = [refine_offset(*drawn_pairs(8, seed=seed), coarse) for seed in range(200)]
    pulls = np.array([(one.value - 0.503) / one.error for one in found])
    assert 0.8 < np.sqrt(np.mean(pulls**2)) < 1.2
    assert max(one.error for one in found) < 0.001


def test_spoiled_pair_does_not_move_the_offset():
    imagers, all_cells, shares = drawn_pairs(8)
    all_cells[2] = replace(all_cells[2], value=all_cells[2].value + 1.0)
    found = refine_offset(imagers, all_cells, shares, LyotOffset(0.5, 0.002, 4))
    assert found.value == pytest.approx(0.503, abs=0.001)


def test_pairs_that_tell_nothing_leave_the_offset():
    coarse = LyotOffset(0.5, 0.002, 4)
    assert refine_offset([], [], [], coarse) is coarse
    imagers, all_cells, shares = drawn_pairs(1)
    alone = refine_offset(imagers, all_cells, shares, coarse)
    assert alone.error == pytest.approx(2 * 0.0003 / 0.4)


def test_all_cells_are_used_where_the_offset_is_known_well():
    parts = drawn_pairs(8, shown=0.0)
    known = better_known(*parts, LyotOffset(0.5, 1e-5, 8))
    np.testing.assert_array_equal([p.value for p in known], [p.value for p in parts[1]])
    assert all(p.variance == pytest.approx(4e-8, rel=0.01) for p in known)
    doubtful = better_known(*parts, LyotOffset(0.5, 0.01, 8))
    assert doubtful == parts[0]


def test_gradients_make_the_offset_uncertain():
    parts = drawn_pairs(8, gradient=0.01)
    found = refine_offset(*parts, LyotOffset(0.5, 0.002, 4))
    assert found.error > 4 * refine_offset(*drawn_pairs(8), LyotOffset(0.5, 0.002, 4)).error
    assert better_known(*parts, found) == parts[0]
