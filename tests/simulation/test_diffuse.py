"""Smooth components of the sky."""

import numpy as np
import pytest

from jwst_mosaic_simulation import Cirrus, Galaxy


def test_galaxy_falls_by_e_in_a_scale_length():
    galaxy = Galaxy(6.0, 10.0, 20.0, -5.0, axis_ratio=0.5, angle=0.0, arm_contrast=0.0, bulge=0.0)
    x, y = np.array([20.0, 25.0])[None, :], np.array([-5.0, 5.0])[:, None]
    # The major axis points north: a scale length is 10 arcsec there and 5 to the east.
    expected = 6.0 * np.exp([[0.0, -1.0], [-1.0, -np.sqrt(2)]])
    np.testing.assert_allclose(galaxy.draw(x, y, None), expected)


def test_galaxy_has_two_arms():
    galaxy = Galaxy(6.0, 10.0, axis_ratio=1.0)
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    ring = np.array(
        [galaxy.draw(20 * np.sin([[a]]), 20 * np.cos([[a]]), None).item() for a in angle]
    )
    assert np.argmax(np.abs(np.fft.rfft(ring - ring.mean()))) == 2


def test_cirrus_has_mean_and_contrast():
    image = Cirrus(5.0, 0.5).draw(np.zeros((1, 256)), np.zeros((256, 1)), np.random.default_rng(4))
    assert image.shape == (256, 256)
    assert image.mean() == pytest.approx(5.0, rel=0.05)
    assert np.log(image).std() == pytest.approx(0.5)


def test_random_field_has_the_slope():
    grid = np.zeros((1, 512)), np.zeros((512, 1))
    field = np.log(Cirrus(1.0, 1.0, slope=3.0).draw(*grid, np.random.default_rng(5))) + 0.5
    power = np.abs(np.fft.rfft2(field)) ** 2
    k = np.hypot(np.fft.fftfreq(512)[:, None], np.fft.rfftfreq(512))
    low, high = (power[(k > a) & (k < 1.2 * a)].mean() for a in (0.02, 0.2))
    assert np.log10(low / high) == pytest.approx(3.0, abs=0.2)
    assert field.mean() == pytest.approx(0.0, abs=1e-12)
    assert field.std() == pytest.approx(1.0)
