"""The page: whole, harmless, of bounded size, and without a request to anywhere."""

import re
from dataclasses import replace

import numpy as np
import pytest
from made_up import UNIT, make_result
from page_parser import Page

from jwst_mosaic_skymatch.products.findings import Finding
from jwst_mosaic_skymatch.report.page import MOST_PAIRS, render_report

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def text():
    return render_report(make_result())


def test_is_whole(text):
    page = Page(text)
    assert page.scripts == 1
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        assert link.startswith(("#", "data:"))
    anchors = {link[1:] for link in page.links if link.startswith("#")}
    assert anchors <= set(page.ids)
    for reference in re.findall(r"url\(#([^)]+)\)", text):
        assert reference in page.ids


def test_asks_for_nothing_from_elsewhere(text):
    """Addresses are names of formats alone, which nobody fetches."""
    assert set(re.findall(r"https?://[^\s\"'<)]+", text)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert "default-src 'none'" in text
    assert "@import" not in text


@pytest.mark.parametrize(
    "title", ["The mosaic", "On the sky", "Levels by visit", "Pairs", "What to do", "Tables"]
)
def test_has_all_parts(text, title):
    assert f">{title}</h2>" in text


def test_says_what_was_fitted(text):
    assert re.search(r"Offset -?[\d.e-]+ ± 0.002 MJy/sr \(by noise 0.001\)", text)
    assert "slopes MJy/sr/arcmin x 0.02 ± 0.01" in text


def test_says_what_a_narrow_overlap_does_not_tell():
    result = make_result()
    result.pairs["slope_x"] = 0.0 * result.pairs["slope_x"]
    assert "slopes MJy/sr/arcmin x not measured, y 0.02 ± 0.01" in render_report(result)


def test_has_what_it_was_made_with(text):
    for part in ("3.0.0", "skymethod", "600 x 600", "1.5 s", "2030-01-01"):
        assert part in text


def test_names_are_harmless():
    result = make_result(8, name=SCRIPT + '"><img src=x onerror=alert(1)>{k}')
    result = replace(
        result,
        product=SCRIPT,
        findings=(Finding(SCRIPT, SCRIPT, SCRIPT, (SCRIPT,), SCRIPT, (SCRIPT,)),),
        provenance=replace(result.provenance, parameters={SCRIPT: SCRIPT}),
    )
    result.levels["visit_id"] = [SCRIPT] * 8
    result.levels["remark"] = [SCRIPT] * 8
    text = render_report(result)
    page = Page(text)
    assert page.scripts == 1
    assert SCRIPT not in text
    assert "<img" not in text
    assert SCRIPT.replace("<", "&lt;").replace(">", "&gt;") in text


@pytest.mark.slow
def test_thousand_exposures_take_five_megabytes_at_most():
    result = make_result(1000)
    text = render_report(result)
    assert len(text.encode()) < 5_000_000
    page = Page(text)
    assert page.rows == 2 + 1000 + len(result.pairs)
    assert len(result.pairs) > 1900


def test_of_many_pairs_the_worst_are_shown():
    result = make_result(1200, pictures=False, mosaic=False)
    result.pairs["residual"][7] = 5.0 * UNIT
    text = render_report(result)
    assert len(result.pairs) > MOST_PAIRS
    assert f"The {MOST_PAIRS} worst of {len(result.pairs)}; the saved table has all." in text
    assert Page(text).rows == 2 + 1200 + MOST_PAIRS
    assert text.index('id="pair-row-7"') == text.index('id="pair-row-')


def test_tables_alone_make_a_page():
    result = replace(make_result(mosaic=False, pictures=False), footprints=(), findings=())
    text = render_report(result)
    Page(text)
    for title in ("The mosaic", "On the sky", "Pairs", "What to do"):
        assert f">{title}</h2>" not in text
    assert 'class="verdict good"' in text


def test_nothing_matched():
    result = make_result(4, mosaic=False, pictures=False)
    levels = result.levels.copy()
    for name in ("level", "level_error", "level_error_noise"):
        levels[name][:] = np.nan * UNIT
    levels["status"] = ["SKIPPED"] * 4
    text = render_report(replace(result, levels=levels, pairs=result.pairs[:0]))
    Page(text)
    assert 'class="verdict bad"' in text
