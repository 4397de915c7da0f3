"""Levels and pairs as tables."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import QTable

from jwst_mosaic_skymatch.exposures.metadata import Exposure
from jwst_mosaic_skymatch.levels.results import Match
from jwst_mosaic_skymatch.tiles.grid import Grid

__all__ = [
    "details_of_levels",
    "levels_table",
    "pairs_table",
    "read_levels",
    "sky_gradients",
    "sky_shifts",
    "values_of",
]


# Of a table of levels, what another run needs of it.
HELD_COLUMNS = ("filename", "level", "level_error")


def levels_table(
    exposures: Sequence[Exposure],
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
        Levels as they are recorded in the exposures: with what earlier runs have subtracted.
    grid : Grid or None
        The grid, to express shifts on the sky; None where there are no shifts.
    unit : str or None
        Unit of the data.

    Returns
    -------
    `~astropy.table.QTable`
        One row for each exposure; ``group`` is the label of its stack. Errors are
        relative to the mean of the exposure's component; shifts (east, north) are
        those of the image on the sky relative to that mean. NaN where there is none.
        Gradients of the background (towards east and north) are there if they were
        to be fitted; zero where they are not significant.
    """
    stack = np.full(len(exposures), "", dtype=object)
    for one in match.stacks:
        stack[list(one.members)] = one.label
    shifts, errors = sky_shifts(match, grid)
    brightness = _unit(unit)
    table = QTable(
        {
            # Levels first: of a wide table astropy prints the ends.
            "filename": [exposure.name for exposure in exposures],
            "level": levels * brightness,
            "level_error": match.levels.errors * brightness,
            "visit_id": [exposure.visit_id or "" for exposure in exposures],
            "group": stack.astype(str),
            "component": match.levels.components,
            "shift_ra": shifts[:, 0] * u.arcsec,
            "shift_ra_error": errors[:, 0] * u.arcsec,
            "shift_dec": shifts[:, 1] * u.arcsec,
            "shift_dec_error": errors[:, 1] * u.arcsec,
            **_gradient_columns(match, grid, brightness),
            "n_pairs": _count_pairs(match, len(exposures)),
            "status": np.where(np.isfinite(levels), "COMPLETE", "SKIPPED"),
            "remark": _texts(_remarks(match)),
        },
        meta=_closure(match),
    )
    return _printed_short(table)


def pairs_table(
    exposures: Sequence[Exposure], match: Match, grid: Grid | None, unit: str | None
) -> QTable:
    """Tabulate all pairs that were compared.

    Parameters
    ----------
    exposures, match, grid, unit
        See `levels_table`.

    Returns
    -------
    `~astropy.table.QTable`
        One row for each pair: names of exposures (stage ``in-stack``) or of
        stacks (stage ``between stacks``), number of common cells, offset, its error and the
        part of that by noise, what is left of it after the solution, shift of the first relative
        to the second along the axes of the grid, and slopes of the differences along these,
        with errors by noise.
    """
    filenames = [exposure.name for exposure in exposures]
    labels = [*(stack.label for stack in match.stacks), "reference image"]
    rows = [("in-stack", filenames, pair) for pair in match.exposure_pairs]
    rows += [("between stacks", labels, pair) for pair in match.stack_pairs]
    pairs = [pair for _, _, pair in rows]
    measured = [pair.measurement for pair in pairs]
    brightness, cell = _unit(unit), (grid.cell_scale if grid else np.nan) * u.arcsec
    nothing = np.full(2, np.nan)
    shifts = [(m.shift.value, m.shift.errors) if m.shift else (nothing, nothing) for m in measured]
    shift, shift_error = np.moveaxis(np.array(shifts, dtype=float).reshape(-1, 2, 2), 1, 0)
    slope = np.array([m.estimate[1:3] for m in measured]).reshape(-1, 2)
    slope_error = np.array([np.sqrt(np.diag(m.covariance)[1:3]) for m in measured]).reshape(-1, 2)
    table = QTable(
        {
            "first": _texts(names[pair.measurement.first] for _, names, pair in rows),
            "second": _texts(names[pair.measurement.second] for _, names, pair in rows),
            "stage": _texts(stage for stage, _, _ in rows),
            "n_cells": np.array([m.quality.n_cells for m in measured], dtype=int),
            "offset": _numbers(m.offset for m in measured) * brightness,
            "offset_error": _numbers(pair.error for pair in pairs) * brightness,
            "offset_error_noise": _numbers(m.variance**0.5 for m in measured) * brightness,
            "residual": _numbers(pair.residual for pair in pairs) * brightness,
            "weight": _numbers(pair.robust_weight for pair in pairs),
        },
        meta=_closure(match),
    )
    for axis, name in enumerate("xy"):
        table[f"shift_{name}"] = shift[:, axis] * cell
        table[f"shift_{name}_error"] = shift_error[:, axis] * cell
    per_cell = brightness / cell.to(u.arcmin)
    for axis, name in enumerate("xy"):
        table[f"slope_{name}"] = slope[:, axis] * per_cell
        table[f"slope_{name}_error"] = slope_error[:, axis] * per_cell
    table["used"] = np.array([pair.used for pair in pairs], dtype=bool)
    return _printed_short(table)


