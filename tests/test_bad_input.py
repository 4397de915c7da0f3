"""Errors of parameters, libraries and models; those of files are in test_faults."""

import pytest
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


@pytest.mark.parametrize(
    ("inputs", "error", "words"),
    [(3, TypeError, "cannot match int: give an association"), ([], ValueError, "no science")],
)
def test_inputs_that_are_none(inputs, error, words):
    with pytest.raises(error, match=words):
        PixelSkyMatchStep().run(inputs)
