"""jwst's own tests of ``SkyMatchStep``, run on ours.

They are imported from the jwst that is installed. Three names in that module are replaced: the
step; ``AssignWcsStep``, which would fetch reference files, by the distortion of the same detector
in this package; and a fixture of jwst's own ``conftest.py``.
"""

import pytest
from helpers import FromSiaf
from jwst.skymatch.tests import test_skymatch as peer

from jwst_mosaic_skymatch import PixelSkyMatchStep

# Pytest takes tests and fixtures from this module's names.
globals().update({name: thing for name, thing in vars(peer).items() if name.startswith("test_")})
nircam_rate = peer.nircam_rate


class ByExposure(PixelSkyMatchStep):
    """With the stock step's groups: one level for all detectors of an exposure."""

    spec = "grouping = option('visit', 'exposure', 'none', default='exposure')"


@pytest.fixture(autouse=True)
def _ours(monkeypatch):
    monkeypatch.setattr(peer, "SkyMatchStep", ByExposure)
    monkeypatch.setattr(peer, "AssignWcsStep", FromSiaf)


@pytest.fixture
def tmp_cwd(tmp_path, monkeypatch):
    """Work in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
