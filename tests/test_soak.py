"""Many runs in one process: memory, open files and temporary files stay as they are."""

import gc
import os
import resource
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
# Whether a file is cut off in the pixels, and the parameters.
KINDS = [
    (False, {}),
    (True, {"in_memory": False}),
    (False, {"in_memory": False, "subtract": True, "grouping": "none"}),
    (False, {"save_diagnostics": True, "skymethod": "global+match"}),
    (True, {}),
]


def run(small, directory, is_cut, parameters):
    step = PixelSkyMatchStep(save_results=True, output_dir=str(directory / "out"), **parameters)
    inputs = [*small.files[1:], directory / "cut_cal.fits" if is_cut else small.files[0]]
    with pytest.raises(OSError, match="cannot be read") if is_cut else nullcontext():
        step.run(inputs)
    # After an error stpipe leaves its files to the garbage collector.
    del step
    gc.collect()


def open_files_and_large_objects():
    """Targets of all open files of this process, and the number of its large objects."""
    names = [os.readlink(p) for p in Path("/proc/self/fd").iterdir() if p.is_symlink()]
    names = sorted(name for name in names if not name.startswith("/proc"))
    return names, sum(isinstance(one, LARGE) for one in gc.get_objects())


def resident_mb():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def test_runs_leave_nothing(small, tmp_path, monkeypatch):
    """Neither in memory nor where a library on disk and others put temporary files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "cut_cal.fits").write_bytes(small.files[0].read_bytes()[:25_000])
    for kind in KINDS:  # schemas and imports are made once and kept
        run(small, tmp_path, *kind)
    before, memory = open_files_and_large_objects(), []
    for kind in [*KINDS, *KINDS[:2]]:
        run(small, tmp_path, *kind)
        memory.append(resident_mb())
    assert open_files_and_large_objects() == before
    assert {path.name for path in tmp_path.iterdir()} == {"cut_cal.fits", "out"}
    # A model and its WCS are a megabyte; of 20 that were kept hardly any would be seen here.
    assert memory[-1] - memory[0] < 20
