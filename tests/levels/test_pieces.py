"""Levels of pieces beside those of their exposures."""

import numpy as np
import pytest

from jwst_mosaic_skymatch.levels.pieces import place_pieces
from jwst_mosaic_skymatch.levels.results import Match


def make_match(levels, errors, components):
    n = len(levels)
    unknown = np.full((n, 2), np.nan)
    return Match(
        levels=np.array(levels, dtype=float),
        level_errors=np.array(errors, dtype=float),
        level_noise=np.array(errors, dtype=float),
        components=np.array(components),
        shifts=unknown,
        shift_variances=unknown,
        stacks=(),
        exposure_pairs=(),
        stack_pairs=(),
        skies=np.ones(n),
        reasons=tuple("" if c >= 0 else "no overlap" for c in components),
    )


# Three exposures, and a piece of each; the last piece overlaps nothing.
LEVELS = [0.0, 1.0, 2.0, 0.5, 1.7, np.nan]
ERRORS = [0.0, 0.0, 0.03, 0.1, 0.2, np.nan]
COMPONENTS = [0, 0, 0, 0, 0, -1]


def test_piece_without_overlap_follows_the_others():
    match, offsets = place_pieces(make_match(LEVELS, ERRORS, COMPONENTS), (0, 1, 2))
    mean = (0.5 / 0.01 + 0.7 / 0.04) / (1 / 0.01 + 1 / 0.04)
    scatter = 0.2 / np.sqrt(2)
    assert offsets.mean == pytest.approx(mean)
    assert offsets.scatter == pytest.approx(scatter)
    assert offsets.n_found == 2
    np.testing.assert_allclose(offsets.values, [0.5, 0.7, mean])
    np.testing.assert_allclose(match.levels, [0.0, 1.0, 2.0, 0.5, 1.7, 2.0 + mean])
    assert match.level_errors[5] == pytest.approx(np.hypot(0.03, scatter))
    assert match.components.tolist() == [0] * 6
    assert match.reasons == ("",) * 6
    assert match.placed == {5}
    # The sky of an exposure is that of all its pixels.
    assert np.isnan(match.skies).tolist() == [False] * 3 + [True] * 3


def test_pieces_that_nothing_tells_of_have_the_level_of_their_exposure():
    components = [0, 0, 0, -1, -1, -1]
    match, offsets = place_pieces(make_match(LEVELS, ERRORS, components), (0, 1, 2))
    assert offsets.n_found == 0
    assert np.isnan(offsets.mean)
    np.testing.assert_allclose(match.levels, [0, 1, 2] * 2)
    assert np.isnan(match.level_errors[3:]).all()


def test_pieces_that_overlap_each_other_alone_keep_their_differences():
    levels = [0.0, 1.0, -1.0, 1.5, 0.2, 1.4]
    match, offsets = place_pieces(make_match(levels, ERRORS, [0, 0, 0, 0, 1, 1]), (1, 0, 2))
    # One piece lies 0.5 above its exposure; the other two 0.2 and 2.4, so 1.3 in the mean.
    np.testing.assert_allclose(offsets.values, [0.5, 0.5 - 1.1, 0.5 + 1.1])
    np.testing.assert_allclose(match.levels[3:], [1.5, -0.6, 0.6])
    assert match.components.tolist() == [0] * 6
    assert match.n_components == 1


def test_piece_has_no_level_if_its_exposure_has_none():
    levels, components = [np.nan, 0.0, 1.0, 0.5], [-1, 0, 1, 1]
    given = make_match(levels, [0.1] * 4, components)
    match, offsets = place_pieces(given, (0,))
    assert np.isnan(match.levels[3])
    assert match.components.tolist() == [-1, 0, 1, -1]
    assert match.reasons[3] == "no overlap"
    assert offsets.n_found == 0
    # It gets one if something else gives one to its exposure.
    found = offsets.complete(np.array([7.0, 0.0, 1.0, np.nan]))
    assert found.tolist() == [7.0, 0.0, 1.0, 7.0]
    assert np.isnan(offsets.follow(np.array([np.nan, 0.0, 1.0]))[3])
    # What was given stays as it was.
    assert given.levels[3] == 0.5


def test_no_pieces():
    given = make_match(LEVELS, ERRORS, COMPONENTS)
    match, offsets = place_pieces(given, ())
    np.testing.assert_array_equal(match.levels, LEVELS)
    np.testing.assert_array_equal(match.skies, given.skies)
    np.testing.assert_array_equal(offsets.follow(match.levels), LEVELS)
    assert not match.placed
