"""Fixtures shared by all tests."""

import os

import pytest


@pytest.fixture(autouse=True)
def _no_crds(monkeypatch):
    """Run as on a machine without network and CRDS set-up."""
    for name in list(os.environ):
        if name.startswith("CRDS_") or name == "STPIPE_DISABLE_CRDS_STEPPARS":
            monkeypatch.delenv(name)
