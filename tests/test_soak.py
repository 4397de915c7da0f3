"""Many runs in one process: memory, open files and temporary files stay as they are."""

import gc
import os
import resource
import shutil
import tempfile
from contextlib import nullcontext
from pathlib import Path

import pytest
from gwcs import WCS
from stdatamodels.jwst.datamodels import JwstDataModel

from jwst_mosaic_skymatch import PixelSkyMatchStep
from jwst_mosaic_skymatch.tiles.tile import Tile

pytestmark = [
    pytest.mark.slow,
    # The kernel's count of open files, and of pages.
    pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc"),
    # The FITS readers warn about the file that is cut off before they fail.
    pytest.mark.filterwarnings("ignore:File may have been truncated"),
]

# Most of the memory of a run: thousands of small objects to a model and its WCS.
LARGE = (JwstDataModel, WCS, Tile)
# Inputs, parameters and expected errors of the kinds of runs, in turn.
KINDS = [
    ("whole", {}, None),
    ("cut", {"in_memory": False}, OSError),
    ("whole", {"in_memory": False, "subtract": True, "grouping": "none"}, None),
    ("missing", {}, FileNotFoundError),
    ("whole", {"save_diagnostics": True, "skymethod": "global+match"}, None),
    ("cut", {}, OSError),
]


@pytest.fixture
def work(small, tmp_path, monkeypatch):
    """Copy the exposures, and damage copies of the second; all temporary files are ours."""
    for name in ("whole", "missing", "cut"):
        shutil.copytree(small.association.parent, tmp_path / name)
        (tmp_path / name / small.association.name).rename(tmp_path / name / "asn.json")
    second = small.files[1].name
    (tmp_path / "missing" / second).unlink()
    # Inside the pixels, so that the step fails when it reads them.
    os.truncate(tmp_path / "cut" / second, 25_000)
    for name in ("here", "temporary"):
        (tmp_path / name).mkdir()
    # A library on disk puts its files into the working directory.
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path


def run(work, name, parameters, error):
    step = PixelSkyMatchStep(save_results=True, output_dir=str(work / "out"), **parameters)
    with pytest.raises(error) if error else nullcontext():
        step.run(str(work / name / "asn.json"))
    # After an error stpipe leaves its files to the garbage collector.
    del step
    gc.collect()
    assert [p for name in ("here", "temporary") for p in (work / name).rglob("*")] == []


def open_files_and_large_objects():
    """Targets of all open files of this process, and the number of its large objects."""
    names = [os.readlink(p) for p in Path("/proc/self/fd").iterdir() if p.is_symlink()]
    names = sorted(name for name in names if not name.startswith("/proc"))
    return names, sum(isinstance(one, LARGE) for one in gc.get_objects())


def resident_mb():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def test_runs_leave_nothing(work):
    for kind in KINDS:  # schemas and imports are made once and kept
        run(work, *kind)
    before, memory = open_files_and_large_objects(), []
    for kind in [*KINDS, *KINDS[:2]]:
        run(work, *kind)
        memory.append(resident_mb())
    assert open_files_and_large_objects() == before
    # A model and its WCS are a megabyte; of 24 that were kept hardly any would be seen here.
    assert memory[-1] - memory[0] < 20
