"""The report: one page with everything in it, that asks for nothing from elsewhere."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from jwst_mosaic_skymatch.products.tables import values_of
from jwst_mosaic_skymatch.report.archive import pairs_of_interest
from jwst_mosaic_skymatch.report.result import MatchResult
from jwst_mosaic_skymatch.report.svg import draw_svg
from jwst_mosaic_skymatch.report.verdict import round_sigmas, worst_seams

__all__ = [
    "Cell",
    "Column",
    "Figure",
    "Table",
    "environment",
    "make_figure",
    "make_table",
    "render_report",
]

# Rows of the table of pairs in a page; files have all. A row takes 0.4 kB.
MOST_PAIRS = 2000
# For a number that is not known.
MISSING = "n/a"
# Inches; small, so that text can be read when a figure is as wide as a phone.
SMALL, WIDE, SKY = (4.6, 3.9), (5.6, 3.2), (5.2, 5.2)


@dataclass(frozen=True)
class Figure:
    """A figure of the page.

    Attributes
    ----------
    svg : str
        The drawing.
    caption : str
        What to look for.
    """

    svg: Markup
    caption: str


@dataclass(frozen=True)
class Column:
    """A column of a table of the page.

    Attributes
    ----------
    title : str
        Its head.
    numeric : bool
        Whether it is sorted by numbers.
    """

    title: str
    numeric: bool


@dataclass(frozen=True)
class Cell:
    """A cell of a table of the page.

    Attributes
    ----------
    text : str
        What is shown.
    numeric : bool
        Whether it is a number.
    """

    text: str
    numeric: bool


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Attributes
    ----------
    kind : str
        What a row is: ``exposure`` or ``pair``, as in the figure of the sky.
    title : str
        Its name.
    columns : tuple of Column
        Its columns.
    rows : list of (int, list of Cell)
        Row in the table of the result, and cells.
    note : str
        What is not shown.
    """

    kind: str
    title: str
    columns: tuple[Column, ...]
    rows: list[tuple[int, list[Cell]]]
    note: str = ""


