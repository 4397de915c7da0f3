"""The report: one page with all of a result, without any request."""

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np
from astropy.table import Table
from jinja2 import Environment, PackageLoader
from matplotlib import rc_context
from matplotlib.figure import Figure

from jwst_mosaic_skymatch.products.tables import values_of
from jwst_mosaic_skymatch.report.result import MatchResult
from jwst_mosaic_skymatch.report.verdict import worst_seams

__all__ = ["render_report"]

# Rows of the table of pairs in a page; files have all. A row takes 0.3 kB.
MOST_PAIRS = 2000
# Inches; small, so that text is legible in a figure as wide as a phone.
SMALL, WIDE, SKY = (4.6, 3.7), (6.4, 3.4), (5.8, 6.4)
# Dots per inch: two to a pixel of a phone.
RESOLUTION = 150
MOSAIC_CAPTIONS = {
    "before": "Before. The exposures as they were given, averaged.",
    "after": "After. The same after subtraction of their levels, with the same stretch.",
    "residual": "Residuals. Rms difference of the exposures that overlap there, after subtraction "
    "of their levels, in blocks of cells. Smooth is noise; patches are spoiled, ramps are "
    "gradients.",
}
SKY_CAPTION = (
    "Footprints by level, hatched without one; lines are pairs by residual, dashed if excluded; "
    "arrows are shifts."
)
LEVELS_CAPTION = (
    "Thick bars are errors by noise alone, thin ones total errors, with the effects of gradients, "
    "gains and stripes."
)
PAIR_CAPTIONS = {
    "image": "Differences in blocks of cells.",
    "histogram": "Single cells; the last bins hold all beyond.",
}


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
    environment = Environment(
        loader=PackageLoader("jwst_mosaic_skymatch.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    is_matched = result.levels["status"] == "COMPLETE"
    state = "warned" if result.verdict.remarks else "good"
    return environment.get_template("report.html.jinja").render(
        result=result,
        verdict=result.verdict,
        state=state if np.any(is_matched) else "bad",
        n_matched=np.count_nonzero(is_matched),
        seams=worst_seams(result.pairs),
        unit=result.unit.replace(" ", ""),
        mosaic=_mosaic_figures(result),
        sky=_sky_figure(result),
        levels=_figure(result.plot_levels, WIDE, "Levels of all exposures", LEVELS_CAPTION),
        pairs=list(_pair_sections(result)),
        rows={str(name): row for row, name in enumerate(result.levels["filename"])},
        tables=[_level_rows(result), *_pair_rows(result)],
        seconds={stage: f"{time:.1f} s" for stage, time in result.provenance.seconds.items()},
    )


def _figure(
    draw: Callable[[Any], Any], size: tuple[float, float], name: str, caption: str
) -> dict[str, str]:
    """Draw a figure: its PNG in base64, its name for those who do not see it, and its caption."""
    file = BytesIO()
    with rc_context({"font.size": 9.0, "hatch.linewidth": 0.6}):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.add_subplot())
        # Of noise this makes smaller files than the default level, in half the time.
        figure.savefig(file, format="png", dpi=RESOLUTION, pil_kwargs={"compress_level": 3})
    return {"png": b64encode(file.getvalue()).decode(), "name": name, "caption": caption}


def _mosaic_figures(result: MatchResult) -> list[dict[str, str]]:
    if result.mosaic is None:
        return []
    ny, nx = result.mosaic.after.shape
    # As high as the image is, with its axes and its bar.
    size = SMALL[0], float(np.clip(3.9 * ny / nx + 1.1, 2.2, 6.5))
    return [
        _figure(partial(result.plot_mosaic, which=which), size, f"The mosaic: {which}", caption)
        for which, caption in MOSAIC_CAPTIONS.items()
    ]


def _sky_figure(result: MatchResult) -> dict[str, str] | None:
    if not any(len(corners) for corners in result.footprints):
        return None
    return _figure(result.plot_pairs, SKY, "Footprints and pairs on the sky", SKY_CAPTION)


def _pair_sections(result: MatchResult) -> Iterable[dict[str, Any]]:
    """Draw the worst pair and the median one, with the fitted numbers."""
    names = list(zip(map(str, result.pairs["first"]), map(str, result.pairs["second"]), strict=True))
    rows = [row for row in result.pairs_by_residual if names[row] in result.pictures]
    titles = {rows[len(rows) // 2]: "The median pair", rows[0]: "The worst pair"} if rows else {}
    for row, title in reversed(titles.items()):
        ends = names[row]
        name = f"{title}, {ends[0]} and {ends[1]}"
        yield {
            "title": f"{title}: {ends[0]} minus {ends[1]}",
            "fitted": _fitted(result.pairs[row], result.unit.replace(" ", "")),
            "figures": [
                _figure(partial(result.plot_pair, *ends, what=what), SMALL, f"{name}: {what}", text)
                for what, text in PAIR_CAPTIONS.items()
            ],
        }


def _fitted(pair: Any, unit: str) -> str:
    """List the numbers that were fitted to the differences of a pair."""
    text = ("first", "second", "stage", "used")
    number = {name: float(values_of(pair[name])) for name in pair.colnames if name not in text}
    parts = [
        f"Offset {number['offset']:.5g} ± {number['offset_error']:.2g} {unit} "
        f"(by noise {number['offset_error_noise']:.2g})",
        f"residual {number['residual']:.3g}",
        f"{number['n_cells']:.0f} cells",
    ]
    for name, where in (("shift", "arcsec along the grid"), ("slope", f"{unit}/arcmin")):
        if np.isfinite(number.get(f"{name}_x", np.nan)):
            along = (_measured(axis, number, name) for axis in "xy")
            parts.append(f"{name}s in {where}: {', '.join(along)}")
    return f"{'; '.join(parts)}."


def _measured(axis: str, number: Mapping[str, float], name: str) -> str:
    value, error = number[f"{name}_{axis}"], number[f"{name}_{axis}_error"]
    # Zero in an overlap one block wide.
    return f"{axis} {value:.3g} ± {error:.2g}" if value else f"{axis} not measured"


def _level_rows(result: MatchResult) -> dict[str, Any]:
    names = {
        "filename": "exposure",
        "level": "level",
        "level_error": "error",
        "level_error_noise": "by noise",
        "shift_ra": "shift east, arcsec",
        "shift_dec": "shift north, arcsec",
        "visit_id": "visit",
        "group": "group",
        "component": "component",
        "n_pairs": "pairs",
        "status": "status",
        "remark": "remark",
    }
    table = Table([result.levels[name] for name in names], names=list(names.values()), copy=False)
    return _printed("exposure", "Exposures", table)


def _pair_rows(result: MatchResult) -> list[dict[str, Any]]:
    names = {
        "first": "first",
        "second": "second",
        "stage": "stage",
        "offset": "offset",
        "offset_error": "error",
        "offset_error_noise": "by noise",
        "residual": "residual",
        "n_cells": "cells",
    }
    if not len(result.pairs):
        return []
    table = Table([result.pairs[name] for name in names], names=list(names.values()))
    table["sigma"] = result.pair_sigmas
    table["used"] = np.where(result.pairs["used"], "yes", "no")
    rows = result.pairs_by_residual
    note = f"The {MOST_PAIRS} worst of {len(rows)}; the saved table has all."
    printed = _printed("pair", "Pairs", table[rows[:MOST_PAIRS]])
    return [printed | {"note": note * (len(rows) > MOST_PAIRS)}]


def _printed(kind: str, title: str, table: Table) -> dict[str, Any]:
    """Print the numbers of a table with four digits."""
    is_number = [column.dtype.kind in "fiu" for column in table.itercols()]
    columns = [
        [_short(value) for value in values_of(column).tolist()] if number else map(str, column)
        for column, number in zip(table.itercols(), is_number, strict=True)
    ]
    heads = list(zip(table.colnames, is_number, strict=True))
    return {"kind": kind, "title": title, "heads": heads, "rows": list(zip(*columns, strict=True))}


def _short(value: float) -> str:
    if not np.isfinite(value):
        return "n/a"
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e6 else f"{value:.4g}"