def details_of_levels(match: Match) -> list[dict[str, Any]]:
    """Tell more about each level, as it is written into the models.

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
        {"group": groups.get(k, ""), "component": component, "level_error": error, "remark": reason}
        for k, (component, error, reason) in enumerate(
            zip(
                match.levels.components.tolist(),
                match.levels.errors.tolist(),
                _remarks(match),
                strict=True,
            )
        )
    ]


def _remarks(match: Match) -> list[str]:
    return [reason or match.remarks.get(k, "") for k, reason in enumerate(match.levels.reasons)]


def read_levels(
    path: Path, exposures: Sequence[Exposure], stem: Callable[[str], str]
) -> tuple[np.ndarray, np.ndarray]:
    """Read the levels of exposures from the table of an earlier run.

    Parameters
    ----------
    path : Path
        File of a `levels_table`.
    exposures : sequence of Exposure
        The exposures.
    stem : callable
        Reduces a file name to what is compared (without extension and without
        the suffix of a pipeline product).

    Returns
    -------
    levels, errors : ndarray, shape (n,)
        Level of each exposure and its error, in the unit of the exposures; NaN for one that
        the table does not list, or lists without a level.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no such table, has another unit, lists a file name twice that is wanted, or
        has no level of any exposure.
    """
    names, levels, errors = _read_columns(path, exposures[0].unit)
    wanted = [stem(exposure.filename) for exposure in exposures]
    listed = [stem(name) for name in names]
    times, times_listed = Counter(wanted), Counter(listed)
    for name in sorted(times.keys() & times_listed.keys()):
        if max(times[name], times_listed[name]) > 1:
            where = str(path) if times_listed[name] > 1 else "the input"
            raise ValueError(
                f"{name}: more than once in {where}, so that its level in reference={str(path)!r} "
                "is not clear; leave one of them."
            )
    rows = {name: k for k, name in enumerate(listed)}
    row = np.array([rows.get(name, -1) for name in wanted])
    # One more for those that are not listed.
    levels, errors = np.append(levels, np.nan)[row], np.append(errors, np.nan)[row]
    if not np.isfinite(levels).any():
        raise ValueError(
            f"{path}: has no level of any exposure of the input; give the table of an earlier run "
            "with some of these exposures."
        )
    return levels, errors


def _read_columns(path: Path, unit: str | None) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Read names, levels and errors of all rows."""
    remedy = "give <product>_skymatch_levels.ecsv of an earlier run (save_diagnostics)."
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such table of levels; {remedy}")
    try:
        table = QTable.read(path, format="ascii.ecsv")
    except Exception as error:  # whatever a broken table leads to
        what = str(error).partition("\n")[0]
        raise ValueError(
            f"{path}: cannot be read as a table ({type(error).__name__}: {what}); {remedy}"
        ) from None
    missing = [name for name in HELD_COLUMNS if name not in table.colnames]
    if missing:
        raise ValueError(f"{path}: no column {' and '.join(missing)}; {remedy}")
    try:
        levels, errors = (
            u.Quantity(_filled(table[name]), dtype=float).to_value(_unit(unit))
            for name in HELD_COLUMNS[1:]
        )
    except (TypeError, ValueError):
        raise ValueError(
            f"{path}: its levels are no numbers in the unit of the exposures, {unit} (the unit "
            f"there is {table['level'].unit}); give the table of a run on such exposures."
        ) from None
    return [str(name) for name in table["filename"]], levels, errors


