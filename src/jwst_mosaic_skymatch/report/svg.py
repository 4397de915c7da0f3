"""Figures as SVG inside a page: text stays text, and ink has the colour of the page's."""

import re
from collections.abc import Callable, Mapping
from html import escape
from io import StringIO
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

__all__ = ["draw_svg"]

# A colour that nothing else has: the page's own takes its place, dark or light.
INK = "#010203"
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "jwst-mosaic-skymatch",
    "font.family": "sans-serif",
    "font.size": 9.0,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "hatch.linewidth": 0.6,
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "axes.titlecolor", "patch.edgecolor"),
        INK,
    ),
    **dict.fromkeys(("xtick.color", "ytick.color"), INK),
}


def draw_svg(
    draw: Callable[[Any], Any],
    size: tuple[float, float],
    *,
    name: str,
    number: int,
    labels: Mapping[str, str] | None = None,
) -> str:
    """Draw a figure into an ``svg`` element.

    Parameters
    ----------
    draw : callable
        Takes Axes.
    size : tuple of float
        Width and height, inches.
    name : str
        What the figure shows, for those who do not see it.
    number : int
        Number of the figure in its page, which keeps identifiers apart.
    labels : mapping of str to str, optional
        Names of parts of the figure by their gid, such as ``exposure-3``: parts that can be
        pointed at.

    Returns
    -------
    str
        The element, in which all text is escaped.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=size, layout="compressed")
        draw(figure.add_subplot())
        file = StringIO()
        figure.savefig(
            file,
            format="svg",
            dpi=100,
            bbox_inches="tight",
            pad_inches=0.05,
            metadata={"Date": None},
        )
    return _inline(file.getvalue(), name, number, labels or {})


def _inline(text: str, name: str, number: int, labels: Mapping[str, str]) -> str:
    """Make a part of a page of a file."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r"\s*<!--.*?-->", "", text, flags=re.DOTALL)
    # No two figures of a page may share an identifier.
    prefix = f"f{number}-"
    text = re.sub(r'\bid="(?!(?:exposure|pair)-\d+")', f'id="{prefix}', text)
    text = re.sub(r'((?:xlink:)?href=")#|(url\()#', rf"\g<0>{prefix}", text)
    text = text.replace(INK, "currentColor")
    role = "group" if labels else "img"
    head = f'<svg role="{role}" aria-label="{escape(name)}" style="stroke-linejoin: round"'
    text = re.sub(r"<svg\b", head, text, count=1)
    text = re.sub(r'(<svg\b[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg\b[^>]*?) height="[^"]*"', r"\1", text, count=1)
    return re.sub(r'<g id="((exposure|pair)-(\d+))"', lambda found: _pointed(found, labels), text)


def _pointed(found: re.Match[str], labels: Mapping[str, str]) -> str:
    gid, kind, row = found.groups()
    return (
        f'<g class="{kind}" data-kind="{kind}" data-row="{row}" tabindex="-1" role="button" '
        f'aria-label="{escape(labels.get(gid, gid))}"'
    )
