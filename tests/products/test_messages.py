"""What users are told about a match."""

from dataclasses import replace

import numpy as np

from jwst_mosaic_skymatch.products.messages import summarize_match, warnings_of_match


def test_summary(match):
    labels = ["jw001", "jw001", "jw002", "jw003"]
    counts, closure = summarize_match(match, labels, "visit")
    assert counts == (
        "3 groups by visit, 2 stacks; 1 pairs inside stacks, 1 between them; 1 connected components"
    )
    assert closure == "Closure of the pairs: chi2 0.01 for 0.5 degrees of freedom"


def test_warnings(match, exposures, grid):
    pair, shift = warnings_of_match(match, exposures, grid, threshold=0.1)
    assert pair.startswith("The overlap of jw001 and jw002 disagrees with all others by 2 (20 ")
    # The second is too near, the third is not significant.
    assert shift.startswith("1 of 4 exposures are displaced by more than 0.1 pixels")
    assert shift.endswith("0_cal.fits (-0.100, +0.000)")
    assert len(warnings_of_match(match, exposures, grid, threshold=1.0)) == 1


def test_components_are_told_by_their_visits(match, exposures, grid):
    apart = replace(match, stack_pairs=(), components=np.array([0, 0, 1, 2]))
    sentence = warnings_of_match(apart, exposures, grid, threshold=1.0)[0]
    assert "3 components that do not overlap each other" in sentence
    assert sentence.endswith("Visits by component: 001; 002; 3_cal.fits")


def test_nothing_to_say(no_match, exposures, grid):
    assert warnings_of_match(no_match, exposures, grid, threshold=0.1) == []
