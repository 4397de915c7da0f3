"""The report in a real browser: Debian's Chromium, driven by Playwright."""

import os
import re
import shutil
import struct
from pathlib import Path

import pytest
from made_up import UNIT, make_result

from jwst_mosaic_skymatch.report.page import render_report

playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium")

PHONE, DESKTOP = (390, 844), (1280, 900)
# Where screenshots go for a look at them; by default a temporary directory.
SCREENSHOTS = os.environ.get("SKYMATCH_SCREENSHOTS")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    result = make_result(20)
    result.levels["remark"] = ["odd one out" if k == 13 else "" for k in range(20)]
    result.levels["level"][5] = float("nan") * UNIT
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_report(result))
    return path


def open_page(browser, path, size=DESKTOP, **options):
    """Open a page; whatever it says on the console, or asks for, is collected."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce", **options
    )
    page = context.new_page()
    page.said, page.asked = [], []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(path.as_uri())
    return page


@pytest.fixture
def page(browser, path):
    page = open_page(browser, path)
    yield page
    assert page.said == []
    page.context.close()


def column(page, table, head):
    """Give the texts of a column, of the rows that are shown."""
    heads = [text.strip() for text in page.locator(f"{table} thead th").all_inner_texts()]
    number = heads.index(head) + 1
    return page.locator(f"{table} tbody tr:not([hidden]) td:nth-child({number})").all_inner_texts()


EXPOSURES, PAIRS = "section[aria-label=Exposures]", "section[aria-label=Pairs]"


def row(number, kind="exposure"):
    return f"tr[data-kind={kind}][data-row='{number}']"


def drawn(number, kind="exposure"):
    return f"svg [data-kind={kind}][data-row='{number}']"


def is_on(page, selector):
    return "on" in (page.locator(selector).get_attribute("class") or "").split()


def test_no_error_and_no_request(browser, path, page):
    assert page.asked == [path.as_uri()]
    assert page.title() == "Sky match of made-up"


def test_nothing_may_be_asked_for(page):
    """The page's own policy stops what any script or figure in it would try."""
    failed = page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'stopped')")
    assert failed == "stopped"
    assert any("Content Security Policy" in text for text in page.said)
    page.said.clear()


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_tables_sort(page, by):
    head = page.locator(f"{EXPOSURES} th", has_text="level").first
    button = head.locator("button")
    assert head.get_attribute("aria-sort") == "none"

    def press():
        if by == "mouse":
            button.click()
        else:
            button.focus()
            page.keyboard.press("Enter")

    for order, sign in (("ascending", 1), ("descending", -1)):
        press()
        assert head.get_attribute("aria-sort") == order
        texts = column(page, EXPOSURES, "level")
        assert texts[-1] == "n/a"  # what has no number comes last either way
        numbers = [sign * float(text) for text in texts[:-1]]
        assert numbers == sorted(numbers)
        assert len(numbers) == 19
    other = page.locator(f"{EXPOSURES} th button", has_text="exposure")
    other.click()
    assert head.get_attribute("aria-sort") == "none"
    names = column(page, EXPOSURES, "exposure")
    assert names == sorted(names)


def test_tables_filter(page):
    box = page.get_by_label("Filter").first
    count = page.locator(f"{EXPOSURES} output")
    assert count.inner_text() == "20 of 20"
    box.fill("ODD one")
    assert column(page, EXPOSURES, "exposure") == ["jw00013_cal.fits"]
    assert count.inner_text() == "1 of 20"
    box.fill("no such thing")
    assert column(page, EXPOSURES, "exposure") == []
    box.fill("")
    assert len(column(page, EXPOSURES, "exposure")) == 20
    box.fill("jw00013")
    page.locator(f"{EXPOSURES} th button", has_text="level").click()
    assert column(page, EXPOSURES, "exposure") == ["jw00013_cal.fits"]


def test_a_footprint_finds_its_row(page):
    page.locator(drawn(17)).scroll_into_view_if_needed()
    box = page.locator(drawn(17)).bounding_box()
    # Beside the lines of pairs; of those that lie upon each other the uppermost is found.
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 4)
    found = page.locator("svg .exposure.on").get_attribute("data-row")
    assert is_on(page, row(found))
    frame = page.locator(f"{EXPOSURES} .scroll").bounding_box()
    box = page.locator(row(found)).bounding_box()
    assert frame["y"] <= box["y"] <= frame["y"] + frame["height"] - box["height"]
    assert page.locator(".pointed").inner_text().startswith(f"jw{int(found):05d}_cal.fits, level ")


def test_a_row_finds_its_footprint(page):
    page.locator(row(3)).hover()
    assert is_on(page, drawn(3))
    page.locator(row(4)).hover()
    assert is_on(page, drawn(4))
    assert not is_on(page, drawn(3))
    page.locator(row(2, "pair")).hover()
    assert is_on(page, drawn(2, "pair"))


def test_a_click_goes_to_the_row(page):
    page.locator(drawn(19)).dispatch_event("click")
    assert page.evaluate("document.activeElement.id") == "exposure-row-19"
    box = page.locator(row(19)).bounding_box()
    assert 0 <= box["y"] <= DESKTOP[1]


