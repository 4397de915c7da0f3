"""From the report alone one can tell what is wrong with a run, and what to do."""

import re
from html import unescape

import numpy as np
import pytest
from four_faults import ALONE, DISPLACED, HALF, NEIGHBOUR, SPOILED, STEEP

from jwst_mosaic_simulation import Pointing, offset_pointing

WRONG = {
    "displaced": (rf"jw{DISPLACED}\w+.fits: displaced by 0\.\d+ pixels", "run tweakreg again"),
    "alone": (rf"{ALONE}: no overlap with others", "add exposures in between"),
    "spoiled": (rf"the overlap of jw{NEIGHBOUR} and jw{SPOILED} ", "search for persistence"),
    "steep": (f"{STEEP} MIRIMAGE has the largest gradient", "background='plane' subtracts"),
    "Lyot": ("Lyot field alone ties", "miri_lyot='mask'"),
}


@pytest.mark.parametrize("what", WRONG)
def test_findings_name_what_is_wrong_and_what_to_do(faulty, what):
    who, remedy = WRONG[what]
    result = faulty[0]
    (finding,) = [finding for finding in result.findings if re.search(who, str(finding))]
    assert remedy in finding.remedy
    assert f"{finding.brief} ({finding.remedy})" in result.verdict.remarks


def test_verdict_names_nobody_else(faulty):
    """Of the overlaps it has the worst, of the spoiled visit and a neighbour."""
    named = {remark: set(re.findall(r"09999\d{6}", remark)) for remark in faulty[0].verdict.remarks}
    (overlap,) = [visits for remark, visits in named.items() if "overlap of" in remark]
    assert SPOILED in overlap
    others = set().union(*(visits for visits in named.values() if visits != overlap))
    assert others == {DISPLACED, STEEP, "09999009001"}


def test_shift_moves_the_displaced_visit_back(faulty):
    levels = faulty[0].levels
    own = levels["visit_id"] == DISPLACED
    shifts = np.stack([levels["shift_ra"].value, levels["shift_dec"].value], axis=1)
    shift = shifts[own].mean(axis=0) - np.nanmean(shifts[~own], axis=0)
    # Binned pixels have 0.44 arcsec; the field lies beside the place that its WCS gives.
    there = Pointing(150.0, 2.2)
    field = offset_pointing(there, HALF * 0.44, 0.0)
    east = (field.ra_ref - there.ra_ref) * np.cos(np.deg2rad(there.dec_ref))
    north = field.dec_ref - there.dec_ref
    np.testing.assert_allclose(shift, -3600.0 * np.array([east, north]), atol=0.05)


def test_log_has_levels_and_findings_and_ends_with_the_verdict(faulty):
    result, log, _ = faulty
    assert log[-1] == str(result.verdict)
    assert {str(finding) for finding in result.findings} <= set(log)
    assert sum("sky level" in line for line in log) == 18
    (spoiled,) = [finding for finding in result.findings if finding.kind == "spoiled overlap"]
    assert f"jw{STEEP}" not in spoiled.exposures


def test_page_has_each_warning_with_whom_it_concerns(faulty):
    result, _, directory = faulty
    (path,) = directory.glob("*_skymatch_report.html")
    text = unescape(path.read_text())
    assert str(result.verdict.headline) in text
    for finding in result.findings:
        assert finding.sentence in text
        assert finding.remedy in text
        for name in finding.exposures:
            assert name in text
    (alone,) = np.flatnonzero(result.levels["filename"] == ALONE)
    assert f'href="#Exposure-{alone}"' in text
