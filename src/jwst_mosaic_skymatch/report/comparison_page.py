"""The page of a comparison."""

from typing import Any

import numpy as np

from jwst_mosaic_skymatch.products.tables import values_of
from jwst_mosaic_skymatch.report.compare import Comparison
from jwst_mosaic_skymatch.report.figures import draw_changes
from jwst_mosaic_skymatch.report.page import (
    MOST_PAIRS,
    SMALL,
    WIDE,
    Table,
    environment,
    make_figure,
    make_table,
)
from jwst_mosaic_skymatch.report.verdict import round_sigmas, worst_seams

__all__ = ["describe_comparison", "render_comparison"]


def render_comparison(comparison: Comparison) -> str:
    """Write the page of a comparison.

    Parameters
    ----------
    comparison : Comparison
        The comparison.

    Returns
    -------
    str
        The page, HTML.
    """
    return (
        environment()
        .get_template("comparison.html.jinja")
        .render(
            names=comparison.names,
            sentences=describe_comparison(comparison),
            changes=make_figure(
                lambda ax: draw_changes(ax, comparison),
                WIDE,
                "Differences of levels, visit by visit",
                1,
                "Second less first, about the mean of each component; bars are errors of the "
                "run that has them.",
            ),
            sides=[_side(comparison, k) for k in (0, 1)],
            tables=_tables(comparison),
        )
    )


def describe_comparison(comparison: Comparison) -> list[str]:
    """Say in sentences how two runs differ.

    Parameters
    ----------
    comparison : Comparison
        The comparison.

    Returns
    -------
    list of str
        How much levels differ, and the worst seam of each.
    """
    unit = comparison.results[0].unit.replace(" ", "")
    known = comparison.differences[np.isfinite(comparison.differences)]
    largest = float(np.abs(known).max()) if known.size else np.nan
    found = [
        f"Levels of {known.size} exposures differ by {comparison.rms:.3g} {unit} rms, "
        f"{largest:.3g} at most."
    ]
    for name, result in zip(comparison.names, comparison.results, strict=True):
        seams = worst_seams(result.pairs)
        if seams:
            before, after = seams
            found.append(
                f"{name}: worst seam before {before.size:.3g} {unit}, at {before.first} and "
                f"{before.second}; after {after.size:.3g} ({round_sigmas(after.sigmas)} sigma), at "
                f"{after.first} and {after.second}."
            )
    return found


def _side(comparison: Comparison, k: int) -> dict[str, Any]:
    """Draw one of the two."""
    result, name, figures = comparison.results[k], comparison.names[k], []
    if any(len(corners) for corners in result.footprints):
        figures.append(
            make_figure(
                result.plot_pairs,
                SMALL,
                f"{name}: levels and residuals on the sky",
                10 * k + 11,
                "Footprints by level, pairs by residual.",
            )
        )
    if result.mosaic:
        figures.append(
            make_figure(result.plot_mosaic, SMALL, f"{name}: mosaic", 10 * k + 10, "After.")
        )
    return {"name": name, "figures": figures}


def _tables(comparison: Comparison) -> list[Table]:
    first, second = comparison.results
    columns: dict[str, Any] = {
        "exposure": first.levels["filename"],
        "visit": first.levels["visit_id"],
        f"level, {comparison.names[0]}": values_of(first.levels["level"]),
        f"level, {comparison.names[1]}": values_of(second.levels["level"]),
        "difference": comparison.differences,
    }
    tables = [make_table("exposure", "Exposures", columns, range(len(first.levels)))]
    if len(first.pairs):
        left = [values_of(result.pairs["residual"]) for result in (first, second)]
        columns = {
            "first": first.pairs["first"],
            "second": first.pairs["second"],
            "offset": values_of(first.pairs["offset"]),
            f"residual, {comparison.names[0]}": left[0],
            f"residual, {comparison.names[1]}": left[1],
        }
        worst = np.nan_to_num(np.maximum(*np.abs(left)), nan=np.inf)
        rows = np.argsort(-worst, kind="stable")[:MOST_PAIRS].tolist()
        tables.append(make_table("pair", "Pairs", columns, rows))
    return tables
