"""Results: a small one that is made up, and that of a run in which four things are wrong."""

import logging
from logging.handlers import MemoryHandler
from pathlib import Path

import pytest
from four_faults import four_faults
from made_up import make_result

from jwst_mosaic_skymatch.step import PixelSkyMatchStep


@pytest.fixture(scope="session")
def result():
    return make_result()


@pytest.fixture(scope="session")
def faulty(tmp_path_factory):
    """Match the mosaic with four faults once; its result, what the log said, and its files."""
    directory: Path = tmp_path_factory.mktemp("faulty")
    log = logging.getLogger("stpipe.pixel_skymatch")
    handler = MemoryHandler(10**6, logging.CRITICAL)
    step = PixelSkyMatchStep(save_diagnostics=True, output_dir=str(directory))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "handlers", [handler])
        log.setLevel(logging.INFO)  # this clears what the logger remembers of its parents
        step.run(four_faults())
        log.setLevel(logging.NOTSET)
    return step.result, [record.getMessage() for record in handler.buffer], directory
