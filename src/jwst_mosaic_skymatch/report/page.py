"""The report: one page with all of a result, without any request."""

from base64 import b64encode
from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np
from astropy.table import QTable
from jinja2 import Environment, PackageLoader
from matplotlib import rc_context
from matplotlib.figure import Figure

from jwst_mosaic_skymatch.products.tables import values_of
from jwst_mosaic_skymatch.report.result import MatchResult

__all__ = ["render_report"]

# Columns of the tables in a page, and pairs at most; files have all. A row takes 0.3 kB.
LEVEL_COLUMNS = "filename level level_error visit_id group component"
LEVEL_COLUMNS += " shift_ra shift_dec n_pairs status remark"
PAIR_COLUMNS = "first second stage offset offset_error offset_error_noise residual n_cells used"
MOST_PAIRS = 2000
# Width and height, inches; small, so that text is legible in a figure as wide as a phone.
SMALL, WIDE = (4.6, 3.7), (6.4, 3.4)
PAIR_FIGURES = ("image", "histogram")
# Dots per inch: two to a pixel of a phone; sizes of text are in points.
RESOLUTION = 150
STYLE = {"font.size": 9.0, "axes.labelsize": "small", "hatch.linewidth": 0.6}
STYLE |= dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), "x-small")


def render_report(result: MatchResult) -> str:
    """Write the report of a run.

    Parameters
    ----------
    result : MatchResult
        The result; figures of pictures that it does not have are omitted.

    Returns
    -------
    str
        The page, HTML.
    """
    loader = PackageLoader("jwst_mosaic_skymatch.report")
    page = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    is_matched = result.levels["status"] == "COMPLETE"
    images = ("before", "after", "residual") if result.mosaic else ()
    footprints_known = any(len(corners) for corners in result.footprints)
    return page.get_template("report.html.jinja").render(
        result=result,
        verdict=result.verdict,
        n_matched=np.count_nonzero(is_matched),
        mosaic={name: _draw(partial(result.plot_mosaic, which=name), SMALL) for name in images},
        sky=_draw(result.plot_pairs, WIDE) if footprints_known else None,
        levels=_draw(result.plot_levels, WIDE),
        pairs=_draw_pairs(result),
        rows={str(name): row for row, name in enumerate(result.levels["filename"])},
        level_table=_print_table(result.levels, LEVEL_COLUMNS, list(range(len(is_matched)))),
        pair_table=_print_table(result.pairs, PAIR_COLUMNS, result.pairs_by_residual[:MOST_PAIRS]),
    )


def _draw(plot: Callable[[Any], Any], size: tuple[float, float]) -> str:
    """Draw a figure, as high as its image needs, and encode it as PNG in base64."""
    file = BytesIO()
    with rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        ax = plot(figure.add_subplot())
        if ax.get_aspect() in (1, "equal"):
            height = np.ptp(ax.get_ylim()) / np.ptp(ax.get_xlim())
            figure.set_figheight(np.clip(size[0] * (0.85 * height + 0.25), 2.2, 7.0))
        # Of noise this makes smaller files than the default level, in half the time.
        figure.savefig(file, format="png", dpi=RESOLUTION, pil_kwargs={"compress_level": 1})
    return b64encode(file.getvalue()).decode()


def _draw_pairs(result: MatchResult) -> list[dict[str, str]]:
    """Draw the worst and the median of the pairs that have pictures."""
    names = [(str(pair["first"]), str(pair["second"])) for pair in result.pairs]
    drawn = [names[row] for row in result.pairs_by_residual if names[row] in result.pictures]
    sections = []
    for kind, ends in {"worst": drawn[:1], "median": drawn[1:][len(drawn) // 2 - 1 :][:1]}.items():
        for first, second in ends:
            plot = partial(result.plot_pair, first, second)
            section = {what: _draw(partial(plot, what=what), SMALL) for what in PAIR_FIGURES}
            sections.append(section | {"title": f"The {kind} pair: {first} minus {second}"})
    return sections


def _print_table(table: QTable, names: str, rows: list[int]) -> dict[str, Any]:
    """Print some columns and rows of a table, numbers with four digits."""
    columns, heads = [], []
    for name in names.split():
        column = table[name][rows]
        is_float = column.dtype.kind == "f"
        columns.append([f"{v:.4g}" for v in values_of(column)] if is_float else map(str, column))
        unit = str(getattr(column, "unit", None) or "").replace(" ", "")
        heads.append((f"{name}, {unit}".rstrip(", "), column.dtype.kind in "fiu"))
    return {"heads": heads, "rows": list(zip(*columns, strict=True)), "n": len(table)}
