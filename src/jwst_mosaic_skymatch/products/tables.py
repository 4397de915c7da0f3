"""Levels and pairs as tables, and levels in files: tables of earlier runs, and skylists."""

from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import QTable

from jwst_mosaic_skymatch.exposures.library import stem
from jwst_mosaic_skymatch.exposures.metadata import Exposures
from jwst_mosaic_skymatch.levels.results import Match, PairResult
from jwst_mosaic_skymatch.offsets.regression import UNKNOWN
from jwst_mosaic_skymatch.tiles.grid import Grid

__all__ = [
    "details_of_levels",
    "levels_table",
    "named_pairs",
    "pairs_table",
    "read_levels",
    "read_skylist",
    "sky_gradients",
    "write_skylist",
]

# Columns of numbers in the table of pairs.
NUMBERS = (
    *("offset", "offset_error", "offset_error_noise", "residual", "fitted_error", "weight"),
    *("shift_x", "shift_x_error", "shift_y", "shift_y_error"),
    *("slope_x", "slope_x_error", "slope_y", "slope_y_error"),
)
TABLE_REMEDY = "give <product>_skymatch_levels.ecsv of an earlier run (save_diagnostics)"
SKYLIST_REMEDY = "give a text file with a file name and a level in each line"


def levels_table(
    exposures: Exposures,
    match: Match,
    levels: np.ndarray,
    grid: Grid | None,
    unit: str | None,
) -> QTable:
    """Tabulate the level of each exposure.

    Parameters
    ----------
    exposures : sequence of Exposure
        The exposures.
    match : Match
        Their match, in the same order.
    levels : ndarray, shape (n,)
        Level to subtract from each exposure, MJy/sr; NaN for none. Levels that earlier runs have
        subtracted are added in the table.
    grid : Grid or None
        The grid, to express shifts on the sky; None where there are no shifts.
    unit : str or None
        Unit of the data.

    Returns
    -------
    `~astropy.table.QTable`
        One row for each exposure; ``group`` is the label of its stack. Errors are relative to the
        mean of the exposure's component. Shifts (east, north) are those of the image on the sky
        relative to that mean. NaN where there is none. Gradients of the background (towards east
        and north) are there if planes were asked for; zero where they are not significant.
    """
    brightness, details = _unit(unit), details_of_levels(match)
    columns = {
        # Levels first: of a wide table astropy prints the ends.
        "filename": [exposure.name for exposure in exposures],
        "level": (levels + [e.subtracted_level for e in exposures]) * brightness,
        "level_error": match.levels.errors * brightness,
        "visit_id": [exposure.visit_id or "" for exposure in exposures],
        "group": [detail["group"] for detail in details],
        "component": match.levels.components,
    }
    to_sky = grid.sky_axes.T if grid else np.full((2, 2), np.nan)
    shifts = match.levels.shifts @ to_sky, np.outer(match.levels.shift_errors, np.hypot(*to_sky))
    columns |= _sky_columns("shift", *shifts, u.arcsec)
    if match.backgrounds.planes and grid:
        columns |= _sky_columns("gradient", *sky_gradients(match, grid), brightness / u.arcmin)
    # Names of exposures and labels of stacks differ.
    times = Counter(chain(*(ends for ends, _ in named_pairs(match, exposures))))
    ends = zip(columns["filename"], columns["group"], strict=True)
    columns["n_pairs"] = [times[name] + times[group] for name, group in ends]
    columns["status"] = np.where(np.isfinite(levels), "COMPLETE", "SKIPPED")
    columns["remark"] = [detail["remark"] for detail in details]
    return _table(columns)


def _sky_columns(
    name: str, values: np.ndarray, errors: np.ndarray, unit: u.UnitBase
) -> dict[str, u.Quantity]:
    return {
        f"{name}_{axis}{suffix}": array[:, k] * unit
        for k, axis in enumerate(("ra", "dec"))
        for suffix, array in (("", values), ("_error", errors))
    }


