"""The fault table: whatever is wrong, the step says so or copes, and leaves nothing behind.

Each row breaks something of a small mosaic, mostly in its middle exposure, and states what
follows: one clear error, the exposure SKIPPED and named while the others are right, or right
levels throughout. After each, inputs are untouched, and beside them is nothing but whole outputs.
"""

import shutil
import tempfile
from functools import partial

import pytest
from faults.in_exposures import METADATA, PIXELS, WCS
from faults.in_files import ASSOCIATIONS, FILES
from faults.in_surroundings import PARAMETERS, SYSTEM
from faults.mosaic import CHOSEN, Work

from jwst_mosaic_skymatch import PixelSkyMatchImage3Pipeline, PixelSkyMatchStep

# The FITS readers warn about a broken file before they fail, jwst of paths in an association.
pytestmark = [
    pytest.mark.filterwarnings("ignore:File may have been truncated"),
    pytest.mark.filterwarnings("ignore:Error validating header"),
    pytest.mark.filterwarnings("ignore:Input association file contains path information"),
]
FAMILIES = {
    "files": FILES,
    "associations": ASSOCIATIONS,
    "pixels": PIXELS,
    "WCS": WCS,
    "metadata": METADATA,
    "parameters": PARAMETERS,
    "system": SYSTEM,
}


@pytest.fixture
def work(mosaic, mosaic_scene, tmp_path, monkeypatch, request):
    """Copy three of the simulated exposures, and run in a directory of one's own."""
    for name in ("in", "out", "cwd", "tmp"):
        (tmp_path / name).mkdir()
    work = Work(tmp_path, dict(mosaic.levels), mosaic_scene, request)
    files = [mosaic.files[k] for k in CHOSEN]
    for path in files:
        shutil.copy(path, tmp_path / "in")
    work.associate(path.name for path in files)
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return work


@pytest.mark.parametrize(
    ("family", "name"), [(family, name) for family, rows in FAMILIES.items() for name in rows]
)
def test_fault(work, caplog, family, name):
    prepare, result, *parameters = FAMILIES[family][name]
    broken = prepare(work) or ""

    def run():
        step = PixelSkyMatchStep(
            **{"save_results": True, "output_dir": str(work.out), **dict(*parameters)}
        )
        step.run(str(work.association))
        return step

    result.check(work, broken, run, caplog)


@pytest.mark.parametrize("start", ["call", "run", "call of the step"])
@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("files", "cut in the pixels"),
        ("files", "missing"),
        ("associations", "no JSON"),
        ("associations", "background only"),
    ],
)
def test_files_are_checked_before_jwst_reads_them(work, caplog, start, family, name):
    """Stock ones end with a KeyError or IndexError, which names no file."""
    prepare, result = FAMILIES[family][name]
    broken = prepare(work)
    run = {
        "call": partial(PixelSkyMatchImage3Pipeline.call, configure_log=False),
        "run": PixelSkyMatchImage3Pipeline().run,
        "call of the step": partial(PixelSkyMatchStep.call, configure_log=False),
    }[start]
    result.check(work, broken, lambda: run(work.association), caplog)
