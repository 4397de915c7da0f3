"""Which member of a stack is spoiled, and what becomes of its pairs."""

from dataclasses import replace

import numpy as np
import pytest

from jwst_mosaic_skymatch.offsets.measure import PairFit, PairOffset
from jwst_mosaic_skymatch.offsets.quality import doubt, find_rough, find_spoiled, find_unlike
from jwst_mosaic_skymatch.offsets.trends import StripScatter, Trends

NONE = (0.0, 0.0, 0.0, 0.0)


def trends(excess):
    """Trends whose strips, ten of them, show this excess over a noise of 1."""
    strips = StripScatter(
        n_strips=10.0,
        n_wide=2.5,
        variance=1.0 + excess,
        variance_wide=1.0,
        with_trends=1.0 + excess,
        wide_with_trends=1.0,
        of_slopes=np.eye(3),
    )
    return Trends(
        position=np.zeros(3), slopes=np.ones(3), covariance=np.eye(3), strips=(strips, strips)
    )


def offset(first, second, noise=1.0, excess=0.0):
    return PairOffset(
        first=first,
        second=second,
        value=2.0,
        variance=noise,
        noise_variance=noise,
        n_cells=100,
        fit=PairFit(np.array([2.0, 1.0, 1.0]), noise * np.eye(3), np.eye(3)),
        trends=trends(excess),
    )


def test_all_alike():
    pairs = [offset(0, 1), offset(0, 2), offset(1, 2, 1.5)]
    assert find_spoiled(3, pairs, NONE) == {}


def test_noisy_member_is_told_from_its_partners():
    pairs = [offset(0, 1), offset(0, 2, 25.0), offset(1, 2, 25.0)]
    spoiled = find_spoiled(3, pairs, NONE)
    assert list(spoiled) == [2]
    assert "5 times" in spoiled[2]


def test_uneven_member():
    pairs = [offset(0, 1), offset(0, 2, 1.0, 50.0), offset(1, 2, 1.0, 60.0)]
    spoiled = find_spoiled(3, pairs, NONE)
    assert list(spoiled) == [2]
    assert "a part of it" in spoiled[2]


def test_hits_need_many_cells_and_more_scatter():
    shares = (0.002, 0.002, 0.08)
    scattered = [offset(0, 1), offset(0, 2, 2.0), offset(1, 2, 2.0)]
    assert "8.0% of its cells" in find_spoiled(3, scattered, shares)[2]
    # An afterglow fills many cells, which are left out, and spoils no others.
    assert find_spoiled(3, [offset(0, 1), offset(0, 2), offset(1, 2)], shares) == {}


def test_of_two_none_can_be_told():
    assert find_spoiled(2, [offset(0, 1, 100.0)], NONE) == {}
    assert find_spoiled(3, [offset(0, 1, 100.0)], NONE) == {}


def test_doubted_pairs_say_little():
    good, bad = doubt([offset(0, 1), offset(1, 2, 4.0, 8.0 + 11.0)], {2})
    assert good.trends is not None
    assert good.variance == 1.0
    # A hundred times the noise, and the variance of a single one of ten strips above it.
    assert bad.variance == pytest.approx(400.0 + 10 * (20.0 - 4.0))
    np.testing.assert_array_equal(bad.fit.estimate, [2.0, 0.0, 0.0])
    np.testing.assert_array_equal(np.diag(bad.fit.response), [1.0, 0.0, 0.0])
    assert bad.trends is None


def stack_pair(first, second, noise):
    return PairOffset(
        first=first,
        second=second,
        value=0.0,
        variance=noise,
        noise_variance=noise,
        quoted_variance=1e-6,
        n_cells=900,
    )


def test_a_stack_unlike_all_others_is_named():
    pairs = [
        stack_pair(i, j, 1e-4 if 2 in (i, j) else 1e-6) for i in range(4) for j in range(i + 1, 4)
    ]
    unlike = find_unlike(4, pairs)
    assert unlike.keys() == {2}
    assert "scatter 10 times as much" in unlike[2]


def test_of_two_stacks_none_is_unlike():
    assert find_unlike(2, [stack_pair(0, 1, 1.0)]) == {}
    assert find_unlike(0, []) == {}


def test_rough_overlaps_are_told_from_small_ones():
    """An overlap of a tenth of the others has ten times their noise."""
    offsets = [offset(0, k) for k in range(1, 8)]
    small = offset(0, 8, noise=10.0)
    rough, rougher = offset(1, 2, excess=500.0), offset(2, 3, excess=900.0)
    offsets += [replace(small, quoted_variance=10.0), rough, rougher]
    assert find_rough(offsets) == [9, 8]
    # What is alike in all is no one's fault, as stripes.
    assert find_rough([offset(0, k, excess=500.0) for k in range(1, 8)]) == []
    assert find_rough([replace(one, trends=None) for one in offsets]) == []
