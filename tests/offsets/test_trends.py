"""Slopes, and scatter of strips, of residuals with known ones."""

import numpy as np
import pytest

from jwst_mosaic_skymatch.offsets.trends import measure_trends

SHAPE = (200, 240)
NOISE = 0.05
Y, X = np.indices(SHAPE, dtype=float)


def brightness():
    return 5.0 + 4.0 * np.exp(-np.hypot(X - 150, Y - 60) / 30)


def trends_of(image, *, seed=1, valid=None, angles=(0.0,)):
    """Measure residuals ``image`` plus noise, on a grid that begins at (1000, 2000)."""
    valid = np.ones(SHAPE, dtype=bool) if valid is None else valid
    noise = np.random.default_rng(seed).normal(0, NOISE, SHAPE)
    residuals = (image + noise)[valid]
    return measure_trends(
        valid,
        (1000, 2000),
        (residuals - residuals.mean()).astype(np.float32),
        np.ones(residuals.size, dtype=np.float32),
        brightness()[valid].astype(np.float32),
        variance=NOISE**2 / residuals.size,
        angles=angles,
    )


def test_noise_alone():
    """Slopes are as large as their errors; strips show nothing."""
    found = [trends_of(0.0 * X, seed=seed) for seed in range(40)]
    pulls = np.array([t.slopes / np.sqrt(np.diag(t.covariance)) for t in found])
    np.testing.assert_allclose(pulls.std(axis=0), 1.0, atol=0.3)
    variance = NOISE**2 / X.size
    assert np.count_nonzero([t.excess(variance) for t in found]) <= 2
    ratios = [strips.variance / variance for t in found for strips in t.strips]
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.15)


def test_position_is_where_the_offset_is_measured():
    valid = X >= 100
    found = trends_of(0.0 * X, valid=valid)
    light = brightness()[valid].mean()
    np.testing.assert_allclose(found.position, [1169.5, 2099.5, light], rtol=1e-3)


def test_plane_and_gain():
    truth = np.array([2e-4, -1e-4, 0.01])
    found = trends_of(truth[0] * X + truth[1] * Y + truth[2] * brightness())
    errors = np.sqrt(np.diag(found.covariance))
    assert np.all(np.abs(found.slopes - truth) < 4 * errors)
    assert np.all(np.abs(truth) > 5 * errors)


def test_nothing_is_known_of_a_gain_on_a_constant_sky():
    noise = np.random.default_rng(3).normal(0, NOISE, X.size)
    found = measure_trends(
        np.ones(SHAPE, dtype=bool),
        (0, 0),
        noise.astype(np.float32),
        np.ones(X.size, dtype=np.float32),
        np.full(X.size, 5.0, dtype=np.float32),
        variance=NOISE**2 / X.size,
        angles=(0.0,),
    )
    assert found.covariance[2, 2] > 1.0


@pytest.mark.parametrize("angle", [0.0, 0.7, np.pi / 2])
def test_stripes(angle):
    """Strips 8 cells wide, each with an offset of its own, along a turned axis."""
    across = (Y * np.cos(angle) - X * np.sin(angle)) / 8
    number = np.floor(across - across.min()).astype(int)
    rng = np.random.default_rng(5)
    variance = NOISE**2 / X.size
    ratios, others = [], []
    for seed in range(12):
        height = rng.normal(0, 0.01, number.max() + 1)
        rows, columns = trends_of(height[number], seed=seed, angles=(angle,)).strips
        # What the mean over the strips is off by, were they independent.
        expected = 0.01**2 / rows.n_strips
        ratios.append((rows.variance - variance) / expected)
        others.append((columns.variance - variance) / expected)
    # Blocks lie across the edges of turned strips, which takes a third.
    assert 0.5 < np.mean(ratios) < 1.3
    assert np.mean(others) < 0.2


def test_neighbouring_strips_that_are_alike_scatter_more_when_wide():
    """Of strips 32 cells wide a quarter as many are independent."""
    height = np.random.default_rng(2).normal(0, 0.02, 50)
    rows = trends_of(height[(Y // 32).astype(int)]).strips[0]
    assert rows.n_wide == pytest.approx(rows.n_strips / 4, rel=0.3)
    # Half of each lies in the next of those that are counted.
    assert rows.variance_wide > 1.3 * rows.variance


def test_glow_in_a_narrow_overlap():
    """A ramp at the edge counts in the excess, though it is nearly a slope."""
    valid = X >= 180
    ramp = 0.05 * np.clip((X - 220) / 20, 0, 1)
    variance = NOISE**2 / np.count_nonzero(valid)
    found = trends_of(ramp, valid=valid)
    mean = ramp[valid].mean()
    assert 0.25 * mean**2 < found.excess(variance) < 4 * mean**2
    assert found.excess(variance, with_trends=False) < found.excess(variance)
