"""Offsets of two tiles, whatever else differs between them."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import make_tile, punch, rms, shifted_sky, structured_sky

from jwst_mosaic_skymatch.offsets.measure import measure_offset
from jwst_mosaic_skymatch.offsets.statistic import OFFSET_STATS, Statistic
from jwst_mosaic_skymatch.tiles.noise import NoiseCurve
from jwst_mosaic_skymatch.tiles.tile import shift_tile

BIWEIGHT = Statistic()


def measure(first, second, statistic=BIWEIGHT, **options):
    return measure_offset(first, second, statistic, **({"min_cells": 25} | options))


def noisy_pair(seed, shape=(80, 80), **options):
    return [
        make_tile(0, 0, shape, noise=0.1, seed=2 * seed + k, sky=structured_sky, **options)
        for k in range(2)
    ]


@pytest.mark.parametrize("offset_stat", OFFSET_STATS)
@pytest.mark.parametrize("fit_shift", [True, False])
def test_offset_is_first_minus_second(offset_stat, fit_shift):
    first, second = make_tile(0, 0, (30, 30), level=3.0), make_tile(20, 4, (30, 30), level=1.25)
    hole = np.zeros((30, 30), dtype=bool)
    hole[:10] = True
    offset = measure(first, punch(second, hole), Statistic(offset_stat), fit_shift=fit_shift)
    assert offset.value == pytest.approx(1.75, abs=1e-6)
    assert offset.n_cells == 10 * (26 - 10)


def test_too_few_common_cells_are_no_overlap():
    first, second = make_tile(0, 0, (30, 30)), make_tile(29, 6, (30, 30), level=1.0)
    assert measure(first, second, min_cells=25) is None
    assert measure(first, second, min_cells=24).n_cells == 24
    assert measure(first, make_tile(90, 0, (30, 30)), min_cells=1) is None


def test_no_location_is_no_overlap():
    """Two values, of which clipping leaves none."""
    first, second = make_tile(0, 0, (30, 30)), make_tile(0, 0, (30, 30))
    first.data[:15] += 1.0
    statistic = Statistic("mean", nclip=1, lsigma=0.5, usigma=0.5)
    assert measure(first, second, statistic) is None


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.15, -0.1), (-0.4, 0.3)])
def test_shift_does_not_pass_for_an_offset(shift):
    first = make_tile(0, 0, (80, 90), level=1.0, noise=0.01, seed=1, sky=shifted_sky(*shift))
    second = make_tile(5, -3, (80, 90), level=0.2, noise=0.01, seed=2, sky=structured_sky)
    offset = measure(first, second)
    assert offset.value == pytest.approx(0.8, abs=4 * np.sqrt(offset.variance))
    # A hundredth of a cell; the noise alone gives a thousandth.
    np.testing.assert_allclose(offset.shift, shift, atol=0.01)
    assert np.all(offset.shift_variance < 0.01**2)


@pytest.mark.parametrize("shift", [(0.15, -0.1), (-0.4, 0.3)])
def test_without_fitted_shift_it_does(shift):
    errors = {True: [], False: []}
    for k in range(10):
        noise = {"noise": 0.01, "seed": 100 + 2 * k}
        first = make_tile(0, 0, (80, 90), **noise, sky=shifted_sky(*shift))
        second = make_tile(5, -3, (80, 90), **{**noise, "seed": 101 + 2 * k}, sky=structured_sky)
        for fit_shift, found in errors.items():
            offset = measure(first, second, fit_shift=fit_shift)
            assert np.isnan(offset.shift).all() == (not fit_shift)
            assert np.isnan(offset.shift_variance).all() == (not fit_shift)
            found.append(offset.value)
    assert rms(errors[False]) > 2 * rms(errors[True])


def test_featureless_sky_shows_no_shift():
    offset = measure(*(make_tile(0, 0, (80, 80), noise=0.1, seed=k) for k in range(2)))
    assert np.isnan(offset.shift).all()
    # Nor does the attempt to fit one cost anything: 80 x 80 differences of two.
    assert offset.variance == pytest.approx(2 * 0.1**2 / 80**2, rel=0.1)


def test_variance_of_offsets_is_their_scatter():
    offsets = [measure(*noisy_pair(k, (30, 30))) for k in range(300)]
    claimed = np.mean([o.variance for o in offsets])
    # 300 offsets give their variance to 8 %.
    assert claimed == pytest.approx(np.var([o.value for o in offsets]), rel=0.25)


@pytest.mark.parametrize("fit_shift", [True, False])
def test_moving_tiles_costs_a_mean_nothing(fit_shift):
    """Their cells scatter less, but have noise in common."""
    tiles = noisy_pair(5, (200, 200))
    plain = measure(*tiles, fit_shift=fit_shift)
    moved = measure(*(shift_tile(tile, 0.5, 0.3) for tile in tiles), fit_shift=fit_shift)
    assert moved.variance == pytest.approx(plain.variance, rel=0.05)


def test_quoted_errors_say_what_the_variance_would_be():
    noise = NoiseCurve(constant=0.4)
    first, second = (replace(tile, noise=noise) for tile in noisy_pair(0))
    # Four pixels in a cell of each, 6400 cells.
    assert measure(first, second).quoted_variance == pytest.approx(2 * 0.4 / 4 / 6400, rel=1e-5)
    unquoted = replace(second, noise=make_tile(0, 0, (1, 1)).noise)
    for offset in (measure(first, unquoted), measure(first, second, quoted=False)):
        assert offset.quoted_variance == pytest.approx(2 / 4 / 6400, rel=1e-5)
    median = measure(first, second, Statistic("median"))
    assert median.quoted_variance == pytest.approx(2 * 0.4 / 4 / 6400, rel=1e-5)


def drizzled(weights, rng, image):
    """Make a tile whose noise is that of pixels 1 / 2.2 of a cell wide."""
    noise = weights.T @ rng.standard_normal((len(weights),) * 2) @ weights
    tile = make_tile(0, 0, noise.shape)
    return replace(tile, data=(image + noise).astype(np.float32), pixels_per_cell=2.2**2)


def test_errors_know_how_drizzle_correlates_cells():
    """A mean keeps the noise that neighbours share; a shift of narrow things less."""
    rng = np.random.default_rng(5)
    edges, cells = np.arange(68) + 0.37, 2.2 * np.arange(31)
    low, high = np.maximum(edges[:-1, None], cells[:-1]), np.minimum(edges[1:, None], cells[1:])
    weights = np.maximum(high - low, 0.0)
    weights /= weights.sum(axis=0)
    y, x = np.indices((30, 30))
    stars = np.where((x % 7 == 3) & (y % 7 == 3), 3.0, 0.0)
    fits = [measure(*(drizzled(weights, rng, stars) for _ in range(2))).fit for _ in range(300)]
    pulls = np.array([f.estimate / np.sqrt(np.diag(f.covariance)) for f in fits])
    # 300 pulls give their width to 4 %.
    np.testing.assert_allclose(pulls.std(axis=0), 1.0, atol=0.1)


def test_wings_of_an_afterglow_do_not_count():
    y, x = np.indices((80, 80))
    glow = 2.0 / (1.0 + np.exp((np.hypot(x - 30, y - 40) - 14.0) / 0.6))
    offsets = []
    for seed in range(20):
        first, second = noisy_pair(seed)
        first.data[...] += glow
        offsets.append(measure(first, second, fit_shift=False))
    values = np.array([o.value for o in offsets])
    error = np.sqrt(offsets[0].variance)
    # The mean of twenty is known to 0.22 of the error of each.
    assert abs(values.mean()) < 0.5 * error
    assert offsets[0].n_cells < 80 * 80 - np.pi * 16**2


def test_outliers_belong_to_the_brighter_tile():
    first, second = noisy_pair(3)
    first.data[10, 20] += 5.0
    second.data[30, 40] += 5.0
    first.data[50, 60] -= 5.0  # as if the second were too bright
    y, x = np.indices((80, 80))
    afterglow = np.hypot(x - 20, y - 60) < 10
    second.data[afterglow] += 5.0
    assert measure(first, second).outliers is None
    outliers = measure(first, second, keep_outliers=True).outliers
    assert outliers.first[10, 20]
    assert outliers.second[30, 40]
    assert outliers.second[50, 60]
    assert outliers.second[afterglow].all()
    assert not np.any(outliers.first & outliers.second)
    # A patch belongs to one tile as a whole, also at its faint edge.
    assert not outliers.first[np.hypot(x - 20, y - 60) < 14].any()
    # Beside these, cells beyond four sigma, and a margin of the patch of some cells.
    others = (outliers.first | outliers.second) & (np.hypot(x - 20, y - 60) > 20)
    assert np.count_nonzero(others) < 3 + 5


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.3, -0.2)])
def test_places_of_outliers_are_those_of_the_overlap(shift):
    first = make_tile(0, 0, (60, 60), noise=0.01, seed=1, sky=shifted_sky(*shift))
    second = make_tile(7, -5, (60, 60), noise=0.01, seed=2, sky=structured_sky)
    first.data[30, 40] += 3.0
    outliers = measure(first, second, keep_outliers=True).outliers
    assert (outliers.x0, outliers.y0, outliers.valid.shape) == (7, 0, (55, 53))
    assert outliers.first[30 - 0, 40 - 7]


@pytest.mark.parametrize("offset_stat", ["biweight", "median"])
def test_pictures_show_what_the_regression_leaves_out(offset_stat):
    first, second = noisy_pair(1)
    first.data[20:40, 30:50] += 3.0
    assert measure(first, second, Statistic(offset_stat)).picture is None
    offset = measure(first, second, Statistic(offset_stat), keep_picture=True)
    assert offset.value == pytest.approx(0.0, abs=0.05)
    image = offset.picture.image
    assert image[7, 10] == pytest.approx(3.0, abs=0.2)
    assert abs(np.median(image)) < 0.05
