"""From the report alone one can tell what is wrong with a run, and what to do."""

import re
from html import unescape

import numpy as np
import pytest
from four_faults import ALONE, DISPLACED, HALF, NEIGHBOUR, SPOILED, STEEP

# Beside the visit with a gradient.
BESIDE_STEEP = "09999001008"
WRONG = {
    "displaced": (rf"visit {DISPLACED} is displaced by 0\.\d+ pixels", "run tweakreg again"),
    "alone": (rf"{ALONE} has no overlap with others", "add exposures in between"),
    # One gradient among nine visits is no common property: it makes overlaps uneven.
    "steep": (
        rf"the overlap of jw{BESIDE_STEEP} and jw{STEEP} is spoiled",
        "look for persistence, scattered light",
    ),
    "Lyot": ("only the Lyot field ties some visits", "miri_lyot='mask'"),
}


@pytest.mark.parametrize("what", WRONG)
def test_verdict_names_what_is_wrong_and_what_to_do(faulty, what):
    who, remedy = WRONG[what]
    remarks = faulty[0].verdict.remarks
    (position,) = [k for k, remark in enumerate(remarks) if re.search(who, remark)]
    # A remedy that several have in common is said with the last of them.
    assert remedy in " ".join(remarks[position : position + 2])


def test_verdict_names_nobody_else(faulty):
    visits = set(re.findall(r"09999\d{6}", " ".join(faulty[0].verdict.remarks)))
    assert visits == {DISPLACED, BESIDE_STEEP, STEEP, "09999009001"}
    displaced = [d for d in faulty[0].verdict.remarks if "displaced" in d]
    pixels = float(re.search(r"by ([\d.]+) pixels", displaced[0])[1])
    assert pixels == pytest.approx(HALF, abs=0.1)


def test_log_lists_uneven_overlaps(faulty):
    """Nothing but glow makes an overlap of the spoiled visit and its neighbour uneven."""
    (uneven,) = [f for f in faulty[0].findings if f.kind == "spoiled overlap"]
    ends = [detail.partition(":")[0] for detail in uneven.details]
    assert f"jw{NEIGHBOUR} and jw{SPOILED}" in ends
    assert str(uneven) in faulty[1]
    for end in ends:
        assert STEEP in end or SPOILED in end


def test_log_ends_with_groups_and_verdict(faulty):
    result, log, _ = faulty
    assert log[-1] == str(result.verdict)
    start = max(k for k, line in enumerate(log) if line.startswith("Levels by group"))
    rows = {line.split()[0]: line for line in log[start + 3 : -1]}
    assert rows[f"jw{DISPLACED}"].endswith("displaced")
    for visit in (STEEP, SPOILED, NEIGHBOUR):
        assert rows[f"jw{visit}"].endswith("spoiled overlap")
    assert "SKIPPED" in rows["jw09999009001"]
    assert rows["jw09999001002"].endswith("COMPLETE")


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
