"""Results: a small one that is made up, and that of a run in which four things are wrong."""

import logging
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
    records = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())
    log = logging.getLogger("stpipe.pixel_skymatch")
    log.addHandler(handler)
    before = log.level
    log.setLevel(logging.INFO)
    step = PixelSkyMatchStep(save_diagnostics=True, output_dir=str(directory))
    try:
        step.run(four_faults())
    finally:
        log.removeHandler(handler)
        log.setLevel(before)
    return step.result, records, directory
