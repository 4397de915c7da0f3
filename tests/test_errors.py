"""Uncertainties, closure, alignment check and tables."""

import logging
from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from helpers import make_tile, match_tiles, structured_sky

from jwst_mosaic_skymatch import PixelSkyMatchStep
from jwst_mosaic_skymatch.covariance import covariance_of_components, joint_normal_matrix
from jwst_mosaic_skymatch.noise import NoiseCurve
from jwst_mosaic_skymatch.simulation import (
    Imperfections,
    pointing_error,
    simulate_models,
    stephans_quintet,
)
from jwst_mosaic_skymatch.statistic import Statistic
from jwst_mosaic_skymatch.tasks import summarize


def match(tiles, labels):
    return match_tiles(tiles, labels, Statistic())


def smooth_sky(x, y):
    """One slope in each overlap, from which offset and displacement look alike."""
    return 10.0 * np.exp(-((x - 40.0) ** 2 + (y - 30.0) ** 2) / 800.0)


def mosaic_tiles(seed, sky, noise=0.1, n=7):
    """Make overlapping tiles in two visits; every seed has its own noise and no levels."""
    corners = np.random.default_rng(1).integers(0, 35, (n, 2))
    return [
        make_tile(int(x), int(y), (40, 40), noise=noise, seed=1000 * seed + k, sky=sky)
        for k, (x, y) in enumerate(corners)
    ]


@pytest.mark.parametrize(
    ("labels", "sky"),
    [
        ("aaaabbb", structured_sky),
        ("abcdefg", structured_sky),
        ("aaaaaaa", structured_sky),
        ("aaaabbb", smooth_sky),
        ("abcdefg", smooth_sky),
        ("aaaabbb", None),
    ],
)
def test_pulls_have_unit_width(labels, sky):
    """Errors must describe the scatter, also where in-group errors spread to groups."""
    results = [match(mosaic_tiles(seed, sky), labels) for seed in range(60)]
    pulls = np.array([r.levels / r.level_errors for r in results])
    assert 0.85 < pulls.std() < 1.15
    assert abs(pulls.mean()) < 0.1
    # Closure: many loops in all, so that the sum is well known.
    chi2, dof = np.sum([r.closure for r in results], axis=0)
    if labels == "abcdefg":
        assert 0.7 < chi2 / dof < 1.3


def test_errors_know_that_pairs_share_noise():
    """Seven exposures of one field: each level is known to sigma / sqrt(cells)."""
    tiles = [make_tile(0, 0, (50, 50), noise=0.1, seed=k) for k in range(7)]
    errors = match(tiles, "a" * 7).level_errors
    np.testing.assert_allclose(errors, 0.1 / 50 * np.sqrt(6 / 7), rtol=0.1)


@pytest.mark.parametrize(("x0", "tolerance"), [(4, 1e-5), (5, 0.03)])
def test_joint_normal_matrix_of_two_tiles(x0, tolerance):
    """Cells are taken two by two, which blurs an overlap's edge at an odd cell."""
    noise = NoiseCurve(np.array([0.0, 10.0]), np.array([4.0, 4.0]))
    first = replace(make_tile(0, 0, (10, 10)), noise=noise)
    second = replace(make_tile(x0, 0, (10, 10)), noise=noise)
    information = [summarize(tile).information for tile in (first, second)]
    normal = joint_normal_matrix(information, [1.0, 3.0]).toarray()
    # Common cells of inverse variance 1 and 1/3.
    information = 10 * (10 - x0) * (1.0 * (1 / 3)) / (1.0 + 1 / 3)
    np.testing.assert_allclose(normal, information * np.array([[1, -1], [-1, 1]]), rtol=tolerance)
    covariance = covariance_of_components(normal, np.zeros(2, dtype=int))
    np.testing.assert_allclose(covariance, np.linalg.pinv(normal), rtol=1e-5)


def test_spoiled_overlap_moves_no_level():
    """A patch of 20 sigma over half of one overlap, in a mosaic with loops."""
    corners = [(0, 0), (30, 0), (0, 30), (30, 30), (15, 15)]
    tiles = [
        make_tile(x, y, (40, 40), noise=0.1, seed=k, sky=structured_sky)
        for k, (x, y) in enumerate(corners)
    ]
    clean = match(tiles, "abcde")
    # The overlap of the first two, as far as the fifth does not cover it.
    tiles[0].data[:20, 30:] += 2.0
    spoiled = match(tiles, "abcde")
    assert np.all(np.abs(spoiled.levels - clean.levels) < 3 * clean.level_errors)


