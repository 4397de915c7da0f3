"""Background levels, drawn or measured."""

import numpy as np
import pytest

from jwst_mosaic_simulation import Pointing, draw_levels, stephans_quintet


def test_levels_do_not_depend_on_the_other_exposures():
    pointings = stephans_quintet(binning=16).pointings
    assert draw_levels(pointings[7:9], 3).items() <= draw_levels(pointings, 3).items()
    assert draw_levels(pointings, 3) != draw_levels(pointings, 4)


def test_levels_have_the_scatter():
    numbers = [f"{k:05d}" for k in range(40)]
    pointings = [
        Pointing(150.0, 2.2, observation=visit[2:], exposure=exposure)
        for visit in numbers
        for exposure in numbers
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
