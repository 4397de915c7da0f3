"""The report in a real browser."""

import os
import re
from pathlib import Path

import pytest
from helpers import violations
from made_up import UNIT, make_result

from jwst_mosaic_skymatch.report.figures import render_report

PHONE, DESKTOP = (390, 844), (1280, 900)
# Directory of screenshots; by default a temporary one.
SCREENSHOTS = os.environ.get("SKYMATCH_SCREENSHOTS")
TABLE = "[aria-label='Table: Exposures']"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    result = make_result(20)
    result.levels["level"][5] = float("nan") * UNIT
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_report(result))
    return path


@pytest.fixture
def open_page(browser):
    """Open a page; at the end the console has no message, and nothing else was requested."""
    said, requests, pages = [], [], []

    def open_one(path, size=DESKTOP, **options):
        viewport = {"width": size[0], "height": size[1]}
        page = browser.new_context(viewport=viewport, **options).new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        pages.append(page)
        return page

    yield open_one
    assert said == []
    assert len([url for url in requests if not url.startswith("data:")]) == len(pages)


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_tables_sort(open_page, path, by):
    page = open_page(path)
    heads = page.locator(f"{TABLE} th")
    names = [re.split(r"[,\s]", text.strip())[0] for text in heads.all_inner_texts()]
    level = heads.nth(names.index("level"))

    def sort_by(name):
        button = heads.nth(names.index(name)).locator("button")
        button.click() if by == "mouse" else button.press("Enter")
        cells = page.locator(f"{TABLE} td:nth-child({names.index(name) + 1})")
        return level.get_attribute("aria-sort"), cells.all_inner_texts()

    for order in ("ascending", "descending"):
        sorted_by, (*texts, last) = sort_by("level")
        assert (sorted_by, last, len(texts)) == (order, "nan", 19)  # last in either order
        numbers = [float(text) for text in texts]
        assert numbers == sorted(numbers, reverse=order == "descending")
    sorted_by, texts = sort_by("filename")
    assert (sorted_by, texts) == ("none", sorted(texts))


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_screenshots(open_page, faulty, tmp_path, size, scheme):
    """As wide as the screen, no wider; bright or dark, pictures as well; readable for all."""
    (path,) = faulty[2].glob("*_skymatch_report.html")
    page = open_page(path, size, color_scheme=scheme, bypass_csp=True)
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    page.screenshot(path=Path(SCREENSHOTS or tmp_path) / f"report-{size[0]}-{scheme}.png")
    filters = page.locator("img").first.evaluate("e => getComputedStyle(e).filter")
    assert ("invert" in filters) == (scheme == "dark")
    assert violations(page) == []


def test_print_is_dark_on_white_and_complete(open_page, path):
    page = open_page(path, color_scheme="dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("img").first.evaluate("e => getComputedStyle(e).filter") == "none"
    frame = page.locator(TABLE)
    assert frame.evaluate("e => e.scrollHeight <= e.clientHeight")
