"""Fixtures shared by all tests."""

import os

import pytest

from jwst_mosaic_simulation import simulate_mosaic, stephans_quintet


@pytest.fixture(autouse=True)
def _no_crds(monkeypatch):
    """Run as on a machine without network and CRDS set-up."""
    for name in list(os.environ):
        if name.startswith("CRDS_") or name == "STPIPE_DISABLE_CRDS_STEPPARS":
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def mosaic_scene():
    """Eight exposures of four visits, with masked strips and cosmic rays."""
    return stephans_quintet(n=8, binning=8, seed=11)


@pytest.fixture(scope="session")
def mosaic(mosaic_scene, tmp_path_factory):
    """Simulate `mosaic_scene` to files, which must stay untouched."""
    return simulate_mosaic(mosaic_scene, tmp_path_factory.mktemp("mosaic"))
