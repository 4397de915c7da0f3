"""Scenes shared by the tests of the simulator."""

from dataclasses import replace

import pytest

from jwst_mosaic_simulation import dithers


@pytest.fixture(scope="session")
def dithered():
    """Two visits of two dithers over a galaxy."""
    return dithers(2, binning=8, rolls=(40.0, 55.0))


@pytest.fixture(scope="session")
def clean(dithered):
    """The same without noise, cosmic rays and bad pixels."""
    return replace(
        dithered,
        noise=replace(dithered.noise, draw=False),
        cosmic_rays=None,
        detector=replace(dithered.detector, bad_fraction=0.0, hot_fraction=0.0),
    )
