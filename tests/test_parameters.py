"""Parameters of unknown values, or that contradict each other, are refused before any work."""

import pytest
from helpers import run
from stpipe.config_parser import ValidationError

from jwst_mosaic_skymatch import PixelSkyMatchImage3Pipeline, PixelSkyMatchStep
from jwst_mosaic_skymatch.parameters import REPLACED, check_combination, workers_of


def check(**parameters):
    return check_combination(PixelSkyMatchStep().get_pars() | parameters)


def test_parameters_of_the_prototype():
    """Those that change nothing are accepted by every way in, also as text."""
    assert not check(weight="True")
    assert PixelSkyMatchStep(grouping=None).get_pars()["grouping"] is None
    pipeline = PixelSkyMatchImage3Pipeline(steps={"skymatch": {"grouping": None}})
    assert pipeline.skymatch.grouping is None


@pytest.mark.parametrize(("parameter", "value"), [("skymethod", "best"), ("edge_trim", -1)])
def test_unknown_values(small, parameter, value):
    with pytest.raises(ValidationError, match=parameter):
        run(small.association, **{parameter: value})
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


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"lower": 2.0, "upper": 2.0}, "lower=2.0 is not below upper=2.0"),
        ({"background": "plane"}, "subtract=True"),
        ({"background": "plane", "subtract": True, "reference": "t.ecsv"}, "give one of them"),
        ({"background": "plane_per_exposure"}, "subtract=True"),
        ({"grouping": "night"}, "neither of visit, exposure, none nor an attribute"),
    ],
)
def test_contradictions(parameters, message):
    with pytest.raises(ValueError, match=message):
        check(**parameters)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"skymethod": "local", "background": "plane"}, "background=plane has no effect"),
        ({"skymethod": "global+match", "reference": "a"}, "reference=a has no effect"),
        ({"skymethod": "global", "reference": "t.ecsv"}, "reference=t.ecsv has no effect"),
    ],
)
def test_what_has_no_effect_is_said(parameters, said):
    (line,) = check(**parameters)
    assert line.startswith(said)


@pytest.mark.parametrize("name", REPLACED)
def test_replaced_parameters_are_refused_with_the_new_name(name):
    step = PixelSkyMatchStep(**{name: "another value"})
    with pytest.raises(ValueError, match=f"{name} is no parameter.*{REPLACED[name][1]}"):
        step.run("no_such_asn.json")


@pytest.mark.parametrize(
    ("given", "skymethod", "expected"),
    [
        ("half", "match", "half"),
        (2, "global+match", "2"),
        ("tcp://host:8786", "match", "tcp://host:8786"),
        ("half", "local", "1"),
    ],
)
def test_cores_or_a_scheduler(given, skymethod, expected):
    parameters = {"maximum_cores": given, "skymethod": skymethod}
    assert workers_of(parameters) == expected
