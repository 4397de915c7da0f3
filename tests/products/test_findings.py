"""How findings name exposures."""

import pytest

from jwst_mosaic_skymatch.exposures.metadata import Exposure
from jwst_mosaic_skymatch.products.findings import Finding, name_members

EXPOSURES = [
    Exposure(k, f"{k}_cal.fits", visit_id=visit)
    for k, visit in enumerate(["1", "1", "2", "2", "3", None])
]


@pytest.mark.parametrize(
    ("positions", "text"),
    [
        ([0, 1], "visit 1"),
        ([0, 1, 3, 2], "visits 1, 2"),
        ([0], "0_cal.fits"),
        ([4, 5], "4_cal.fits, 5_cal.fits"),
        ([0, 1, 2], "visit 1 and 2_cal.fits"),
        ([0, 2, 4, 5], "0_cal.fits, 2_cal.fits, 4_cal.fits and 1 more"),
        ([], ""),
    ],
)
def test_whole_visits_by_their_name(positions, text):
    assert name_members(positions, EXPOSURES) == text


def test_a_visit_that_is_all_there_is_says_nothing():
    assert name_members([0, 1], EXPOSURES[:2]) == "0_cal.fits, 1_cal.fits"


def test_lines():
    assert Finding("What is wrong.", details=("a", "b")).lines == ("What is wrong.", "a", "b")
