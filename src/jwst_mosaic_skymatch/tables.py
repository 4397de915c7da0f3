"""What was found, as tables."""

import numpy as np
from astropy import units as u
from astropy.table import QTable

__all__ = ["levels_table", "pairs_table"]


def levels_table(members, match, levels, grid, unit):
    """Tabulate the level of each exposure.

    Parameters
    ----------
    members : sequence of Member
        The exposures.
    match : Match
        What was found, in the same order.
    levels : ndarray, shape (n,)
        Levels as they are recorded in the exposures.
    grid : Grid
        The grid, to express displacements on the sky.
    unit : str or None
        Unit of the data.

    Returns
    -------
    `~astropy.table.QTable`
        One row for each exposure. Errors are relative to the mean of the
        exposure's component; displacements (east, north) are those of the image
        on the sky relative to that mean. NaN where nothing was found.
    """
    group = np.full(len(members), "", dtype=object)
    for found in match.groups:
        group[list(found.members)] = found.label
    shifts, errors = sky_shifts(match, grid)
    n_pairs = _count_pairs(match, len(members))
    brightness = _unit(unit)
    return QTable(
        {
            "filename": [m.filename for m in members],
            "visit_id": [m.visit_id or "" for m in members],
            "group": group.astype(str),
            "component": match.components,
            "level": levels * brightness,
            "level_error": match.level_errors * brightness,
            "shift_ra": shifts[:, 0] * u.arcsec,
            "shift_ra_error": errors[:, 0] * u.arcsec,
            "shift_dec": shifts[:, 1] * u.arcsec,
            "shift_dec_error": errors[:, 1] * u.arcsec,
            "n_pairs": n_pairs,
            "status": np.where(np.isfinite(levels), "COMPLETE", "SKIPPED"),
        },
        meta=_closure(match),
    )


def pairs_table(members, match, grid, unit):
    """Tabulate all pairs that were compared.

    Parameters
    ----------
    members, match, grid, unit
        See `levels_table`.

    Returns
    -------
    `~astropy.table.QTable`
        One row for each pair: names of exposures (stage ``in-group``) or of
        groups (stage ``between groups``), number of common cells, offset and
        what is left of it after the solution, displacement of the first
        relative to the second along the axes of the grid.
    """
    names = [m.filename for m in members], [g.label for g in match.groups]
    rows = [
        (stage, labels[p.offset.first], labels[p.offset.second], p)
        for stage, labels, pairs in (
            ("in-group", names[0], match.member_pairs),
            ("between groups", names[1], match.group_pairs),
        )
        for p in pairs
    ]
    pairs = [row[3] for row in rows]
    brightness = _unit(unit)

    def column(read, unit, dtype=float):
        return np.array([read(p) for p in pairs], dtype=dtype) * unit

    cell = grid.cell_scale * u.arcsec
    table = QTable(
        {
            "first": np.array([row[1] for row in rows], dtype=str),
            "second": np.array([row[2] for row in rows], dtype=str),
            "stage": np.array([row[0] for row in rows], dtype=str),
            "n_cells": column(lambda p: p.offset.n_cells, 1, int),
            "offset": column(lambda p: p.offset.value, brightness),
            "offset_error": column(lambda p: p.offset.variance**0.5, brightness),
            "residual": column(lambda p: p.residual, brightness),
            "weight": column(lambda p: p.weight, brightness**-2),
        },
        meta=_closure(match),
    )
    for axis, name in enumerate("xy"):
        table[f"shift_{name}"] = column(lambda p, k=axis: p.offset.shift[k], cell)
        table[f"shift_{name}_error"] = column(
            lambda p, k=axis: p.offset.shift_variance[k] ** 0.5, cell
        )
    table["used"] = column(lambda p: p.used, 1, bool).astype(bool)
    return table


def sky_shifts(match, grid):
    """Express the displacement of each exposure on the sky.

    Parameters
    ----------
    match : Match
        What was found.
    grid : Grid
        The grid.

    Returns
    -------
    shifts, errors : ndarray, shape (n, 2)
        East and north, arcsec, and their 1-sigma errors; NaN where not fitted.
    """
    axes = grid.sky_axes
    return match.shifts @ axes.T, np.sqrt(match.shift_variances @ (axes.T**2))


def _count_pairs(match, n):
    """Count the pairs that each exposure takes part in, itself or in its group."""
    count = np.zeros(n, dtype=int)
    for pair in match.member_pairs:
        count[[pair.offset.first, pair.offset.second]] += 1
    for pair in match.group_pairs:
        for end in (pair.offset.first, pair.offset.second):
            count[list(match.groups[end].members)] += 1
    return count


def _closure(match):
    chi2, dof = match.closure
    return {"chi2": chi2, "dof": dof}


def _unit(name):
    return u.Unit(name) if name else u.dimensionless_unscaled