@cache
def environment() -> Environment:  # numpydoc ignore=RT01
    """Make what fills templates; all that is not marked as safe is escaped."""
    return Environment(
        loader=PackageLoader("jwst_mosaic_skymatch.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_report(result: MatchResult) -> str:
    """Write the report of a run.

    Parameters
    ----------
    result : MatchResult
        The result; without pictures, as from tables alone, their figures are left out.

    Returns
    -------
    str
        The page, HTML.
    """
    rows = {str(name): row for row, name in enumerate(result.levels["filename"])}
    seams = worst_seams(result.pairs)
    return (
        environment()
        .get_template("report.html.jinja")
        .render(
            result=result,
            state=_state(result),
            matched=np.count_nonzero(result.levels["status"] == "COMPLETE"),
            seams=seams,
            sigmas=[round_sigmas(seam.sigmas) for seam in seams or ()],
            seconds={stage: f"{time:.1f} s" for stage, time in result.provenance.seconds.items()},
            unit=result.unit.replace(" ", ""),
            mosaic=_mosaic_figures(result),
            sky=_sky_figure(result),
            levels=_levels_figure(result),
            pairs=_pair_figures(result),
            rows=rows,
            tables=[_levels_of(result), *_pairs_of(result)],
        )
    )


def _state(result: MatchResult) -> str:
    """Tell in one word how it went, for the colour of the verdict."""
    if not np.any(result.levels["status"] == "COMPLETE"):
        return "bad"
    return "doubt" if result.verdict.doubts else "good"


def _mosaic_figures(result: MatchResult) -> list[Figure]:
    if result.mosaic is None:
        return []
    captions = {
        "before": ("Before", "The exposures as they were given, averaged."),
        "after": ("After", "The same less their levels, in the same stretch."),
        "residual": (
            "What is left at overlaps",
            "Rms difference of the exposures that see a place, less their levels, in blocks of "
            "cells. Smooth is noise; patches are spoiled, ramps are gradients.",
        ),
    }
    return [
        make_figure(
            partial(result.plot_mosaic, which=which),
            SMALL,
            f"The mosaic: {title.lower()}",
            number,
            f"{title}. {caption}",
        )
        for number, (which, (title, caption)) in enumerate(captions.items())
    ]


def _sky_figure(result: MatchResult) -> Figure | None:
    if not any(len(corners) for corners in result.footprints):
        return None
    labels = {
        f"exposure-{row}": f"{name}, level {_short(level)}"
        for row, (name, level) in enumerate(
            zip(result.levels["filename"], values_of(result.levels["level"]), strict=True)
        )
    }
    for row, pair in enumerate(result.pairs):
        labels[f"pair-{row}"] = (
            f"{pair['first']} and {pair['second']}, residual {_short(values_of(pair['residual']))}"
        )
    return make_figure(
        result.plot_pairs,
        SKY,
        "Footprints and pairs on the sky",
        10,
        "Footprints by level, hatched without one; lines are pairs by what is left of them, broken "
        "if left out; arrows are shifts. Point at a footprint or a line to find its row below, or "
        "use the arrow keys; Enter goes there.",
        labels,
    )


def _levels_figure(result: MatchResult) -> Figure:
    return make_figure(
        result.plot_levels,
        WIDE,
        "Levels of all exposures, visit by visit",
        11,
        "Thick bars are errors by noise alone, thin ones all: with what gradients, gains and "
        "stripes do.",
    )


def _pair_figures(result: MatchResult) -> list[dict[str, Any]]:
    """Draw the worst pair and the median one, and say what was fitted."""
    rows = pairs_of_interest(result)
    kept = [
        row
        for row in rows
        if (str(result.pairs["first"][row]), str(result.pairs["second"][row])) in result.pictures
    ]
    if not kept:
        return []
    middle = min(kept, key=lambda row: abs(rows.index(row) - len(rows) // 2))
    shown = {"The worst pair": kept[0]}
    if middle != kept[0]:
        shown["The median pair"] = middle
    found = []
    for number, (title, row) in enumerate(shown.items()):
        pair = result.pairs[row]
        ends = str(pair["first"]), str(pair["second"])
        name = f"{title}, {ends[0]} and {ends[1]}"
        found.append(
            {
                "title": title,
                "ends": ends,
                "fitted": _fitted(pair, result),
                "figures": [
                    make_figure(
                        partial(result.plot_pair, *ends, what=what),
                        SMALL,
                        f"{name}: {what}",
                        20 + 2 * number + (what == "histogram"),
                        caption,
                    )
                    for what, caption in (
                        ("image", "Differences in blocks of cells."),
                        ("histogram", "Single cells; the last bins have all beyond."),
                    )
                ],
            }
        )
    return found


def _fitted(pair: Any, result: MatchResult) -> str:
    """Say what was fitted to the differences of a pair."""
    unit = result.unit.replace(" ", "")
    numbers = {
        name: float(values_of(pair[name]))
        for name in pair.colnames
        if name not in ("first", "second", "stage", "used")
    }
    text = (
        f"Offset {numbers['offset']:.5g} ± {numbers['offset_error']:.2g} {unit} "
        f"(by noise {numbers['offset_error_noise']:.2g}), of which {numbers['residual']:.3g} is "
        f"left after the levels; {numbers['n_cells']:.0f} cells"
    )
    if np.isfinite(numbers["shift_x"]):
        text += "; shift along the grid " + ", ".join(
            f"{axis} {numbers[f'shift_{axis}']:.3f} ± {numbers[f'shift_{axis}_error']:.3f} arcsec"
            for axis in "xy"
        )
    if np.isfinite(numbers.get("slope_x", np.nan)):
        text += f"; slopes {unit}/arcmin " + ", ".join(
            f"{axis} {numbers[f'slope_{axis}']:.3g} ± {numbers[f'slope_{axis}_error']:.2g}"
            if numbers[f"slope_{axis}"]  # zero where the overlap is one block wide
            else f"{axis} not measured"
            for axis in "xy"
        )
    return f"{text}."


def make_table(
    kind: str,
    title: str,
    columns: dict[str, Any],
    rows: Iterable[int],
    note: str = "",
) -> Table:
    """Make a table of a page.

    Parameters
    ----------
    kind, title, note
        See `Table`.
    columns : dict of str to sequence
        Values by head; floats are numbers.
    rows : iterable of int
        Which rows to show, in which order.

    Returns
    -------
    Table
        The table.
    """
    numeric = [np.asarray(values).dtype.kind in "fiu" for values in columns.values()]
    return Table(
        kind=kind,
        title=title,
        columns=tuple(Column(*c) for c in zip(columns, numeric, strict=True)),
        rows=[
            (
                row,
                [
                    Cell(_short(values[row]) if number else str(values[row]), number)
                    for values, number in zip(columns.values(), numeric, strict=True)
                ],
            )
            for row in rows
        ],
        note=note,
    )


def _levels_of(result: MatchResult) -> Table:
    table = result.levels
    columns: dict[str, Any] = {"exposure": table["filename"]}
    for head, name in (
        ("level", "level"),
        ("error", "level_error"),
        ("by noise", "level_error_noise"),
        ("shift east, arcsec", "shift_ra"),
        ("shift north, arcsec", "shift_dec"),
    ):
        columns[head] = values_of(table[name])
    columns |= {
        "visit": table["visit_id"],
        "group": table["group"],
        "component": np.asarray(table["component"]),
        "pairs": np.asarray(table["n_pairs"]),
        "status": table["status"],
        "remark": table["remark"],
    }
    return make_table("exposure", "Exposures", columns, range(len(table)))


def _pairs_of(result: MatchResult) -> list[Table]:
    table = result.pairs
    if not len(table):
        return []
    residual, error = values_of(table["residual"]), values_of(table["offset_error"])
    columns: dict[str, Any] = {
        "first": table["first"],
        "second": table["second"],
        "stage": table["stage"],
        "offset": values_of(table["offset"]),
        "error": error,
        "by noise": values_of(table["offset_error_noise"]),
        "residual": residual,
        "sigma": residual / np.maximum(error, 1e-30),
        "cells": np.asarray(table["n_cells"]),
        "used": np.where(np.asarray(table["used"], dtype=bool), "yes", "no"),
    }
    rows = pairs_of_interest(result)
    note = f"The {MOST_PAIRS} worst of {len(rows)}; the saved table has all."
    return [
        make_table(
            "pair", "Pairs", columns, rows[:MOST_PAIRS], note if len(rows) > MOST_PAIRS else ""
        )
    ]


def make_figure(
    draw: Callable[[Any], Any],
    size: tuple[float, float],
    name: str,
    number: int,
    caption: str,
    labels: Mapping[str, str] | None = None,
) -> Figure:
    """Make a figure of a page.

    Parameters
    ----------
    draw : callable
        Takes Axes.
    size : tuple of float
        Width and height, inches.
    name : str
        What it shows, for those who do not see it.
    number : int
        Its number in the page.
    caption : str
        What to look for.
    labels : mapping of str to str, optional
        Names of its parts that can be pointed at, see `draw_svg`.

    Returns
    -------
    Figure
        The figure.
    """
    svg = draw_svg(draw, size, name=name, number=number, labels=labels)
    return Figure(Markup(svg), caption)


def _short(value: Any) -> str:
    """Write a number with as many digits as one reads."""
    number = float(value)
    if not np.isfinite(number):
        return MISSING
    return f"{number:.0f}" if number == int(number) and abs(number) < 1e6 else f"{number:.4g}"
