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
    y, x = np.indices((40, 60))
    difference = (x + 100.0 * y).astype(np.float32)
    difference[:4, :4] = np.nan
    difference[4, 4] = np.nan
    picture = draw_differences(difference, (7, 9))
    assert (picture.x0, picture.y0, picture.block) == (7, 9, LEAST_BLOCK)
    assert picture.image.shape == (10, 15)
    assert np.isnan(picture.image[0, 0])
    assert picture.image[2, 3] == pytest.approx(13.5 + 100.0 * 9.5)
    # Of a block in which a cell is missing, the mean of the others.
    assert picture.image[1, 1] == pytest.approx(difference[4:8, 4:8].ravel()[1:].mean())


def test_empty_borders_are_cut_off():
    difference = np.full((80, 80), np.nan, dtype=np.float32)
    difference[20:40, 48:60] = 1.0
    picture = draw_differences(difference, (100, 200))
    assert (picture.x0, picture.y0) == (148, 220)
    np.testing.assert_array_equal(picture.image, np.ones((5, 3)))


def test_large_overlaps_make_no_large_pictures():
    picture = draw_differences(np.zeros((100, 930), dtype=np.float32), (0, 0))
    assert picture.block == 15
    assert max(picture.image.shape) <= LARGEST_SIDE


def test_histogram_of_a_sample():
    rng = np.random.default_rng(1)
    difference = rng.normal(0.0, 0.02, (300, 400)).astype(np.float32)
    difference[:, ::100] = 9.0
    picture = draw_differences(difference, (0, 0))
    assert N_SAMPLE <= picture.counts.sum() <= 1.5 * N_SAMPLE
    centres = 0.5 * (picture.edges[1:] + picture.edges[:-1])
    inner = picture.counts[1:-1]
    spread = np.sqrt(np.sum(inner * centres[1:-1] ** 2) / inner.sum())
    assert spread == pytest.approx(0.02, rel=0.05)
    # What lies beyond is in the last bin.
    assert picture.edges[-1] == pytest.approx(0.1, rel=0.05)
    assert picture.counts[-1] > 0.005 * picture.counts.sum()


def test_without_any_scatter():
    picture = draw_differences(np.zeros((10, 10), dtype=np.float32), (0, 0))
    assert picture.counts.sum() == 100
    assert np.all(np.diff(picture.edges) > 0)
