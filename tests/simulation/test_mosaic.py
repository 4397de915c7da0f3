"""All exposures of a scene, as models and as files."""

import json
from dataclasses import replace

import pytest
from jwst.datamodels import ModelLibrary
from numpy.testing import assert_allclose, assert_array_equal
from stdatamodels.jwst.datamodels import ImageModel

from jwst_mosaic_simulation import (
    nircam_mosaic,
    simulate_exposure,
    simulate_models,
    simulate_mosaic,
)


@pytest.fixture(scope="module")
def written(dithered, tmp_path_factory):
    """The scene's files in a directory that did not exist."""
    directory = tmp_path_factory.mktemp("mosaic") / "new"
    scene = replace(dithered, name="tiny")
    return simulate_mosaic(scene, directory)


def test_association(written):
    assert written.association.name == "tiny_asn.json"
    (product,) = json.loads(written.association.read_text())["products"]
    assert product["name"] == "tiny"
    assert [m["expname"] for m in product["members"]] == [path.name for path in written.files]


def test_files_hold_the_exposures(written, dithered):
    expected = simulate_exposure(dithered, dithered.pointings[2])
    with ImageModel(written.files[2]) as model:
        for name in ("data", "dq", "err", "var_poisson", "var_rnoise", "var_flat"):
            assert_array_equal(getattr(model, name), getattr(expected, name))
        assert_allclose(model.meta.wcs(90, 60), expected.meta.wcs(90, 60), rtol=0, atol=1e-12)
        assert model.meta.wcsinfo.s_region == expected.meta.wcsinfo.s_region
        assert model.meta.filename == written.files[2].name


def test_jwst_groups_nircam_by_exposure():
    scene = nircam_mosaic(1, binning=64)
    # One detector of each module, in two exposures.
    scene = replace(scene, pointings=scene.pointings[3::4])
    library = ModelLibrary(simulate_models(scene))
    assert list(library.group_indices.values()) == [[0, 1], [2, 3]]
