"""Gradients of families from slopes of overlaps and from loops, against known ones."""

import numpy as np
import pytest
from helpers import flat_frame

from jwst_mosaic_skymatch.levels.likelihood import likely_slope_variance
from jwst_mosaic_skymatch.levels.solution import incidence_matrix, solve_levels
from jwst_mosaic_skymatch.levels.trends import find_structure
from jwst_mosaic_skymatch.offsets.measure import PairOffset
from jwst_mosaic_skymatch.offsets.trends import StripScatter, Trends

NOISE = 1e-4
# Between centres of neighbours, cells.
SPACING = 80.0
SLOPE = 2e-5
# With it a slope tells nothing that small.
WEAK = 5e-5


def mosaic(nx=4, ny=3, *, slope=0.0, slope_noise=4e-6, seed=1, spoiled=0):
    """Make overlaps of neighbours in a grid of visits with drawn gradients and levels of zero."""
    rng = np.random.default_rng(seed)
    places = SPACING * np.stack(np.meshgrid(np.arange(nx), np.arange(ny)), axis=-1).reshape(-1, 2)
    gradients = rng.normal(0.0, slope, places.shape) if slope else np.zeros(places.shape)
    pairs = []
    for i in range(len(places)):
        for j in range(i + 1, len(places)):
            if np.linalg.norm(places[i] - places[j]) > 1.1 * SPACING:
                continue
            middle = 0.5 * (places[i] + places[j])
            true = gradients[i] @ (middle - places[i]) - gradients[j] @ (middle - places[j])
            slopes = gradients[i] - gradients[j] + rng.normal(0.0, slope_noise, 2)
            pairs.append(pair(i, j, true + rng.normal(0.0, NOISE), slopes, middle, slope_noise))
    for k in range(spoiled):
        pairs[3 + 4 * k] = spoil(pairs[3 + 4 * k])
    return places, pairs


def pair(first, second, value, slopes, place, slope_noise):
    strips = StripScatter(
        n_strips=40.0,
        n_wide=10.0,
        variance=NOISE**2,
        variance_wide=NOISE**2,
        with_trends=NOISE**2,
        wide_with_trends=NOISE**2,
        of_slopes=np.eye(3) * 1e-6,
    )
    return PairOffset(
        first=first,
        second=second,
        value=value,
        variance=NOISE**2,
        noise_variance=NOISE**2,
        n_cells=1000,
        trends=Trends(
            position=np.append(place, 5.0),
            slopes=np.append(slopes, 0.0),
            covariance=np.diag([slope_noise**2, slope_noise**2, 1e-6]),
            strips=(strips, strips),
        ),
    )


def spoil(one):
    """Raise an offset by fifty sigma."""
    return PairOffset(**{**vars(one), "value": one.value + 50 * NOISE})


def found_in(places, pairs):
    n = len(places)
    structure = find_structure(
        pairs,
        incidence_matrix(n, pairs),
        [flat_frame(*place) for place in places],
        [f"{k:02}" for k in range(n)],
        np.ones(len(pairs)),
    )
    return likely_slope_variance(n, pairs, solve_levels(n, pairs), structure)


@pytest.mark.parametrize("slope_noise", [4e-6, WEAK])
def test_size_of_gradients(slope_noise):
    """By slopes or, where these tell nothing, by loops."""
    found = [found_in(*mosaic(slope=SLOPE, slope_noise=slope_noise, seed=s)) for s in range(8)]
    assert np.sqrt(np.mean(found)) == pytest.approx(SLOPE, rel=0.35)
    assert min(found) > 0.0


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("spoiled", [0, 1])
def test_constants_have_none(seed, spoiled):
    """A spoiled overlap is no gradient."""
    assert found_in(*mosaic(seed=seed, spoiled=spoiled)) == 0.0


def test_spoiled_overlap_does_not_hide_gradients():
    clean, spoiled = (found_in(*mosaic(slope=SLOPE, spoiled=k)) for k in (0, 1))
    assert spoiled == pytest.approx(clean, rel=0.5)


def test_nothing_is_told_by_overlaps_without_slopes():
    places, pairs = mosaic(slope=SLOPE)
    bare = [PairOffset(**{**vars(one), "trends": None}) for one in pairs]
    assert found_in(places, bare) == 0.0
    assert found_in(places[:1], []) == 0.0
