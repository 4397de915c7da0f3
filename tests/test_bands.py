"""Images gone through some rows at a time: the numbers are those of the whole image."""

import numpy as np
import pytest
from helpers import make_tile, structured_sky

from jwst_mosaic_skymatch.bands import row_bands
from jwst_mosaic_skymatch.gradient import banded_gradient, gradient
from jwst_mosaic_skymatch.pairs import measure_offset
from jwst_mosaic_skymatch.pixels import good_pixels
from jwst_mosaic_skymatch.stack import robust_stack
from jwst_mosaic_skymatch.statistic import Statistic

SHAPE = (47, 31)


def in_bands(monkeypatch, n_cells, function):
    with monkeypatch.context() as patch:
        patch.setattr("jwst_mosaic_skymatch.bands.BAND_CELLS", n_cells)
        return function()


@pytest.fixture
def tiles():
    found = []
    for seed in range(3):
        tile = make_tile(2 * seed, -seed, SHAPE, noise=0.1, seed=seed, sky=structured_sky)
        holes = np.random.default_rng(seed).random(SHAPE) < 0.1
        tile.data[holes], tile.weight[holes] = np.nan, 0
        found.append(tile)
    return found


@pytest.mark.parametrize("n_cells", [1, 40, 100, 10_000])
def test_bands_are_all_rows(monkeypatch, n_cells):
    bands = in_bands(monkeypatch, n_cells, lambda: list(row_bands(SHAPE)))
    assert [row for band in bands for row in range(SHAPE[0])[band]] == list(range(SHAPE[0]))
    assert all(len(range(SHAPE[0])[band]) <= max(n_cells // SHAPE[1], 1) for band in bands)


@pytest.mark.parametrize("n_cells", [1, 40, 100])
@pytest.mark.parametrize("shape", [SHAPE, (1, 9), (2, 9), (4, 3), (6, 1)])
def test_gradient(monkeypatch, n_cells, shape):
    image = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    image[image > 1.2] = np.nan
    bands = in_bands(monkeypatch, n_cells, lambda: list(banded_gradient(shape, image.__getitem__)))
    assert len(bands) == -(-shape[0] // max(n_cells // shape[1], 1))
    whole = np.concatenate([np.stack(images) for _, *images in bands], axis=1)
    np.testing.assert_array_equal(whole, [image, *gradient(image)])


@pytest.mark.parametrize("n_cells", [1, 100])
def test_pairs_and_means(monkeypatch, tiles, n_cells):
    def pair():
        return measure_offset(*tiles[:2], Statistic(), min_cells=25)

    def mean():
        return robust_stack(lambda: iter(tiles), [0.0, 0.1, 0.2], extents=tiles)

    one, many = pair(), in_bands(monkeypatch, n_cells, pair)
    assert many.n_cells == one.n_cells
    # Sums of single precision are taken in other pieces; rows between two are not.
    np.testing.assert_allclose(many.fit.estimate, one.fit.estimate, atol=2e-6)
    assert many.noise_variance == pytest.approx(one.noise_variance, rel=1e-6)
    one, many = mean(), in_bands(monkeypatch, n_cells, mean)
    np.testing.assert_array_equal(many.data, one.data)
    np.testing.assert_array_equal(many.weight, one.weight)
    assert many.smoothing == pytest.approx(one.smoothing, rel=1e-12)


def test_good_pixels(monkeypatch):
    rng = np.random.default_rng(3)
    data = rng.standard_normal(SHAPE)
    data[data > 2.0] = np.inf
    flags = rng.integers(0, 8, SHAPE).astype(np.uint32)
    expected = (data > -1.0) & (data < 1.0) & (flags & ~np.uint32(3) == 0)
    found = in_bands(
        monkeypatch,
        50,
        lambda: good_pixels(data, flags, good_bits=3, lower=-1.0, upper=1.0),
    )
    np.testing.assert_array_equal(found, expected)
