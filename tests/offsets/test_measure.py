"""Estimates of offset, shift and trends of pairs with known truth."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.random import default_rng
from numpy.testing import assert_array_equal
from offsets.makers import make_frame, make_pair, measure
from scipy.stats import norm

from jwst_mosaic_skymatch.offsets.measure import SHIFT_SCATTER
from jwst_mosaic_skymatch.offsets.regression import OFFSET_STATS, UNKNOWN, robust_regression
from jwst_mosaic_skymatch.offsets.trends import Region
from jwst_mosaic_skymatch.tiles import scatter
from jwst_mosaic_skymatch.tiles.frame import REGIONS
from jwst_mosaic_skymatch.tiles.scatter import gradient

OFFSET = 0.3
# Bounds of a region that a detector does not have.
NO_REGION = (0, 0, 0, 0)
# Error of the mean difference of 64 by 64 cells with a noise of 0.02 in each tile.
ERROR = 0.02 * np.sqrt(2.0) / 64
Y, X = np.indices((64, 64)) + np.reshape((40, 104), (2, 1, 1))


def blank(x, y):
    return 0.0 * x


def add(tile, image):
    return replace(tile, data=(tile.data + image).astype(np.float32))


def assert_near(value, truth, error):
    """Assert that a value is within four of its errors of the truth."""
    assert np.all(np.abs(np.subtract(value, truth)) < 4.0 * np.asarray(error))


def test_blank_sky_has_no_shift():
    pair = measure(*make_pair(sky=blank))
    assert_array_equal([*pair.estimate[1:3], *pair.centre[:2]], 0.0)
    assert np.all(np.diag(pair.covariance)[1:3] > UNKNOWN)


def assert_estimate(pair, place, truth, largest_error):
    error = np.sqrt(pair.covariance[place, place])
    assert_near(pair.estimate[place], truth, error)
    assert error < largest_error


@pytest.mark.parametrize("shift", [(0.015, -0.01), (0.2, 0.1), (-0.4, 0.9)])
def test_shift_of_the_first(shift):
    pair = measure(*make_pair(shift=shift, added=OFFSET))
    # Beside the scatter of shifts over the field.
    errors = np.sqrt(np.diag(pair.covariance)[1:3] - SHIFT_SCATTER**2)
    assert_near(pair.estimate[1:3], shift, errors)
    assert np.all(errors < 0.004)
    assert_near(pair.offset - pair.centre[:2] @ shift, OFFSET, ERROR)


def test_noise_does_not_attenuate_shifts():
    def waves(x, y):
        return 0.06 * (np.sin(x / 1.5) + np.sin(y / 1.5))

    pairs = [measure(*make_pair(k, sky=waves, shift=(0.02, -0.01))) for k in range(40)]
    shifts = np.array([pair.estimate[1:3] for pair in pairs])
    assert_near(shifts.mean(axis=0), (0.02, -0.01), shifts.std(axis=0) / 40**0.5)
    # Whichever variance is quoted.
    pair = [replace(t, variance=t.variance / 9) for t in make_pair(sky=waves, shift=(0.02, -0.01))]
    assert measure(*pair).estimate[1:3] == pytest.approx(shifts[0], rel=1e-3)


def test_trends_of_repeated_measurements():
    """Pulls of all estimates over 120 seeds, which give each to 7 %."""
    frame = make_frame([NO_REGION, (32, 64, 0, 64)])
    slopes = np.array([0.002, -0.001, 0.02, 0.1])
    plane = OFFSET + slopes[0] * (X - 104) + slopes[1] * (Y - 40)
    pulls = []
    for seed in range(120):
        first, second = make_pair(seed, added=plane + slopes[3] * (X >= 136))
        first = add(replace(first, frames=(frame,)), slopes[2] * second.data)
        pair = measure(first, second)
        offset = OFFSET + slopes @ (pair.centre[2:] - (104, 40, 0, 0))
        # The brightness is that of the mean image.
        truth = np.array([offset, 0.0, 0.0, *slopes]) / (1.0 + 0.5 * slopes[2])
        variances = np.diag(pair.covariance).copy()
        variances[1:3] -= SHIFT_SCATTER**2
        pulls.append((pair.estimate - truth) / np.sqrt(variances))
        assert np.all(variances**0.5 < (1.1 * ERROR, 0.004, 0.004, 7e-5, 4e-5, 0.002, 0.003))
    rms = np.sqrt(np.mean(np.square(pulls), axis=0))
    assert np.all((rms > 0.8) & (rms < 1.25)), rms


@pytest.mark.parametrize(("place", "side"), [(1, 1), (0, -1), (4, 0)])
def test_contrast_of_a_region(place, side):
    """A region of 20 columns in one tile, or in both of them 30 columns apart."""
    regions = [NO_REGION] * 5
    regions[place] = (0, 20, 0, 64)
    tiles, share = make_pair(added=OFFSET), 0.0
    for k in {1: (0,), -1: (1,), 0: (0, 1)}[side]:
        glow = np.abs(X - 113.5 - 30 * k) < 10
        share += (-1) ** k * glow.mean()
        frame = make_frame(regions, corner=(104 + 30 * k, 40))
        tiles[k] = replace(add(tiles[k], 0.5 * glow), frames=(frame,))
    pair = measure(*tiles)
    assert pair.regions == (Region("D", REGIONS[place], side),)
    assert_estimate(pair, 6, 0.5, 0.005)
    assert pair.centre[5] == pytest.approx(share, abs=0.06)


def test_hits_of_one_tile():
    first, second = make_pair(added=OFFSET)
    rng = default_rng(5)
    heights = np.where(rng.random((64, 64)) < 0.04, rng.uniform(0.0, 0.5, (64, 64)), 0.0)
    hit = add(first, heights)
    assert abs(measure(hit, second).offset - OFFSET) < 0.1 * heights.mean()
    pair = measure(hit, second).quality
    # Of the heights, a fifth is within the cutoff at four times the noise of 0.028.
    assert pair.excess == pytest.approx(0.04 * 0.78, abs=0.005)


def test_asymmetry_is_the_change_of_the_offset_with_half_the_cutoff(monkeypatch):
    rng = default_rng(5)
    n, noise = 400_000, 0.1
    values = rng.normal(0.0, noise, n) + rng.uniform(0.0, 2.0, n) * (rng.random(n) < 0.05)
    flat, unit = np.zeros((2, n), dtype=np.float32), np.ones(n, dtype=np.float32)
    whole = robust_regression(np.float32(values), flat, unit, unit)
    monkeypatch.setattr(scatter, "CUTOFF", 0.5 * scatter.CUTOFF)
    half = robust_regression(np.float32(values), flat, unit, unit)
    change = whole.coefficients[0] - half.coefficients[0]
    assert change > 0.0005
    monkeypatch.undo()
    assert whole.asymmetry == pytest.approx(change, rel=0.05)


def test_cells_count_by_their_part_of_the_information():
    """Levels of the two halves differ; the offset is their mean with the parts as weights."""
    step = np.where(X < 136, 0.0, 0.004)
    tiles = make_pair(sky=blank, added=OFFSET + step)
    part = np.tile(np.float32([1.0] * 4 + [0.25] * 4), (8, 1))
    pair, whole = measure(*tiles, part=part), measure(*tiles)
    assert pair.centre[2] == pytest.approx(135.5 - 16.0 * (1.0 - 0.25) / 1.25, abs=0.3)
    # Information of both halves, and noise: sum of p^2 over the square of the sum of p.
    assert pair.variance / whole.variance == pytest.approx(2.0 / 1.25, rel=0.02)
    alone = 0.5 * (1.0 + 0.25**2) * (2.0 / 1.25) ** 2 * 1.25 / 2.0
    assert pair.quality.alone == pytest.approx(alone, rel=0.02)
    assert_near(pair.offset, OFFSET + 0.004 * 0.25 / 1.25, np.sqrt(alone * pair.variance))


def test_few_common_cells():
    first, second = make_pair(sky=blank, added=OFFSET)
    second = replace(second, x0=first.x0 + 56)
    data = second.data.copy()
    data[5:] = data[:, 5:] = np.nan
    pair = measure(first, replace(second, data=data))
    assert pair.quality.n_cells == 25
    assert_near(pair.offset, OFFSET, 64.0 / 5.0 * ERROR)
    data[0, 0] = np.nan
    assert measure(first, replace(second, data=data)) is None
    # Blocks of coverage may overlap where cells do not.
    assert measure(first, replace(second, x0=first.x0 + 64)) is None


def test_quoted_errors():
    first, second = make_pair()
    better = replace(second, variance=second.variance / 3)
    quality = measure(first, better).quality
    assert quality.noise_ratio == pytest.approx(1.5, rel=0.1)


def test_cells_count_by_their_weights():
    """Half of the cells have 29 times the noise: the others alone give the offset."""
    first, second = make_pair(added=OFFSET)
    poor = np.where(X % 4 < 2, 28.0, 0.0)
    noisy = add(first, 0.02 * poor * default_rng(3).standard_normal(X.shape))
    noisy = replace(noisy, weight=np.float32(first.weight / (1.0 + poor**2)))
    assert_estimate(measure(noisy, second), 0, OFFSET, 1.1 * np.sqrt(2) * ERROR)


def test_scatter_of_shifts_is_noise_of_steep_cells():
    first, second = make_pair(noise=0.002, added=OFFSET)
    steep = np.hypot(*gradient(second.data))
    shifts = 0.1 * steep * np.random.default_rng(6).standard_normal(X.shape)
    # With equal weights of all cells the error is 0.26.
    assert_estimate(measure(add(first, shifts), second), 0, OFFSET, 0.18 * ERROR)


def test_pixels_in_more_than_one_cell():
    first, second = make_pair()
    coarse = replace(first, pixels_per_cell=1.0)
    independent, correlated = measure(first, second), measure(coarse, second)
    covariances = [correlated.covariance, independent.covariance]
    for covariance in covariances:
        covariance[1:3, 1:3] -= SHIFT_SCATTER**2 * np.eye(2)
    assert covariances[0] == pytest.approx(2.25 * covariances[1], rel=1e-3)


@pytest.mark.parametrize("name", OFFSET_STATS)
def test_every_statistic(name):
    """Scatter of offsets over 400 seeds; three quarters of the information are in other pairs."""
    part = np.full((8, 8), 0.25, dtype=np.float32)
    pulls = []
    for seed in range(400):
        pair = measure(*make_pair(seed, added=OFFSET, shift=(0.025, 0.0)), name, part=part)
        error = pair.offset - pair.centre[0] * 0.025 - OFFSET
        pulls.append(error / np.sqrt(0.25 * pair.variance))
    assert_near(np.mean(pulls), 0.0, 400**-0.5)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.08)
    empty = replace(make_pair(noise=0.0, sky=blank)[1], variance=1.0)
    equal = measure(add(empty, OFFSET), empty, name)
    assert (equal.offset, equal.variance) == pytest.approx((OFFSET, 0.0))


@pytest.mark.parametrize(("side", "limit"), [(0, "usigma"), (1, "lsigma")])
def test_clipping(side, limit):
    """A twelfth of the cells is hit in one tile, and lifts the median by 0.1 sigma."""
    hits = (X % 4 == 0) & (Y % 3 == 0)
    tiles = make_pair()
    tiles[side] = add(tiles[side], hits)
    limits = {"lsigma": 1e3, "usigma": 1e3}
    plain = measure(*tiles, "median", **limits)
    clipped = measure(*tiles, "median", **limits | {limit: 3.0})
    lifted = 0.02 * np.sqrt(2.0) * norm.ppf(0.5 / (1.0 - hits.mean()))
    assert_near((-1) ** side * plain.offset, lifted, 1.25 * ERROR)
    assert_near(clipped.offset, 0.0, 1.25 * ERROR)
    assert clipped.variance == pytest.approx(plain.variance / (1.0 - hits.mean()), rel=0.01)
    assert measure(*tiles, "median", lsigma=1e-6, usigma=1e-6, nclip=1) is None