def test_linking_by_keyboard(page):
    first = page.locator("svg .exposure[tabindex='0']")
    assert first.count() == 1
    first.focus()
    assert is_on(page, row(0))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.row") == "2"
    assert is_on(page, row(2))
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "exposure-row-2"
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.id") == "exposure-row-3"
    assert is_on(page, drawn(3))
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("jw00003")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.activeElement.dataset.row") == "2"


def test_all_can_be_reached_by_tabulator(page):
    """Heads, filters, frames, and one of each kind of marks; not a thousand of them."""
    reached = []
    page.locator("h1").click()
    for _ in range(80):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "(e => `${e.tagName} ${e.dataset.kind || e.id || e.innerText}`)"
                "(document.activeElement)"
            )
        )
        if reached[-1].startswith("BODY"):
            break
    for name in ("g exposure", "g pair", "TR exposure", "TR pair", "INPUT filter-exposure"):
        assert reached.count(name) == 1
    assert "BUTTON level" in reached
    assert len(reached) < 45


def test_figures_have_names(page):
    found = set(re.findall(r'(?:img|group) "([^"]+)"', page.locator("body").aria_snapshot()))
    for name in (
        "The mosaic: before",
        "The mosaic: after",
        "Footprints and pairs on the sky",
        "Levels of all exposures, visit by visit",
    ):
        assert name in found
    assert sum(name.startswith(("The worst pair", "The median pair")) for name in found) == 4
    assert page.get_by_role("button", name="jw00007_cal.fits, level").count() == 1


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_screenshots(browser, faulty, tmp_path, size, scheme):
    """As wide as the screen, no wider; not of one colour."""
    (path,) = faulty[2].glob("*_skymatch_report.html")
    page = open_page(browser, path, size, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    directory = Path(SCREENSHOTS or tmp_path)
    file = directory / f"report-{size[0]}-{scheme}.png"
    page.screenshot(path=file, full_page=True)
    width, height = struct.unpack(">II", file.read_bytes()[16:24])
    assert width == size[0]
    assert height > 3 * size[1]
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, re.findall(r"\d+", background)[:3]))
    assert (brightness > 700) == (scheme == "light")
    ink = page.evaluate("getComputedStyle(document.querySelector('svg text')).fill")
    assert ink != background
    assert page.said == []
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(browser, path, scheme):
    """At least 4.5, the level AA of the guidelines for accessible content."""
    page = open_page(browser, path, color_scheme=scheme)
    for selector in (
        "h1", ".kind", ".verdict p", ".facts span", "figcaption", "td", "a", "dt",
        "svg text", "thead button", ".concerned",
    ):  # fmt: skip
        ink, paper = page.locator(selector).first.evaluate(
            """element => {
                let behind = element;
                const colour = (e, name) => getComputedStyle(e)[name];
                while (/, 0\\)$/.test(colour(behind, "backgroundColor"))) {
                    behind = behind.parentElement;
                }
                const name = element.tagName === "text" ? "fill" : "color";
                return [colour(element, name), colour(behind, "backgroundColor")];
            }"""
        )
        first, second = (_luminance(c) for c in (ink, paper))
        contrast = (max(first, second) + 0.05) / (min(first, second) + 0.05)
        assert contrast >= 4.5, (selector, ink, paper)
    page.context.close()


def _luminance(colour):
    shares = [int(text) / 255 for text in re.findall(r"\d+", colour)[:3]]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_print_shows_all_rows(browser, path, tmp_path):
    page = open_page(browser, path)
    page.emulate_media(media="print")
    frame = page.locator(f"{EXPOSURES} .scroll").evaluate("e => [e.scrollHeight, e.clientHeight]")
    assert frame[0] == frame[1]
    assert not page.locator(f"{EXPOSURES} input").is_visible()
    page.pdf(path=tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").stat().st_size > 50_000
    page.context.close()


@pytest.mark.slow
def test_thousand_exposures_open(browser, tmp_path):
    path = tmp_path / "large.html"
    path.write_text(render_report(make_result(1000)))
    page = open_page(browser, path, PHONE)
    assert page.locator(f"{EXPOSURES} output").inner_text() == "1000 of 1000"
    page.locator(f"{EXPOSURES} th button", has_text="level").click()
    numbers = [float(text) for text in column(page, EXPOSURES, "level")]
    assert numbers == sorted(numbers)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
    assert page.said == []
    page.context.close()


def test_comparison(browser, tmp_path):
    from jwst_mosaic_skymatch.report.compare import Run, compare_runs
    from jwst_mosaic_skymatch.report.comparison_page import render_comparison

    result = make_result(8)
    levels = {f"jw{k:05d}": 1.0 for k in range(8)}
    path = tmp_path / "comparison.html"
    path.write_text(render_comparison(compare_runs(Run("a", levels, result), Run("b", levels))))
    for size in (PHONE, DESKTOP):
        page = open_page(browser, path, size)
        assert page.evaluate("document.documentElement.scrollWidth") == size[0]
        page.locator(f"{PAIRS} th button", has_text="residual, b").click()
        numbers = [float(text) for text in column(page, PAIRS, "residual, b")]
        assert numbers == sorted(numbers)
        assert page.said == []
        page.context.close()
