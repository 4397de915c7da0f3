"""Parameters that contradict each other are refused before any work."""

import pytest

from jwst_mosaic_skymatch import PixelSkyMatchImage3Pipeline, PixelSkyMatchStep
from jwst_mosaic_skymatch.parameters import check_combination


def check(**parameters):
    return check_combination(PixelSkyMatchStep().get_pars() | parameters)


def test_grouping_of_the_prototype():
    """None, as scripts for the prototype of 2023 have it, is the grouping with that name."""
    assert PixelSkyMatchStep(grouping=None).grouping == "none"
    step = PixelSkyMatchStep()
    step.grouping = None
    assert step.grouping == "none"
    pipeline = PixelSkyMatchImage3Pipeline(steps={"skymatch": {"grouping": None}})
    assert pipeline.skymatch.grouping == "none"


def test_defaults_go_together():
    assert check() == []


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"lower": 2.0, "upper": 2.0}, "lower=2.0 is not below upper=2.0"),
        ({"background": "plane"}, "subtract=True"),
        ({"background": "plane", "subtract": True, "fixed": "t.ecsv"}, "give one of them"),
        ({"reference": "a", "fixed": "t.ecsv"}, "both fix the zero point"),
    ],
)
def test_contradictions(parameters, message):
    with pytest.raises(ValueError, match=message):
        check(**parameters)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"skymethod": "local", "background": "plane"}, "background=plane has no effect"),
        ({"skymethod": "global+match", "reference": "a"}, "reference has no effect"),
        ({"skymethod": "global", "fixed": "t.ecsv"}, "fixed has no effect"),
    ],
)
def test_what_has_no_effect_is_said(parameters, said):
    (line,) = check(**parameters)
    assert line.startswith(said)
