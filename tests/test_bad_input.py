"""Errors of parameters, libraries and models; those of files are in test_faults."""

import pytest
from jwst.datamodels import ModelLibrary
from stdatamodels.jwst.datamodels import ImageModel
from stpipe.config_parser import ValidationError

from jwst_mosaic_skymatch import PixelSkyMatchStep


def run(inputs, out, **parameters):
    return PixelSkyMatchStep(save_results=True, output_dir=str(out), **parameters).run(inputs)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("skymethod", "best"),
        ("skystat", "average"),
        ("pixel_scale_ratio", 0.0),
        ("edge_trim", -1),
        ("miri_lyot", "drop"),
        ("offset_stat", "mode"),
    ],
)
def test_unknown_values(small, parameter, value):
    with pytest.raises(ValidationError, match=parameter):
        PixelSkyMatchStep.call(small.association, configure_log=False, **{parameter: value})
    step = PixelSkyMatchStep()
    setattr(step, parameter, value)
    with pytest.raises(ValidationError, match=parameter):
        step.run(small.association)


def test_library_keeps_its_models_after_an_error(small):
    library = ModelLibrary(str(small.association))
    with library:
        model = library.borrow(2)
        model.meta.wcs = None
        library.shelve(model, 2)
    with pytest.raises(ValueError, match="assign_wcs"):
        PixelSkyMatchStep().run(library)
    with library:
        for k in range(4):
            model = library.borrow(k)
            assert isinstance(model, ImageModel)
            assert model.meta.background.level is None
            library.shelve(model, k, modify=False)


def test_library_does_not_overwrite_its_files(small, tmp_path):
    run(str(small.association), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    library = ModelLibrary(str(next(tmp_path.glob("*_asn.json"))), on_disk=True)
    with pytest.raises(ValueError, match="is an input, which the output would overwrite"):
        run(library, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("inputs", "error", "words"),
    [(3, TypeError, "cannot match int: give an association"), ([], ValueError, "no science")],
)
def test_inputs_that_are_none(inputs, error, words):
    with pytest.raises(error, match=words):
        PixelSkyMatchStep().run(inputs)
