"""A match with known results."""

from types import SimpleNamespace

import numpy as np
import pytest

from jwst_mosaic_skymatch.absolute import unmatched
from jwst_mosaic_skymatch.exposures.metadata import Exposure
from jwst_mosaic_skymatch.levels.results import (
    Backgrounds,
    Levels,
    Match,
    PairResult,
    Stack,
)
from jwst_mosaic_skymatch.offsets.measure import PairMeasurement, PairQuality
from jwst_mosaic_skymatch.offsets.regression import UNKNOWN
from jwst_mosaic_skymatch.offsets.trends import StripScatter


@pytest.fixture
def grid():
    """Cells of half an arcsec, x to the west."""
    return SimpleNamespace(sky_axes=np.array([[-0.5, 0.0], [0.0, 0.5]]), cell_scale=0.5)


@pytest.fixture
def exposures():
    """Four exposures; the last has no visit."""
    return [
        Exposure(k, f"{k}_cal.fits", visit_id=visit)
        for k, visit in enumerate(("001", "001", "002", None))
    ]


def make_pair(first, second, *, residual=0.01, robust_weight=1.0, shift=(0.0, UNKNOWN)):
    """Make a pair with an error of 0.1 by noise, and of 0.2 in all."""
    strips = StripScatter(*(np.full((2, 2), value) for value in (0.01, 0.01, 20.0)))
    measurement = PairMeasurement(
        first,
        second,
        estimate=np.array([1.0, shift[0], 0.0, 1e-4, -2e-4, 0.0]),
        covariance=np.diag([0.01, shift[1], shift[1], 1e-10, 4e-10, 1.0]),
        centre=np.zeros(5),
        regions=(),
        quality=PairQuality(1.0, 0.01, 1.0, 0.0, strips, 99),
    )
    return PairResult(measurement, 0.2, residual, 0.02, robust_weight)


def make_stack(label, *members):
    n = len(members)
    return Stack(label, members, np.zeros((n, 6)), (), (SimpleNamespace(scale=0.5),), None, None)


@pytest.fixture
def match():
    """A stack of two, another of one, and an exposure without any."""
    nan = np.nan
    levels = Levels(
        values=np.array([0.0, 1.0, 3.0, nan]),
        errors=np.array([0.1, 0.1, 0.2, nan]),
        components=np.array([0, 0, 0, -1]),
        anchored=np.array([False]),
        shifts=np.array([[0.2, 0.0], [-0.01, 0.0], [0.0, 0.3], [nan, nan]]),
        shift_errors=np.array([0.01, 1e-3, 0.3, nan]),
        reasons=("", "", "", "no overlap with others"),
    )
    return Match(
        levels,
        Backgrounds({}, np.zeros((4, 2)), np.zeros((4, 2)), {}, ()),
        stacks=(make_stack("jw001", 0, 1), make_stack("jw002", 2)),
        exposure_pairs=(make_pair(0, 1, shift=(-0.4, 1e-4)),),
        stack_pairs=(make_pair(0, 1, residual=2.0, robust_weight=0.1),),
        skies=np.full(4, nan),
        remarks={},
    )


@pytest.fixture
def no_match():
    """Four exposures that do not overlap."""
    return unmatched(np.full(4, np.nan), ("no good pixel",) + ("no overlap with others",) * 3)
