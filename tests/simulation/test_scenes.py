"""Scenes, and the pointings and levels that they are composed of."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import wcs_of
from numpy.testing import assert_allclose

import jwst_mosaic_simulation as sim
from jwst_mosaic_simulation import Pointing, draw_levels, offset_pointing


@pytest.mark.parametrize(
    ("make", "filter_name", "n_exposures", "n_visits"),
    [
        (sim.stephans_quintet, "F770W", 32, 4),
        (sim.ngc628, "F1000W", 20, 5),
        (sim.thirty_doradus, "F1280W", 20, 2),
        (sim.dithers, "F770W", 4, 1),
        (sim.nircam_mosaic, "F200W", 32, 2),
        (sim.two_by_three, "F770W", 6, 6),
    ],
)
def test_ready_made_scene(make, filter_name, n_exposures, n_visits):
    scene = make(binning=16, seed=4)
    assert (scene.filter_name, scene.seed, scene.detector.binning) == (filter_name, 4, 16)
    assert len({p.rootname for p in scene.pointings}) == n_exposures
    assert len({p.visit_id for p in scene.pointings}) == n_visits


def test_scene_refuses_missing_levels_and_doubles(dithered):
    with pytest.raises(ValueError, match="no level for jw09999001001_02101_00001_mirimage"):
        replace(dithered, levels={})
    with pytest.raises(ValueError, match="two pointings have the same rootname"):
        replace(dithered, pointings=dithered.pointings[:1] * 2)


# --- Pointings ---------------------------------------------------------------


def test_offset_pointing_moves_the_field_along_the_detector():
    start = Pointing(150.0, 60.0, 33.0)
    there = offset_pointing(start, 300 * 0.1105, 0.0, exposure="00002")
    x, y = wcs_of(start).invert(there.ra_ref, there.dec_ref)
    # Distortion turns the columns a little from the ideal axis.
    assert_allclose((x - 692.5, y - 511.5), (300, 0), atol=4)
    back = offset_pointing(there, -300 * 0.1105, 0.0, exposure="00001")
    assert_allclose((back.ra_ref, back.dec_ref, back.roll_ref), (150.0, 60.0, 33.0), atol=1e-6)


# --- Levels ------------------------------------------------------------------


def test_levels_do_not_depend_on_the_other_exposures():
    pointings = sim.stephans_quintet(binning=16).pointings
    assert draw_levels(pointings[7:9], 3).items() <= draw_levels(pointings, 3).items()


def test_levels_have_the_scatter():
    pointings = [
        Pointing(150.0, 2.2, observation=f"{k // 40:03d}", exposure=f"{k % 40:05d}")
        for k in range(1600)
    ]
    levels = draw_levels(pointings, 3, visit_scatter=5.0, exposure_scatter=0.05)
    levels = np.reshape([*levels.values()], (40, 40))
    assert levels.mean(axis=1).std() == pytest.approx(5.0, rel=0.25)
    assert levels.std(axis=1).mean() == pytest.approx(0.05, rel=0.1)


def test_detectors_of_an_exposure_share_its_level():
    pointings = [Pointing(53.1, -27.8, aperture=f"NRC{detector}_FULL") for detector in ("A1", "B5")]
    first, second = draw_levels(pointings).values()
    assert first == second
    first, second = draw_levels(pointings, detector_scatter=0.1).values()
    assert first != second
