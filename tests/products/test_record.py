"""Levels that go into models and into the log."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from jwst.datamodels import ModelLibrary
from stdatamodels.jwst.datamodels import open as open_model

from jwst_mosaic_skymatch import __version__
from jwst_mosaic_skymatch.absolute import unmatched
from jwst_mosaic_skymatch.exposures.metadata import Exposure
from jwst_mosaic_skymatch.exposures.models import each_model
from jwst_mosaic_skymatch.products.record import record_levels

REASONS = ("", "", "no good pixel")
LEVELS = np.array([0.25, 1.0, np.nan])


@pytest.fixture
def exposures():
    """Three exposures, of which the first has been through a run."""
    first = Exposure(0, "0_cal.fits", level=0.5, subtracted=True)
    return [first, *(Exposure(k, f"{k}_cal.fits") for k in (1, 2))]


@pytest.fixture
def library(mosaic, exposures):
    models = [open_model(path) for path in mosaic.files[: len(exposures)]]
    for model in models:
        model.data[...] = 10.0
    yield ModelLibrary(models)
    for model in models:
        model.close()


@pytest.mark.parametrize(
    ("subtract", "levels", "data"),
    [(True, [0.75, 1.0, None], [9.75, 9.0, 10.0]), (False, [0.25, 1.0, None], [10.0] * 3)],
)
def test_levels_that_are_subtracted_add_up(library, exposures, subtract, levels, data, tmp_path):
    if not subtract:
        exposures[0] = replace(exposures[0], subtracted=False)
    match = unmatched(LEVELS, REASONS)
    match = replace(match, levels=replace(match.levels, errors=np.array([0.1, 0.2, np.nan])))
    record_levels(library, exposures, match, LEVELS, method="match", subtract=subtract)

    def read(exposure, model):
        background = model.meta.background
        details = model.meta.pixel_skymatch.instance
        assert (details["version"], details["remark"]) == (__version__, REASONS[exposure.index])
        expected = match.levels.errors[exposure.index]
        assert details["level_error"] == pytest.approx(expected, nan_ok=True)
        if background.level is not None:
            assert (background.subtracted, background.method) == (subtract, "match")
        model.save(tmp_path / exposure.filename)
        return background.level, model.meta.cal_step.skymatch, model.data[3, 4]

    actual = each_model(library, exposures, read)
    statuses = ["COMPLETE", "COMPLETE", "SKIPPED"]
    assert actual == list(zip(levels, statuses, data, strict=True))
    header = repr(fits.getheader(tmp_path / "0_cal.fits"))
    assert f"HISTORY Sky level (match) by jwst-mosaic-skymatch {__version__}" in header


PLANE = {"degree": [1, 1], "refpoint": [3.0, 4.0], "coefficients": [0.5, 0.1, 0.2, 0.0]}


@pytest.mark.parametrize(
    ("k", "subtracted", "expected"),
    [
        (1, None, (1.0, True, 0, "match")),  # its level and plane were added back
        (1, True, (1.5, True, 1, "match")),
        (2, False, (None, None, 0, None)),
        (2, True, (0.5, True, 1, "match")),
    ],
)
def test_record_of_an_earlier_run(library, exposures, k, subtracted, expected):
    """It stays only if what it records is gone from the data."""
    exposures[k] = replace(exposures[k], level=0.5 if subtracted else None, subtracted=subtracted)

    def set_record(_, model):
        background = model.meta.background
        background.level, background.subtracted = 0.5, subtracted
        background.method, background.polynomial_info = "match", [PLANE]

    def read(_, model):
        background = model.meta.background
        planes = len(background.polynomial_info)
        return background.level, background.subtracted, planes, background.method

    each_model(library, exposures[k : k + 1], set_record)
    match = unmatched(LEVELS, REASONS)
    record_levels(library, exposures, match, LEVELS, method="match", subtract=True)
    assert each_model(library, exposures[k : k + 1], read) == [expected]
