"""What goes into models and into the log."""

from dataclasses import replace

import numpy as np
import pytest

from jwst_mosaic_skymatch.members import Member
from jwst_mosaic_skymatch.recording import level_lines, recorded_level


@pytest.fixture
def member():
    fields = dict.fromkeys(Member.__dataclass_fields__)
    return Member(**{**fields, "index": 0, "filename": "first_cal.fits", "level": 0.5})


def test_levels_that_are_subtracted_add_up(member):
    assert recorded_level(member, 0.25, subtract=True) == 0.75
    assert recorded_level(member, 0.25, subtract=False) == 0.25
    assert recorded_level(replace(member, level=None), 0.25, subtract=True) == 0.25


def test_few_levels_are_listed_and_many_summed_up(member):
    lines = level_lines([member, member], np.array([0.25, np.nan]), subtract=False)
    assert lines == ["first_cal.fits: sky level 0.25"]
    many = [replace(member, filename=f"{k}_cal.fits") for k in range(2000)]
    (line,) = level_lines(many, np.arange(2000.0), subtract=True)
    assert "2000 exposures, from 0.5 to 1999.5;" in line
    assert level_lines([], np.array([]), subtract=True) == []
