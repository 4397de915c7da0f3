import numpy as np
import pytest

from jwst_mosaic_skymatch.statistic import Statistic, biweight, in_range

STATISTICS = ["biweight", "median", "midpt", "mean", "mode"]


@pytest.mark.parametrize("skystat", STATISTICS)
def test_finds_location_of_gaussian_noise(skystat):
    values = 3.0 + 0.1 * np.random.default_rng(1).standard_normal(20000)
    location = Statistic(skystat)(values)
    # 'mode' is good to a fraction of sigma only.
    assert location.value == pytest.approx(3.0, abs=0.05 if skystat == "mode" else 0.004)


@pytest.mark.parametrize("skystat", STATISTICS)
def test_equal_values_have_no_variance(skystat):
    location = Statistic(skystat)(np.full(100, 2.5))
    assert (location.value, location.variance, location.n_used) == (2.5, 0.0, 100)


@pytest.mark.parametrize("skystat", STATISTICS)
def test_empty_sample_gives_nan(skystat):
    assert np.isnan(Statistic(skystat)(np.array([])).value)


@pytest.mark.parametrize("skystat", ["biweight", "median", "mean"])
def test_variance_is_that_of_repeated_samples(skystat):
    rng = np.random.default_rng(2)
    found = [Statistic(skystat)(rng.standard_normal(400)) for _ in range(400)]
    scatter = np.var([location.value for location in found])
    claimed = np.mean([location.variance for location in found])
    assert claimed == pytest.approx(scatter, rel=0.25)


def test_biweight_is_nearly_as_efficient_as_the_mean():
    samples = np.random.default_rng(3).standard_normal((400, 500))
    efficiency = np.std([biweight(s).value for s in samples]) * np.sqrt(500)
    assert efficiency < 1.1


def test_biweight_ignores_one_sided_outliers():
    rng = np.random.default_rng(4)
    values = rng.standard_normal(5000)
    values[:500] += rng.exponential(200.0, 500) + 8.0
    assert abs(biweight(values).value) < 0.06
    assert abs(values.mean()) > 10


def test_in_range_excludes_nan_and_both_sides():
    values = np.array([np.nan, -1.0, 0.0, 1.0, np.inf, 2.0])
    assert in_range(values, 0.0, 1.0).tolist() == [False, False, True, True, False, False]
    assert in_range(values, None, None).sum() == 4


def test_limits_of_statistic_apply():
    values = np.r_[np.full(10, 1.0), np.full(10, 50.0)]
    assert Statistic("mean", upper=10.0)(values).value == 1.0
    assert np.isnan(Statistic("mean", lower=100.0)(values).value)
