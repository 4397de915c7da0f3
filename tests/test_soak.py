"""Many runs in one process: memory, open files and temporary files stay as they are."""

import gc
import json
import os
import resource
import shutil
import tempfile
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from gwcs import WCS
from stdatamodels.jwst.datamodels import JwstDataModel
from stdatamodels.jwst.datamodels import open as open_model

from jwst_mosaic_simulation import dithers, simulate_mosaic
from jwst_mosaic_skymatch import PixelSkyMatchStep
from jwst_mosaic_skymatch.tiles.tile import Tile

# The kernel's count of open files, and of pages.
pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc"),
    # The FITS readers warn about the file that is cut off before they fail.
    pytest.mark.filterwarnings("ignore:File may have been truncated"),
]

# What a run holds most of: thousands of small objects to a model and its WCS.
LARGE = (JwstDataModel, WCS, Tile)


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Simulate three exposures, and damage copies of the second; all temporary files are ours."""
    simulation = simulate_mosaic(dithers(3, binning=16, seed=2), tmp_path / "whole")
    association = json.loads(simulation.association.read_text())
    for name in ("missing", "cut", "without_wcs"):
        shutil.copytree(tmp_path / "whole", tmp_path / name)
    for name in ("whole", "missing", "cut", "without_wcs"):
        (tmp_path / name / "asn.json").write_text(json.dumps(association))
    second = simulation.files[1].name
    (tmp_path / "missing" / second).unlink()
    path = tmp_path / "cut" / second
    # Inside the pixels, so that the step finds out when it reads them.
    path.write_bytes(path.read_bytes()[:25_000])
    with open_model(tmp_path / "without_wcs" / second) as model:
        model.meta.wcs = None
        model.save(model.meta.filename, dir_path=str(tmp_path / "without_wcs"))
    for name in ("here", "temporary"):
        (tmp_path / name).mkdir()
    # A library on disk puts its files into the working directory.
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path


def cycle(work):
    """Give inputs, parameters and expected errors of the kinds of runs, in turn."""
    save = {"save_results": True, "save_diagnostics": True, "output_dir": str(work / "out")}
    return [
        ("whole", {}, None),
        ("cut", {"in_memory": False}, OSError),
        ("whole", {"in_memory": False, "subtract": True, "grouping": "none"}, None),
        ("missing", {}, FileNotFoundError),
        ("whole", {"skymethod": "global+match", **save}, None),
        ("without_wcs", {"in_memory": False}, ValueError),
        ("cut", {}, OSError),
        ("whole", {"in_memory": False, "skymethod": "local", **save}, None),
    ]


def run(work, directory, parameters, error):
    with pytest.raises(error) if error else nullcontext():
        PixelSkyMatchStep(**parameters).run(str(work / directory / "asn.json"))


def temporary_files(work):
    return sorted(p.name for name in ("here", "temporary") for p in (work / name).rglob("*"))


def open_files():
    """Give what all open files of this process are."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            found.append(os.readlink(descriptor))
        except FileNotFoundError:  # that of the directory itself
            continue
    return sorted(found)


def large_objects():
    return sum(isinstance(found, LARGE) for found in gc.get_objects())


def resident_mb():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def soak(work, n):
    """Run so many times; give open files and large objects before and after, memory after each."""
    kinds = cycle(work)
    for kind in kinds:  # what is made once and kept: schemas, imports
        run(work, *kind)
    gc.collect()
    before, memory = (open_files(), large_objects()), []
    for number in range(n):
        run(work, *kinds[number % len(kinds)])
        # After an error stpipe leaves its files to the garbage collector.
        gc.collect()
        assert temporary_files(work) == []
        memory.append(resident_mb())
    return before, (open_files(), large_objects()), np.array(memory)


@pytest.mark.slow
def test_runs_leave_nothing(work):
    before, after, memory = soak(work, 8)
    assert after == before
    # A model and its WCS are a megabyte; of 24 that were kept hardly any would be seen here.
    assert memory[-1] - memory[0] < 20