def values_of(column: Any) -> np.ndarray:  # numpydoc ignore=PR01,RT01
    """Take the numbers of a column, or of a cell, without unit; NaN where there is none."""
    column = _filled(column)
    return np.asarray(getattr(column, "value", column), dtype=float)


def _filled(column: Any) -> Any:
    """Put NaN where a column of a table has no value."""
    return column.filled(np.nan) if hasattr(column, "filled") else column


def _printed_short(table: QTable) -> QTable:
    """Print six digits of numbers; the file has all."""
    for column in table.itercols():
        if column.dtype.kind == "f":
            column.info.format = ".6g"
    return table


def sky_shifts(  # numpydoc ignore=PR01,RT01
    match: Match, grid: Grid | None
) -> tuple[np.ndarray, np.ndarray]:
    """Give shifts (east, north) of all exposures and their 1-sigma errors, arcsec, (n, 2) each.

    NaN without a grid.
    """
    axes = grid.sky_axes if grid else np.full((2, 2), np.nan)
    return match.levels.shifts @ axes.T, np.sqrt(match.levels.shift_errors**2 @ (axes.T**2))


def sky_gradients(  # numpydoc ignore=PR01,RT01
    match: Match, grid: Grid
) -> tuple[np.ndarray, np.ndarray]:
    """Give gradients (towards east, north) and 1-sigma errors, MJy/sr per arcmin, (n, 2) each."""
    to_sky = 60.0 * np.linalg.inv(grid.sky_axes)
    backgrounds = match.backgrounds
    return backgrounds.gradients @ to_sky, np.sqrt(backgrounds.gradient_errors**2 @ to_sky**2)


def _gradient_columns(
    match: Match, grid: Grid | None, brightness: u.UnitBase
) -> dict[str, u.Quantity]:
    if not match.backgrounds.planes or grid is None:
        return {}
    columns = {}
    for suffix, values in zip(("", "_error"), sky_gradients(match, grid), strict=True):
        for axis, name in enumerate(("ra", "dec")):
            columns[f"gradient_{name}{suffix}"] = values[:, axis] * brightness / u.arcmin
    return {name: columns[name] for name in sorted(columns, reverse=True)}


def _count_pairs(match: Match, n: int) -> np.ndarray:
    """Count the pairs that each exposure takes part in, itself or in its stack."""
    count = np.zeros(n, dtype=int)
    for pair in match.exposure_pairs:
        count[[pair.measurement.first, pair.measurement.second]] += 1
    for pair in match.stack_pairs:
        for end in (pair.measurement.first, pair.measurement.second):
            if end < len(match.stacks):
                count[list(match.stacks[end].members)] += 1
    return count


def _closure(match: Match) -> dict[str, float]:
    chi2, dof = match.levels.closure
    return {"chi2": chi2, "dof": dof}


def _unit(name: str | None) -> u.UnitBase:
    return u.Unit(name) if name else u.dimensionless_unscaled


def _texts(values: Iterable[str]) -> np.ndarray:
    return np.array(list(values), dtype=str)


def _numbers(values: Iterable[float]) -> np.ndarray:
    return np.array(list(values), dtype=float)
