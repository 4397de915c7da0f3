"""Differences for a look at them."""

import numpy as np
import pytest

from jwst_mosaic_skymatch.offsets.picture import (
    LARGEST_SIDE,
    LEAST_BLOCK,
    N_SAMPLE,
    draw_differences,
)


def test_means_of_blocks():
    valid = np.ones((40, 60), dtype=bool)
    valid[:4, :4] = False
    valid[4, 4] = False
    y, x = np.indices(valid.shape)
    difference = (x + 100.0 * y).astype(np.float32)
    picture = draw_differences(difference[valid], valid, (7, 9))
    assert (picture.x0, picture.y0, picture.block) == (7, 9, LEAST_BLOCK)
    assert picture.image.shape == (10, 15)
    assert np.isnan(picture.image[0, 0])
    assert picture.image[2, 3] == pytest.approx(13.5 + 100.0 * 9.5)
    # Of a block in which a cell is missing, the mean of the others.
    assert picture.image[1, 1] == pytest.approx(difference[4:8, 4:8].ravel()[1:].mean())


def test_empty_borders_are_cut_off():
    valid = np.zeros((80, 80), dtype=bool)
    valid[20:40, 48:60] = True
    picture = draw_differences(np.ones(240, dtype=np.float32), valid, (100, 200))
    assert (picture.x0, picture.y0) == (148, 220)
    np.testing.assert_array_equal(picture.image, np.ones((5, 3)))


def test_large_overlaps_make_no_large_pictures():
    valid = np.ones((100, 930), dtype=bool)
    picture = draw_differences(np.zeros(valid.sum(), dtype=np.float32), valid, (0, 0))
    assert picture.block == 15
    assert max(picture.image.shape) <= LARGEST_SIDE


def test_histogram_of_a_sample():
    rng = np.random.default_rng(1)
    valid = np.ones((300, 400), dtype=bool)
    difference = rng.normal(0.0, 0.02, valid.sum()).astype(np.float32)
    difference[::100] = 9.0
    picture = draw_differences(difference, valid, (0, 0))
    assert N_SAMPLE <= picture.counts.sum() <= 1.5 * N_SAMPLE
    centres = 0.5 * (picture.edges[1:] + picture.edges[:-1])
    inner = picture.counts[1:-1]
    spread = np.sqrt(np.sum(inner * centres[1:-1] ** 2) / inner.sum())
    assert spread == pytest.approx(0.02, rel=0.05)
    # What lies beyond is in the last bin.
    assert picture.edges[-1] == pytest.approx(0.1, rel=0.05)
    assert picture.counts[-1] > 0.005 * picture.counts.sum()


def test_without_any_scatter():
    picture = draw_differences(
        np.zeros(100, dtype=np.float32), np.ones((10, 10), dtype=bool), (0, 0)
    )
    assert picture.counts.sum() == 100
    assert np.all(np.diff(picture.edges) > 0)
