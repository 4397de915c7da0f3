"""Fixtures shared by all tests."""

import shutil

import pytest
from helpers import read_levels

from jwst_mosaic_simulation import dithers, simulate_mosaic, stephans_quintet
from jwst_mosaic_skymatch import PixelSkyMatchStep


@pytest.fixture(autouse=True)
def _no_crds(monkeypatch):
    """Run as on a machine without network and CRDS set-up."""
    # Importing crds sets others, such as CRDS_CONFIG_URI.
    names = "CRDS_PATH CRDS_MAPPATH CRDS_REFPATH CRDS_CFGPATH CRDS_SERVER_URL CRDS_CONTEXT"
    for name in f"{names} CRDS_OBSERVATORY STPIPE_DISABLE_CRDS_STEPPARS".split():
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def mosaic_scene():
    """Eight exposures of four visits, with masked strips and cosmic rays."""
    return stephans_quintet(n=8, binning=8, seed=11)


@pytest.fixture(scope="session")
def mosaic(mosaic_scene, tmp_path_factory):
    """Simulate `mosaic_scene` to files, which must stay untouched."""
    return simulate_mosaic(mosaic_scene, tmp_path_factory.mktemp("mosaic"))


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Simulate two visits of two exposures, the smallest mosaic with loops."""
    scene = dithers(2, rolls=(40.0, 75.0), binning=16, seed=5)
    return simulate_mosaic(scene, tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def small_levels(small):
    """Levels of `small`, as the step finds them with its defaults."""
    return read_levels(PixelSkyMatchStep().run(str(small.association)))


@pytest.fixture(scope="module")
def browser():
    """Start Debian's Chromium, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
