"""The documentation as a site: every page opened in a browser, wide and narrow, light and dark."""

import os
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest
from helpers import violations

DOCS = Path(__file__).parents[2] / "docs"
NEEDED = ("sphinx", "pydata_sphinx_theme", "sphinx_design", "axe_playwright_python")
MISSING = [name for name in NEEDED if find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f'no {MISSING}: pip install -e ".[test,docs]"'),
]

PHONE, DESKTOP = (390, 844), (1280, 900)
# Where screenshots go for a look at them; by default there are none.
SCREENSHOTS = os.environ.get("SKYMATCH_SCREENSHOTS")
WITHOUT_ALT = "() => [...document.images].filter(img => !img.alt.trim()).map(img => img.src)"
TOO_WIDE = """() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    return [...document.querySelectorAll("body *")]
        .filter(element => element.getBoundingClientRect().right > width + 1)
        .map(element => element.outerHTML.slice(0, 120)).slice(0, 6);
}"""
CHECKS = (WITHOUT_ALT, TOO_WIDE)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the site, every warning an error, or take the one that has been built."""
    if built := os.environ.get("SKYMATCH_SITE"):
        return Path(built).resolve()
    directory = tmp_path_factory.mktemp("site")
    command = ("sphinx", "-W", "--keep-going", "-n", "-q", "-b", "html")
    done = subprocess.run(
        [sys.executable, "-m", *command, DOCS, directory], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return directory


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def address(site):
    """Serve the site as a host would: of files opened as such, browsers forbid much."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")])
def test_pages(browser, site, address, size, scheme):
    """Each is readable, fits the window, and asks for nothing from elsewhere."""
    viewport = dict(zip(("width", "height"), size, strict=True))
    page = browser.new_page(viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
    wrong, asked = [], []
    page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    paths = [path.relative_to(site) for path in sorted(site.rglob("*.html"))]
    # Under a name that starts with _ the theme keeps parts of pages.
    for path in (path for path in paths if not path.parts[0].startswith("_")):
        page.goto(address + path.as_posix())
        texts = [violations(page), *map(page.evaluate, CHECKS)]
        wrong += [(path, text) for text in texts if text]
        assert page.evaluate("document.documentElement.dataset.theme") == scheme
        if SCREENSHOTS:
            page.screenshot(path=f"{SCREENSHOTS}/{'-'.join(path.parts)}-{scheme}.png")
    page.goto(address + "search.html?q=tie_detectors")
    page.wait_for_selector("ul.search li a")
    links = page.eval_on_selector_all("ul.search li a", "all => all.map(a => a.href)")
    page.close()
    assert any("parameters.html" in link for link in links)
    assert wrong == []
    assert [url for url in asked if not url.startswith(address)] == []