@pytest.fixture(scope="module")
def misaligned():
    """Run the step on exposures of which some lie beside their place."""
    scene = stephans_quintet(8, binning=4, seed=3, imperfections=Imperfections(pointing_rms=0.15))
    step = PixelSkyMatchStep()
    logger = logging.getLogger("stpipe.pixel_skymatch")
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    logger.addHandler(handler)
    try:
        step.run(simulate_models(scene))
    finally:
        logger.removeHandler(handler)
    return scene, step, [r.getMessage() for r in records if r.levelno >= logging.WARNING]


def test_displaced_exposures_are_named(misaligned):
    scene, step, warnings = misaligned
    table = step.levels_table
    found = np.stack([table["shift_ra"].to_value("arcsec"), table["shift_dec"].value], axis=1)
    truth = np.array([-pointing_error(scene, p) for p in scene.pointings])
    error = (found - found.mean(axis=0)) - (truth - truth.mean(axis=0))
    assert np.sqrt(np.mean(error**2)) < 0.1 * 0.15
    (warning,) = [w for w in warnings if "tweakreg" in w]
    far = np.hypot(*(truth - truth.mean(axis=0)).T) > 0.15 * 4 * 0.11
    for name in np.asarray(table["filename"])[far]:
        assert name in warning


def test_tables(misaligned):
    scene, step, _ = misaligned
    levels, pairs = step.levels_table, step.pairs_table
    assert len(levels) == 8
    assert levels["level"].unit == levels["level_error"].unit == u.Unit("MJy/sr")
    assert levels["shift_ra"].unit == u.arcsec
    assert set(levels["status"]) == {"COMPLETE"}
    assert np.all(levels["n_pairs"] >= 1)
    assert set(levels["visit_id"]) == {p.visit_id for p in scene.pointings}
    assert set(pairs["stage"]) == {"in-group", "between groups"}
    assert np.all(pairs["used"])
    assert pairs["weight"].unit == u.Unit("MJy/sr") ** -2
    inside = pairs[pairs["stage"] == "in-group"]
    assert set(inside["first"]) | set(inside["second"]) == set(levels["filename"])


def test_saved_tables(mosaic, tmp_path):
    PixelSkyMatchStep.call(
        str(mosaic.association),
        save_diagnostics=True,
        output_dir=str(tmp_path),
        configure_log=False,
    )
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {
        "stephans-quintet_skymatch_levels.ecsv",
        "stephans-quintet_skymatch_pairs.ecsv",
    }
    levels = QTable.read(tmp_path / "stephans-quintet_skymatch_levels.ecsv")
    truth = np.array([mosaic.levels[name[:-9]] for name in levels["filename"]])
    error = levels["level"].value - truth
    assert np.all(np.abs(error - error.mean()) < 6 * levels["level_error"].value)
    assert levels.meta["dof"] > 0
    pairs = QTable.read(tmp_path / "stephans-quintet_skymatch_pairs.ecsv")
    assert np.all(pairs["offset_error"] > 0 * u.MJy / u.sr)


def test_errors_do_not_need_quoted_ones():
    """Without ERR the scatter of the differences gives the same errors."""
    models = simulate_models(stephans_quintet(4, binning=8, seed=5))
    with_errors, without = PixelSkyMatchStep(), PixelSkyMatchStep()
    with_errors.run([m.copy() for m in models])
    for model in models:
        model.err = np.zeros_like(model.data)
    without.run(models)
    ratio = without.levels_table["level_error"] / with_errors.levels_table["level_error"]
    np.testing.assert_allclose(ratio.value, 1.0, atol=0.25)


def test_shifts_can_be_turned_off(mosaic):
    step = PixelSkyMatchStep(fit_shift=False)
    step.run(str(mosaic.association))
    assert np.isnan(step.levels_table["shift_ra"].value).all()
    assert np.isfinite(step.levels_table["level_error"].value).all()
