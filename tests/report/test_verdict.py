"""Verdict, seams, and the table at the end of the log."""

from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u
from made_up import UNIT, make_result

from jwst_mosaic_skymatch.products.findings import Finding
from jwst_mosaic_skymatch.report.verdict import (
    Closure,
    group_rows,
    judge,
    round_sigmas,
    summary_lines,
    worst_seams,
)


def test_good_run(result):
    pairs = result.pairs.copy()
    pairs["offset"][:] = 0.1 * UNIT
    pairs["offset"][3] = -0.5 * UNIT
    pairs["residual"][:] = 0.001 * UNIT
    pairs["residual"][4] = 0.004 * UNIT
    verdict = judge("match", result.levels, pairs, Closure(12.0, 10.0), 0, ())
    assert str(verdict) == (
        "Matched: 8 of 8 exposures in 1 component, no ties; closure chi2 12 for 10 degrees of "
        "freedom; worst seam 0.5 MJy/sr (500 sigma) before, 0.004 MJy/sr (4 sigma) after."
    )
    before, after = worst_seams(pairs)
    assert (before.first, before.second) == (pairs["first"][3], pairs["second"][3])
    assert after.size == pytest.approx(0.004)


def test_doubts(result):
    findings = [
        Finding("a sentence", "this is wrong", "mend it"),
        Finding("another", "that, too", "mend it"),
        Finding("the log alone says this"),
    ]
    verdict = judge("match", result.levels, result.pairs, Closure(1, 1), 3, findings)
    assert verdict.headline.startswith("Matched, with doubts: ")
    assert "3 ties" in verdict.headline
    assert verdict.doubts == ("this is wrong", "that, too (mend it)")
    many = judge("match", result.levels, result.pairs, Closure(1, 1), 1, findings[:1] * 20)
    assert len(many.doubts) == 9
    assert many.doubts[-1] == "and 12 more"
    assert "\n" not in str(many)


@pytest.mark.parametrize(
    ("n_skipped", "words"), [(1, "Matched in part: 7 of 8"), (8, "Not matched: 0 of 8")]
)
def test_exposures_without_level(result, n_skipped, words):
    levels = result.levels.copy()
    levels["status"][:n_skipped] = "SKIPPED"
    assert str(judge("match", levels, result.pairs, Closure(1, 1), 0, ())).startswith(words)


def test_methods_that_match_nothing(result):
    verdict = judge("local", result.levels, result.pairs[:0], Closure(0, 0), 0, ())
    assert str(verdict) == "Not matched (skymethod=local): 8 of 8 exposures have a level."


def test_pairs_that_are_left_out_make_no_seam(result):
    pairs = result.pairs.copy()
    pairs["residual"][0] = 99.0 * UNIT
    assert worst_seams(pairs)[1].size == pytest.approx(99.0)
    pairs["used"][0] = False
    assert worst_seams(pairs)[1].size < 1.0
    pairs["used"][:] = False
    assert worst_seams(pairs) is None


@pytest.mark.parametrize("n", [8, 200, 1000])
def test_table_is_short_whatever_the_number_of_exposures(n):
    result = make_result(n, pictures=False, mosaic=False)
    lines = summary_lines(result.levels, result.verdict, result.findings)
    assert len(lines) <= 40
    assert lines[-1] == str(result.verdict)
    assert max(map(len, lines[:-1])) < 140
    assert any(line.endswith("displaced") for line in lines)


def test_groups_that_are_wrong_come_first():
    result = make_result(1000, pictures=False, mosaic=False)
    levels = result.levels.copy()
    levels["remark"] = [""] * 999 + ["bad"]
    levels["level"][-4:] = np.nan * UNIT
    lines = summary_lines(levels, result.verdict)
    assert any(line.startswith("group0249 ") and line.endswith("bad") for line in lines)
    assert "... and 214 more groups without remarks" in lines


def test_groups(result):
    levels = result.levels.copy()
    levels["group"][6:] = ""
    levels["level"] = np.arange(8.0) * UNIT
    levels["level"][1] = np.nan * UNIT
    rows = group_rows(levels, result.findings)
    assert [(row.name, row.n, row.n_matched, row.status) for row in rows] == [
        ("group0000", 4, 3, "3 of 4"),
        ("group0001", 2, 2, "COMPLETE"),
        ("jw00000000001", 2, 2, "COMPLETE"),
    ]
    assert rows[0].level == pytest.approx(5.0 / 3.0)
    assert rows[0].remark == "displaced"
    assert rows[1].error == pytest.approx(0.002)


def test_data_without_unit(result):
    plain = result.levels.copy()
    for name in ("level", "level_error", "level_error_noise"):
        plain[name] = plain[name].value * u.dimensionless_unscaled
    assert summary_lines(plain, result.verdict)[0] == "Levels by group:"
    assert replace(result, levels=plain).unit == ""


@pytest.mark.parametrize(("sigmas", "text"), [(2495.3, "2495"), (18.49, "18"), (2.44, "2.4")])
def test_sigmas_are_read_at_a_glance(sigmas, text):
    assert round_sigmas(sigmas) == text
