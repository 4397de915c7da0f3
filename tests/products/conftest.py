"""A match with known results."""

from types import SimpleNamespace

import numpy as np
import pytest

from jwst_mosaic_skymatch.exposures.metadata import Exposure
from jwst_mosaic_skymatch.levels.results import Match, PairResult, Stack
from jwst_mosaic_skymatch.offsets.measure import PairOffset


@pytest.fixture
def grid():
    """Cells of half an arcsec, x to the west."""
    return SimpleNamespace(sky_axes=np.array([[-0.5, 0.0], [0.0, 0.5]]), cell_scale=0.5)


@pytest.fixture
def exposures():
    """Four exposures, of which the last belongs to no visit."""
    return [
        Exposure(k, f"{k}_cal.fits", visit_id=visit)
        for k, visit in enumerate(("001", "001", "002", None))
    ]


def make_pair(first, second, *, residual=0.01, robust_weight=1.0):
    return PairResult(
        offset=PairOffset(first=first, second=second, value=1.0, variance=0.01, n_cells=99),
        residual=residual,
        expected_variance=0.005,
        weight=100.0,
        robust_weight=robust_weight,
    )


def make_stack(label, *members):
    unknown = np.full((len(members), 2), np.nan)
    return Stack(
        label=label,
        members=members,
        levels=np.zeros(len(members)),
        covariance=np.zeros((len(members), len(members))),
        shifts=unknown,
        shift_variances=unknown,
        coverage=(),
        frames=(),
        summary=SimpleNamespace(pixels_per_cell=4.0),
        mean=None,
    )


@pytest.fixture
def match():
    """A stack of two, another of one, and an exposure without any."""
    return Match(
        levels=np.array([0.0, 1.0, 3.0, np.nan]),
        level_errors=np.array([0.1, 0.1, 0.2, np.nan]),
        level_noise=np.array([0.01, 0.01, 0.02, np.nan]),
        components=np.array([0, 0, 0, -1]),
        shifts=np.array([[0.2, 0.0], [-0.01, 0.0], [0.0, 0.3], [np.nan, np.nan]]),
        shift_variances=np.array([[1e-4, 0.0], [1e-6, 1e-6], [0.1, 0.1], [np.nan, np.nan]]),
        stacks=(make_stack("jw001", 0, 1), make_stack("jw002", 2)),
        exposure_pairs=(make_pair(0, 1),),
        stack_pairs=(make_pair(0, 1, residual=2.0, robust_weight=0.1),),
        skies=np.full(4, np.nan),
        reasons=("", "", "", "no overlap with others"),
    )


@pytest.fixture
def no_match():
    """Four exposures that do not overlap."""
    return Match(
        levels=np.full(4, np.nan),
        level_errors=np.full(4, np.nan),
        level_noise=np.full(4, np.nan),
        components=np.full(4, -1),
        shifts=np.full((4, 2), np.nan),
        shift_variances=np.full((4, 2), np.nan),
        stacks=(),
        exposure_pairs=(),
        stack_pairs=(),
        skies=np.full(4, np.nan),
        reasons=("no good pixel",) + ("no overlap with others",) * 3,
    )
