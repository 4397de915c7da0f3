"""Locations of samples."""

import numpy as np
import pytest

from jwst_mosaic_skymatch.offsets.statistic import OFFSET_STATS, Statistic


@pytest.mark.parametrize("offset_stat", OFFSET_STATS)
def test_location_of_gaussian_noise(offset_stat):
    values = 3.0 + 0.1 * np.random.default_rng(1).standard_normal(20000)
    location = Statistic(offset_stat)(values)
    # Five sigma of a mean; 'mode' is good to a fraction of a value's sigma only.
    assert location.value == pytest.approx(3.0, abs=0.05 if offset_stat == "mode" else 0.004)


@pytest.mark.parametrize("offset_stat", OFFSET_STATS)
def test_equal_values_have_no_variance(offset_stat):
    location = Statistic(offset_stat)(np.full(100, 2.5))
    assert (location.value, location.variance) == (2.5, 0.0)


@pytest.mark.parametrize("offset_stat", OFFSET_STATS)
def test_empty_sample_has_no_location(offset_stat):
    location = Statistic(offset_stat)(np.array([]))
    assert np.isnan([location.value, location.variance]).all()


@pytest.mark.parametrize("offset_stat", ["biweight", "median", "mean"])
def test_variance_is_that_of_repeated_samples(offset_stat):
    rng = np.random.default_rng(2)
    found = [Statistic(offset_stat)(rng.standard_normal(400)) for _ in range(400)]
    scatter = np.var([location.value for location in found])
    claimed = np.mean([location.variance for location in found])
    # 400 samples give their variance to 7 %.
    assert claimed == pytest.approx(scatter, rel=0.25)


def test_biweight_is_nearly_as_efficient_as_the_mean():
    samples = np.random.default_rng(3).standard_normal((400, 500))
    efficiency = np.std([Statistic()(sample).value for sample in samples]) * np.sqrt(500)
    # The best is 1; 400 samples give it to 3.5 %.
    assert efficiency < 1.1


def test_biweight_ignores_one_sided_outliers():
    rng = np.random.default_rng(4)
    values = rng.standard_normal(5000)
    values[:500] += rng.exponential(200.0, 500) + 8.0
    # Four sigma of a mean; that of all values is 20.
    assert abs(Statistic()(values).value) < 0.06


def test_clipping_of_one_sided_outliers():
    rng = np.random.default_rng(5)
    values = np.r_[rng.standard_normal(5000), np.full(50, 30.0)]
    assert Statistic("mean", nclip=0)(values).value == pytest.approx(0.3, abs=0.06)
    assert Statistic("mean", nclip=5, usigma=4.0)(values).value == pytest.approx(0.0, abs=0.06)


def test_clipping_that_leaves_nothing():
    values = np.r_[np.full(50, -1.0), np.full(50, 1.0)]
    assert np.isnan(Statistic("mean", nclip=1, lsigma=0.5, usigma=0.5)(values).value)
