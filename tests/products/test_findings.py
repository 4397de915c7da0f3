"""Findings beside the match."""

from dataclasses import replace

import numpy as np

from jwst_mosaic_skymatch.products.findings import findings_of_unmatched, findings_of_zero_point


def test_unmatched_exposures_are_named_with_their_reasons(exposures):
    levels, reasons = np.array([0.25, 1.0, np.nan]), ["", "too few cells", "no good pixel"]
    skipped, alone = map(str, findings_of_unmatched(exposures[:3], levels, reasons))
    assert "for 1 of 3 exposures; SKIPPED: 2_cal.fits: no good pixel. What to do: " in skipped
    assert alone.startswith("1 of 3 exposures could not be matched")
    assert "level: 1_cal.fits: too few cells." in alone
    assert findings_of_unmatched(exposures[:2], levels[:2], ["", ""]) == []


def test_one_warning_for_all_components_without_an_anchor(match, exposures):
    levels = replace(match.levels, components=np.array([0, 1, 2, -1]))
    (finding,) = findings_of_zero_point(levels, "i.fits", (), [1, 2], exposures)
    start = "The reference i.fits does not overlap 2 components, whose levels are as usual"
    assert str(finding).startswith(start)
    assert [detail.split()[3] for detail in finding.details] == ["001", "002"]
    assert finding.exposures == ("1_cal.fits", "2_cal.fits")
    assert findings_of_zero_point(levels, "i.fits", (), [], exposures) == []
    (lone,) = findings_of_zero_point(match.levels, "3_cal.fits", (3,), [0], exposures)
    assert "3_cal.fits has no level (no overlap with others), whose" in str(lone)
