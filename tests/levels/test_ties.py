"""Components whose constants detectors of one exposure decide."""

import numpy as np
import pytest

from jwst_mosaic_skymatch.levels.ties import tie_components


def tied(levels, components, exposures, errors=None):
    levels = np.array(levels, dtype=float)
    errors = np.where(np.isnan(levels), np.nan, 0.001) if errors is None else np.array(errors)
    return tie_components(levels, errors, np.array(components), exposures)


def test_without_exposures_in_common_nothing_changes():
    result = tied([-1.0, 1.0, -2.0, 2.0], [0, 0, 1, 1], "abcd")
    np.testing.assert_array_equal(result.levels, [-1.0, 1.0, -2.0, 2.0])
    np.testing.assert_array_equal(result.components, [0, 0, 1, 1])
    assert result.n_ties == 0


def test_two_modules():
    """Module A has levels (0, 1), B (5, 6): the constant is 5, exactly."""
    result = tied([-0.5, 0.5, -0.5, 0.5], [0, 0, 1, 1], ["x", "y", "x", "y"])
    np.testing.assert_allclose(result.levels, [-0.5, 0.5, -0.5, 0.5], atol=1e-12)
    np.testing.assert_array_equal(result.components, 0)
    assert (result.n_ties, result.pedestal_rms) == (2, pytest.approx(0.0, abs=1e-12))


def test_chain():
    """B of each exposure overlaps A of the next: levels of exposures are 0, 3, 1, 2."""
    sky = {"v": 0.0, "w": 3.0, "x": 1.0, "y": 2.0}
    exposures = ["v", "v", "w", "w", "x", "x", "y", "y"]
    truth = np.array([sky[name] for name in exposures])
    components = np.array([-1, 0, 0, 1, 1, 2, 2, -1])
    levels = truth.copy()
    for number in range(3):
        levels[components == number] -= truth[components == number].mean()
    levels[components < 0] = np.nan
    result = tied(levels, components, exposures)
    np.testing.assert_allclose(result.levels, truth - truth.mean(), atol=1e-12)
    np.testing.assert_array_equal(result.components, 0)
    assert np.isfinite(result.errors).all()
    # Not one detector more than it takes: nothing tells what pedestals do.
    assert np.isnan(result.pedestal_rms)


def test_inside_a_component_nothing_moves():
    rng = np.random.default_rng(1)
    levels, components = rng.normal(size=12), np.repeat([0, 1, 2], 4)
    exposures = [*"abcd", *"abef", *"ghij"]
    result = tied(levels, components, exposures)
    for number in range(3):
        moved = (result.levels - levels)[components == number]
        np.testing.assert_allclose(moved, moved[0], atol=1e-12)
    # Nothing ties the last; both have zero mean.
    np.testing.assert_array_equal(result.components, [0] * 8 + [1] * 4)
    for number in range(2):
        assert result.levels[result.components == number].mean() == pytest.approx(0, abs=1e-12)


def test_pedestals_make_errors():
    """Errors of constants, from pedestals that scatter by a known amount."""
    rng = np.random.default_rng(7)
    n_exposures, rms = 6, 0.02
    exposures = np.tile(np.arange(n_exposures), 4).astype(str).tolist()
    components = np.repeat([0, 0, 1, 1], n_exposures)
    pulls, found = [], []
    for _ in range(200):
        sky = np.tile(rng.normal(size=n_exposures), 4)
        truth = sky + rng.normal(0, rms, sky.size)
        levels = truth + rng.normal(size=2)[components]
        for number in range(2):
            levels[components == number] -= levels[components == number].mean()
        result = tied(levels, components, exposures, np.full(sky.size, 1e-9))
        error = result.levels - truth
        pulls.append((error - error.mean())[0] / result.errors[0])
        found.append(result.pedestal_rms)
    assert np.mean(found) == pytest.approx(rms, rel=0.1)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.2)


def test_image_that_nothing_ties_keeps_no_level():
    result = tied([0.0, 0.0, np.nan], [0, 0, -1], ["a", "b", "c"])
    assert np.isnan(result.levels[2])
    assert result.components.tolist() == [0, 0, -1]
    result = tied([-1.0, 1.0, np.nan, np.nan], [0, 0, -1, -1], ["a", "b", "b", "c"])
    np.testing.assert_allclose(result.levels[:3] - result.levels[0], [0.0, 2.0, 2.0])
    assert result.components.tolist() == [0, 0, 0, -1]


def test_images_that_only_tie_each_other_have_no_level():
    result = tied([-1.0, 1.0, np.nan, np.nan], [0, 0, -1, -1], ["a", "b", "c", "c"])
    np.testing.assert_array_equal(result.levels, [-1.0, 1.0, np.nan, np.nan])
    assert result.components.tolist() == [0, 0, -1, -1]


def test_nothing_matched_at_all():
    result = tied([np.nan, np.nan], [-1, -1], ["c", "c"])
    assert np.isnan(result.levels).all()
    assert result.components.tolist() == [-1, -1]
    assert result.n_ties == 0
