"""Scatter of strips along rows and columns."""

from dataclasses import replace

import numpy as np
import pytest
from offsets.makers import make_frame, make_pair, measure


@pytest.mark.parametrize("angle", [0.0, 0.25 * np.pi])
@pytest.mark.parametrize("along", [0, 1])
def test_stripes_along_one_axis(angle, along):
    """Stripes eight cells wide along rows, or columns, of a detector that may be turned."""
    stripes = 0.02 * np.random.default_rng(8).standard_normal(24)
    y, x = np.indices((64, 64)) - 31.5
    turned = y * np.cos(angle) - x * np.sin(angle), x * np.cos(angle) + y * np.sin(angle)
    tiles = make_pair(added=stripes[(turned[along] // 8).astype(int) + 12])
    frames = (make_frame(angle=angle),)
    pair = measure(*(replace(tile, frames=frames) for tile in tiles))
    scatter = pair.quality.strips.detrended[:, 0]
    assert scatter[along] > 10.0 * scatter[1 - along]
    assert scatter[1 - along] < 1e-6


def test_white_noise_has_no_excess():
    ratios = []
    for seed in range(40):
        pair = measure(*make_pair(seed))
        ratios += list(pair.quality.strips.detrended / pair.variance)
    # 80 variances with 6 degrees of freedom, and with not even 1, each: 6 % and 20 %.
    assert np.mean(ratios, axis=0) == pytest.approx((1.05, 1.3), rel=0.25)
    # A phase puts half a wide strip at either end.
    assert pair.quality.strips.number[0] == pytest.approx((8.0, 2.7), abs=0.1)


def test_gradients_are_left_in_on_request():
    gradient = np.broadcast_to(0.001 * np.arange(64.0)[:, None], (64, 64))
    strips = measure(*make_pair(added=gradient)).quality.strips
    rows, columns = strips.raw[:, 0]
    # The variance of 8 steps of 8 cells each; a constant takes one of them.
    assert rows == pytest.approx(0.008**2 * 63 / 12 / 7, rel=0.1)
    assert max(columns, *strips.detrended[:, 0]) < 1e-6