def named_pairs(match: Match, exposures: Exposures) -> list[tuple[tuple[str, str], PairResult]]:
    """List all pairs with the names of both ends.

    Parameters
    ----------
    match : Match
        The match.
    exposures : sequence of Exposure
        Its exposures.

    Returns
    -------
    list of tuple of ((str, str), PairResult)
        Exposures of each pair inside a stack, then stacks of each pair between them.
    """
    names = [exposure.name for exposure in exposures]
    labels = [*(stack.label for stack in match.stacks), "reference image"]
    return [
        ((of[pair.measurement.first], of[pair.measurement.second]), pair)
        for of, pairs in ((names, match.exposure_pairs), (labels, match.stack_pairs))
        for pair in pairs
    ]


def pairs_table(exposures: Exposures, match: Match, grid: Grid | None, unit: str | None) -> QTable:
    """Tabulate all pairs that were compared.

    Parameters
    ----------
    exposures, match, grid, unit
        See `levels_table`.

    Returns
    -------
    `~astropy.table.QTable`
        One row for each pair. Names are those of exposures (stage ``in-stack``) or of stacks (stage
        ``between stacks``). The numbers are common cells, offset, its error and the part of that by
        noise, and the residual after the solution. ``fitted_error`` is that of the difference which
        the solution subtracts. Shift of the first relative to the second, and slopes of the
        differences, both along the axes of the grid, have errors by noise.
    """
    pairs = named_pairs(match, exposures)
    names = np.array([names for names, _ in pairs], dtype=str).reshape(-1, 2)
    is_inside = np.arange(len(pairs)) < len(match.exposure_pairs)
    brightness, cell = _unit(unit), (grid.cell_scale if grid else np.nan) * u.arcsec
    columns = {
        "first": names[:, 0],
        "second": names[:, 1],
        "stage": np.where(is_inside, "in-stack", "between stacks"),
        "n_cells": np.array([p.measurement.quality.n_cells for _, p in pairs], dtype=int),
    }
    scales = [brightness] * 5 + [1] + [cell] * 4 + [brightness / cell.to(u.arcmin)] * 4
    numbers = np.array([_numbers_of(pair) for _, pair in pairs]).reshape(-1, len(NUMBERS))
    for name, values, scale in zip(NUMBERS, numbers.T, scales, strict=True):
        columns[name] = values * scale
    columns["used"] = np.array([pair.used for _, pair in pairs], dtype=bool)
    return _table(columns)


def _numbers_of(pair: PairResult) -> list[float]:
    """List the numbers of a pair in the order of their columns, lengths in cells."""
    measurement = pair.measurement
    numbers = [measurement.offset, pair.error, measurement.variance**0.5]
    numbers += [pair.residual, pair.fitted_error, pair.robust_weight]
    # Shift and slopes, each with its error.
    variances = np.diag(measurement.covariance)[1:5]
    known = np.where(variances < UNKNOWN, 1.0, np.nan)
    trends = np.stack([measurement.estimate[1:5], np.sqrt(variances)]) * known
    return numbers + trends.T.ravel().tolist()


def details_of_levels(match: Match) -> list[dict[str, Any]]:
    """Describe each level by more than its value, as it is written into the models.

    Parameters
    ----------
    match : Match
        The match.

    Returns
    -------
    list of dict
        Group (label of its stack), component, ``level_error`` in MJy/sr and remark of each
        exposure; see `levels_table`.
    """
    groups = {k: stack.label for stack in match.stacks for k in stack.members}
    return [
        {
            "group": groups.get(k, ""),
            "component": int(match.levels.components[k]),
            "level_error": float(match.levels.errors[k]),
            "remark": reason or match.remarks.get(k, ""),
        }
        for k, reason in enumerate(match.levels.reasons)
    ]


