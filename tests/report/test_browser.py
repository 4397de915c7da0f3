"""The report in a real browser: Debian's Chromium, driven by Playwright."""

import os
import re
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from made_up import UNIT, make_result

from jwst_mosaic_skymatch.report.figures import render_report

playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium")

PHONE, DESKTOP = (390, 844), (1280, 900)
# Directory of screenshots; by default a temporary one.
SCREENSHOTS = os.environ.get("SKYMATCH_SCREENSHOTS")
TABLE = "[aria-label='Table: Exposures']"


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    result = make_result(20)
    result.levels["level"][5] = float("nan") * UNIT
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_report(result))
    return path


@pytest.fixture
def open_page(browser):
    """Open pages; at the end no console has a message, and nothing but the page was requested."""
    pages = []

    def open_one(path, size=DESKTOP, **options):
        viewport = {"width": size[0], "height": size[1]}
        page = browser.new_context(viewport=viewport, **options).new_page()
        page.messages, page.requests = [], []
        page.on("console", lambda message: page.messages.append(message.text))
        page.on("pageerror", lambda error: page.messages.append(str(error)))
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto(path.as_uri())
        pages.append(page)
        return page

    yield open_one
    for page in pages:
        assert page.messages == []
        requests = {url for url in page.requests if not url.startswith("data:")}
        assert requests == {page.url.partition("#")[0]}
        page.context.close()


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_tables_sort(open_page, path, by):
    page = open_page(path)
    heads = page.locator(f"{TABLE} th")
    names = [re.split(r"[,\s]", text.strip())[0] for text in heads.all_inner_texts()]

    def press(name):
        button = heads.nth(names.index(name)).locator("button")
        button.focus()
        button.click() if by == "mouse" else page.keyboard.press("Enter")

    def column(name):
        return page.locator(f"{TABLE} td:nth-child({names.index(name) + 1})").all_inner_texts()

    level = heads.nth(names.index("level"))
    assert level.get_attribute("aria-sort") == "none"
    for order, sign in (("ascending", 1), ("descending", -1)):
        press("level")
        assert level.get_attribute("aria-sort") == order
        texts = column("level")
        assert texts[-1] == "nan"  # last in either order
        numbers = [sign * float(text) for text in texts[:-1]]
        assert numbers == sorted(numbers)
        assert len(numbers) == 19
    press("filename")
    assert level.get_attribute("aria-sort") == "none"
    assert column("filename") == sorted(column("filename"))


def test_all_is_within_reach_of_the_tabulator(open_page, path):
    """Links, heads and frames, and each is outlined."""
    page = open_page(path)
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        focus = "(e => [e.tagName, e.getAttribute('aria-label') || e.innerText,"
        focus += "getComputedStyle(e).outlineStyle])(document.activeElement)"
        tag, name, outline = page.evaluate(focus)
        if tag == "BODY":
            break
        assert outline == "solid"
        reached.append((tag, name))
    links = page.locator("a").count()
    assert len(reached) == links + page.locator("button").count() + 2
    assert ("DIV", "Table: Pairs") in reached
    page.locator("a[href='#Exposure-1']").click()
    assert page.locator("#Exposure-1").evaluate("e => e.matches(':target')")
    assert 50 < page.locator("#Exposure-1").bounding_box()["y"] < DESKTOP[1] - 50


def luminance(colour):
    channels = np.array([int(value) for value in re.findall(r"\d+", colour)[:3]]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return np.dot(linear, (0.2126, 0.7152, 0.0722))


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_screenshots(open_page, faulty, tmp_path, size, scheme):
    """As wide as the screen, no wider; bright or dark, pictures as well; text has contrast."""
    (path,) = faulty[2].glob("*_skymatch_report.html")
    page = open_page(path, size, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    file = Path(SCREENSHOTS or tmp_path) / f"report-{size[0]}-{scheme}.png"
    page.screenshot(path=file, full_page=True)
    assert struct.unpack(">II", file.read_bytes()[16:24])[0] == size[0]
    style = "e => (s => [s.color, s.filter])(getComputedStyle(e))"
    assert ("invert" in page.locator("img").first.evaluate(style)[1]) == (scheme == "dark")
    grounds = {
        "p": "body",
        "figcaption": "figure",
        "td": "body",
        "a": ".verdict",
        "th button": "th",
    }
    for selector, background in grounds.items():
        ink = page.locator(selector).first.evaluate("e => getComputedStyle(e).color")
        paper = page.locator(background).first.evaluate("e => getComputedStyle(e).backgroundColor")
        low, high = sorted((luminance(ink), luminance(paper)))
        assert (high + 0.05) / (low + 0.05) > 4.5, selector  # level AA of accessible content
        assert (luminance(paper) > 0.5) == (scheme == "light")


def test_print_is_dark_on_white_and_complete(open_page, path):
    page = open_page(path, color_scheme="dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("img").first.evaluate("e => getComputedStyle(e).filter") == "none"
    frame = page.locator(TABLE)
    assert frame.evaluate("e => e.scrollHeight <= e.clientHeight")
