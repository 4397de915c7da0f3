"""Cosmic rays, afterglow and gradients."""

import numpy as np
import pytest
from numpy.random import default_rng
from numpy.testing import assert_allclose

from jwst_mosaic_simulation._effects import draw_cosmic_rays, draw_plane


def test_cosmic_rays():
    energy, flagged = draw_cosmic_rays((600, 700), 0.01, default_rng(2))
    hit = energy > 0
    assert hit.mean() == pytest.approx(0.01, rel=0.1)
    assert not np.any(flagged & ~hit)
    assert flagged[hit].mean() == pytest.approx(0.8, abs=0.05)
    assert energy[hit & ~flagged].mean() == pytest.approx(20, rel=0.15)
    assert energy[flagged].mean() == pytest.approx(0.4, rel=0.15)


def test_planes_have_the_rms():
    rng = default_rng(8)
    planes = np.array([draw_plane((40, 50), 0.2, rng) for _ in range(500)])
    assert_allclose(planes.mean(axis=(1, 2)), 0, atol=1e-12)
    assert planes.std() == pytest.approx(0.2, rel=0.1)
