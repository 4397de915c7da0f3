"""Models that are borrowed, and footprints."""

import numpy as np
import pytest
from jwst.datamodels import ModelLibrary
from stdatamodels.jwst.datamodels import open as open_model

from jwst_mosaic_skymatch.exposures.metadata import Exposure
from jwst_mosaic_skymatch.exposures.models import (
    borrowed,
    check_model,
    each_model,
    read_footprint,
    wcs_footprint,
)


@pytest.fixture
def library(mosaic, tmp_path, monkeypatch):
    """A library on disk."""
    monkeypatch.chdir(tmp_path)
    return ModelLibrary(mosaic.association, on_disk=True)


@pytest.fixture
def exposures(mosaic):
    return [Exposure(index, path.name) for index, path in enumerate(mosaic.files)]


def test_model_goes_back_after_an_error(library):
    with library:
        with pytest.raises(ZeroDivisionError), borrowed(library, 3):
            1 / 0  # noqa: B018
        with borrowed(library, 3):
            pass


def test_each_model_in_the_order_asked_for(library, exposures):
    wanted = exposures[:4][::-1]
    actual = each_model(library, wanted, lambda exposure, model: model.meta.filename)
    assert actual == [exposure.filename for exposure in wanted]


def test_footprints_from_header_and_wcs(mosaic):
    with open_model(mosaic.files[0]) as model:
        check_model(model, model.meta.filename)
        shape = model.data.shape
        corners = wcs_footprint(model.meta.wcs, shape)
        header = read_footprint(model.meta.wcsinfo.s_region)
    # Of S_REGION the order of the corners is not that of the pixels.
    nearest = np.linalg.norm(corners[:, None] - header, axis=2).min(axis=1)
    assert corners.shape == header.shape == (4, 2)
    assert nearest.max() < 1.0 / 3600