def sky_gradients(match: Match, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Express gradients of backgrounds on the sky.

    Parameters
    ----------
    match : Match
        The match.
    grid : Grid
        Its grid.

    Returns
    -------
    gradients, errors : ndarray, shape (n, 2)
        Gradient of each exposure towards east and north, and its error, MJy/sr per arcmin.
    """
    to_sky = 60.0 * np.linalg.inv(grid.sky_axes)
    backgrounds = match.backgrounds
    return backgrounds.gradients @ to_sky, np.sqrt(backgrounds.gradient_errors**2 @ to_sky**2)


def _table(columns: dict[str, Any]) -> QTable:
    """Make a table that is printed with six digits; the file has all."""
    table = QTable(columns)
    for column in table.itercols():
        if column.dtype.kind == "f":
            column.info.format = ".6g"
    return table


def _unit(name: str | None) -> u.UnitBase:
    """Make the unit of the data; one that astropy does not know, such as counts/s, by its name."""
    unit = u.Unit(name or "", parse_strict="silent")
    return u.def_unit(name) if isinstance(unit, u.UnrecognizedUnit) else unit


# --- Tables of earlier runs, and skylists -------------------------------------


def read_levels(path: Path, exposures: Exposures) -> np.ndarray:
    """Read the levels of exposures from the table of an earlier run.

    Parameters
    ----------
    path : Path
        File of a `levels_table`.
    exposures : sequence of Exposure
        The exposures.

    Returns
    -------
    ndarray, shape (n,)
        Level of each exposure, in the unit of the exposures; NaN for one that the table does not
        list, or lists without a level.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no such table, has another unit, lists a file name twice that is wanted, or has no
        level of any exposure.
    """
    levels = _read(path, exposures, TABLE_REMEDY, format="ascii.ecsv")
    if not np.isfinite(levels).any():
        raise ValueError(f"{path}: has no level of any exposure of the input; {TABLE_REMEDY}.")
    return levels


def read_skylist(path: Path, exposures: Exposures) -> np.ndarray:
    """Read the level of each exposure from a list.

    Parameters
    ----------
    path : Path
        Text file with two columns separated by white space: file name (any suffix, any directory)
        and level in the units of the data. Empty lines and lines that start with ``#`` are ignored.
    exposures
        See `read_levels`.

    Returns
    -------
    ndarray, shape (n,)
        Level of each exposure.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no such text, or an exposure has no level there or several.
    """
    options = {"format": "ascii.no_header", "guess": False, "names": ["filename", "level"]}
    levels = _read(path, exposures, SKYLIST_REMEDY, **options)
    for k in np.flatnonzero(~np.isfinite(levels)).tolist():
        raise ValueError(f"{exposures[k].filename}: no level in {path}; add a line with it.")
    return levels


def _read(path: Path, exposures: Exposures, remedy: str, **options: Any) -> np.ndarray:
    """Read the level of each exposure, NaN for none."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; {remedy}.")
    try:
        table = QTable.read(path, **options)
        listed = [stem(str(name)) for name in table["filename"]]
        column, unit = table["level"], _unit(exposures[0].unit)
        column = column.filled(np.nan) if hasattr(column, "filled") else column
        # A column without a unit has that of the exposures.
        values = u.Quantity(column, getattr(column, "unit", None) or unit, dtype=float)
        level_of = dict(zip(listed, values.to_value(unit).tolist(), strict=True))
    except Exception as error:  # whatever a broken table leads to
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{path}: has no levels in {exposures[0].unit} ({type(error).__name__}: {reason}); "
            f"{remedy}."
        ) from None
    wanted = [stem(exposure.filename) for exposure in exposures]
    for name in wanted:
        if listed.count(name) > 1:
            raise ValueError(f"{name}: listed more than once in {path}; keep one line.")
    return np.array([level_of.get(name, np.nan) for name in wanted])


def write_skylist(exposures: Exposures, match: Match, levels: np.ndarray) -> str:
    """Write levels as a list that both this and the stock step read.

    Parameters
    ----------
    exposures : sequence of Exposure
        The exposures.
    match : Match
        Their match.
    levels : ndarray, shape (n,)
        Their levels, to all digits; NaN for none.

    Returns
    -------
    str
        The text of the list. The stock step needs a number for each exposure: one without a level
        has zero, with which nothing is subtracted, and a comment before it.

    Raises
    ------
    ValueError
        If planes are subtracted too, or names are equal, or contain comments or columns.
    """
    if any(match.backgrounds.planes):
        raise ValueError("levels alone are not enough beside planes (background='constant')")
    names = [exposure.filename for exposure in exposures]
    if len(set(map(stem, names))) < len(names) or any(set(name) & set(" #") for name in names):
        raise ValueError("names of exposures are equal, or contain a blank or #")
    lines = ["# Sky level of each exposure, in the units of its data; for skymethod='user'"]
    for name, level, reason in zip(names, levels.tolist(), match.levels.reasons, strict=True):
        if np.isnan(level):
            lines.append(f"# No level: {reason}")
        lines.append(f"{name} {float(np.nan_to_num(level))!r}")
    return "\n".join(lines) + "\n"
