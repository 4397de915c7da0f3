"""The page: whole, harmless, of bounded size, and without a request to anywhere."""

import re
from base64 import b64decode
from dataclasses import replace

import numpy as np
import pytest
from made_up import UNIT, make_result

from jwst_mosaic_skymatch.products.findings import Finding
from jwst_mosaic_skymatch.report.figures import MOST_PAIRS, render_report

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def text():
    return render_report(make_result())


def assert_closed(text):
    """Assert that each element that has an end has as many starts."""
    for tag in set(re.findall(r"</(\w+)>", text)):
        assert len(re.findall(rf"<{tag}[\s>]", text)) == text.count(f"</{tag}>"), tag


def test_is_whole_and_asks_for_nothing(text):
    assert_closed(text)
    assert text.count("<script") == 1
    ids = re.findall(r'<[^>]* id="([^"]*)"', text)
    links = re.findall(r'<[^>]* (?:xlink:)?(?:href|src)="([^"]*)"', text)
    assert len(ids) == len(set(ids))
    assert all(link.startswith(("#", "data:")) for link in links)
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    assert "http" not in text.replace("http-equiv", "")
    assert "default-src 'none'" in text


def test_has_all_parts(text):
    titles = re.findall("<h2[^>]*>([^<]+)</h2>", text)
    assert titles[:3] == ["The mosaic", "On the sky", "Levels by visit"]
    assert titles[3:] == ["Pairs", "What to do", "Tables", "Provenance"]
    for part in ("3.0.0", "skymethod", "2030-01-01", "The median pair"):
        assert part in text
    pictures = re.findall('<img src="data:image/png;base64,([^"]+)" alt="([^"]+)">', text)
    assert len({png for png, _ in pictures}) == len({name for _, name in pictures}) == 9
    assert all(b64decode(png).startswith(b"\x89PNG") for png, _ in pictures)


def test_names_are_harmless():
    result = make_result(8, name=SCRIPT + '"><img src=x onerror=alert(1)>{k}')
    result = replace(
        result,
        product=SCRIPT,
        findings=(Finding(SCRIPT, SCRIPT, (SCRIPT,), (SCRIPT,), SCRIPT),),
        provenance={"parameters": {SCRIPT: SCRIPT}},
    )
    result.levels["visit_id"] = [SCRIPT] * 8
    result.levels["remark"] = [SCRIPT] * 8
    text = render_report(result)
    assert text.count("<script") == 1
    assert SCRIPT not in text
    assert "<img src=x" not in text
    assert SCRIPT.replace("<", "&lt;").replace(">", "&gt;") in text


def test_of_many_pairs_the_worst_are_listed():
    result = make_result(1200)
    result.pairs["residual"][7] = 5.0 * UNIT
    text = render_report(result)
    assert len(result.pairs) > MOST_PAIRS
    assert f"The {MOST_PAIRS} worst of {len(result.pairs)}; the saved table has all." in text
    assert text.count("<tr") == 2 + 1200 + MOST_PAIRS
    assert re.search(r'id="Pair-0">.*<td class="number">5</td>', text)
    assert len(text.encode()) < 6_000_000


def test_nothing_matched():
    """Tables alone make a page."""
    result = make_result(4, mosaic=False, pictures=False)
    for name in ("level", "level_error"):
        result.levels[name][:] = np.nan * UNIT
    result.levels["status"] = ["SKIPPED"] * 4
    text = render_report(replace(result, pairs=result.pairs[:0], footprints=(), findings=()))
    assert_closed(text)
    assert 'class="verdict bad"' in text
    assert re.findall("<h2[^>]*>([^<]+)</h2>", text) == ["Levels by visit", "Tables", "Provenance"]
