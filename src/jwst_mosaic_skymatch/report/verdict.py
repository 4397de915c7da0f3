"""One sentence that says whether a run worked, and a short table for the log."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.table import QTable

from jwst_mosaic_skymatch.products.findings import Finding
from jwst_mosaic_skymatch.products.tables import values_of

__all__ = [
    "Closure",
    "GroupRow",
    "Seam",
    "Verdict",
    "group_rows",
    "judge",
    "round_sigmas",
    "summary_lines",
    "worst_seams",
]

# Findings that a verdict names, and lines that a table of groups has at most.
NAMED = 8
LONGEST = 36
# Characters of a name, and of a remark, in the table.
WIDEST_NAME, WIDEST_REMARK = 36, 44


@dataclass(frozen=True)
class Closure:
    """How well offsets agree with differences of levels.

    Attributes
    ----------
    chi2, dof : float
        Chi2 of all pairs, and its degrees of freedom.
    """

    chi2: float
    dof: float

    def __str__(self) -> str:
        return f"chi2 {self.chi2:.4g} for {self.dof:.4g} degrees of freedom"


@dataclass(frozen=True)
class Seam:
    """A step at an overlap.

    Attributes
    ----------
    size : float
        Its height, in the unit of the data.
    sigmas : float
        The same in units of the overlap's noise.
    first, second : str
        Exposures or stacks at its two sides.
    """

    size: float
    sigmas: float
    first: str
    second: str


@dataclass(frozen=True)
class Verdict:
    """Whether a run worked; its text is one sentence.

    Attributes
    ----------
    headline : str
        How many exposures, components and ties; closure, and the worst seam before and after.
    doubts : tuple of str
        What is to be looked at, and what to do about it.
    """

    headline: str
    doubts: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.headline}{'; look at: ' * bool(self.doubts)}{'; '.join(self.doubts)}."


@dataclass(frozen=True)
class GroupRow:
    """What the exposures of a group have in common.

    Attributes
    ----------
    name : str
        The group.
    n, n_matched : int
        Number of exposures, and of those that have a level.
    level, error : float
        Mean level and median error of these, in the unit of the data; NaN where there is none.
    remark : str
        What is wrong.
    """

    name: str
    n: int
    n_matched: int
    level: float
    error: float
    remark: str

    @property
    def status(self) -> str:
        """Whether all have a level, as in the headers."""
        if self.n_matched == self.n:
            return "COMPLETE"
        return f"{self.n_matched} of {self.n}" if self.n_matched else "SKIPPED"


def worst_seams(pairs: QTable) -> tuple[Seam, Seam] | None:
    """Find the highest steps before and after.

    Parameters
    ----------
    pairs : `~astropy.table.QTable`
        Table of pairs.

    Returns
    -------
    tuple of Seam or None
        The worst with all levels left in, and the worst of what remains; of the overlaps that are
        used, since what is wrong with the others is no seam of levels. None without such pairs.
    """
    used = pairs[np.asarray(pairs["used"], dtype=bool)] if len(pairs) else pairs
    if not len(used):
        return None
    noise = values_of(used["offset_error_noise"])

    def worst(column: str) -> Seam:
        steps = np.abs(values_of(used[column]))
        k = int(np.argmax(steps))
        sigmas = float(steps[k] / noise[k]) if noise[k] > 0 else np.inf * steps[k]
        return Seam(float(steps[k]), sigmas, str(used["first"][k]), str(used["second"][k]))

    return worst("offset"), worst("residual")


def judge(
    method: str,
    levels: QTable,
    pairs: QTable,
    closure: Closure,
    n_ties: int,
    findings: Sequence[Finding],
) -> Verdict:
    """Say whether a run worked, and what is to be looked at.

    Parameters
    ----------
    method : str
        The ``skymethod``.
    levels, pairs : `~astropy.table.QTable`
        Tables of levels and pairs.
    closure : Closure
        Closure of the pairs.
    n_ties : int
        Number of exposures whose detectors tie components.
    findings : sequence of Finding
        What is wrong.

    Returns
    -------
    Verdict
        The verdict.
    """
    n, n_found = len(levels), int(np.count_nonzero(levels["status"] == "COMPLETE"))
    named = [finding for finding in findings if finding.brief]
    word = "Matched" if n_found == n else "Matched in part" if n_found else "Not matched"
    if "match" not in method:
        text = f"Not matched (skymethod={method}): {n_found} of {n} exposures have a level"
    else:
        components = np.asarray(levels["component"])
        text = (
            f"{word}{', with doubts' * bool(named and n_found == n)}: {n_found} of {n} exposures "
            f"in {_count(int(components.max(initial=-1)) + 1, 'component')}, "
            f"{_count(n_ties, 'tie') if n_ties else 'no ties'}; closure {closure}"
        )
    seams = worst_seams(pairs)
    if seams:
        unit = _unit(pairs["offset"])
        before, after = (f"{s.size:.3g}{unit} ({round_sigmas(s.sigmas)} sigma)" for s in seams)
        text += f"; worst seam {before} before, {after} after"
    briefs = []
    for finding, following in zip(named[:NAMED], [*named[1:NAMED], None], strict=False):
        # What several have in common is said once.
        again = following is not None and following.remedy == finding.remedy
        briefs.append(finding.brief + f" ({finding.remedy})" * bool(finding.remedy and not again))
    more = len(named) - NAMED
    briefs += [f"and {more} more"] * (more > 0)
    return Verdict(text, tuple(briefs))


def group_rows(levels: QTable, findings: Sequence[Finding] = ()) -> list[GroupRow]:
    """Summarize the exposures of each group.

    Parameters
    ----------
    levels : `~astropy.table.QTable`
        Table of levels.
    findings : sequence of Finding, optional
        What is wrong, for the remarks.

    Returns
    -------
    list of GroupRow
        In the order of the table; exposures without a group count by visit.
    """
    names = np.array([_group_of(row) for row in levels["group", "visit_id", "filename"]])
    order = dict.fromkeys(names.tolist())
    values, errors = values_of(levels["level"]), values_of(levels["level_error"])
    remarks = np.asarray(levels["remark"])
    rows = []
    for name in order:
        own = np.flatnonzero(names == name)
        found = own[np.isfinite(values[own])]
        concerned = {name, *(str(filename) for filename in levels["filename"][own])}
        kinds = [f.kind for f in findings if f.kind and concerned & set(f.exposures)]
        said = list(dict.fromkeys([*kinds, *(r for r in remarks[own].tolist() if r)]))
        rows.append(
            GroupRow(
                name=name,
                n=own.size,
                n_matched=found.size,
                level=float(values[found].mean()) if found.size else np.nan,
                error=float(np.median(errors[found])) if found.size else np.nan,
                remark="; ".join(said),
            )
        )
    return rows


def summary_lines(levels: QTable, verdict: Verdict, findings: Sequence[Finding] = ()) -> list[str]:
    """Write a short table of groups, and the verdict below it.

    Parameters
    ----------
    levels : `~astropy.table.QTable`
        Table of levels.
    verdict : Verdict
        The verdict.
    findings : sequence of Finding, optional
        What is wrong, for the remarks.

    Returns
    -------
    list of str
        At most 40 lines, whatever the number of exposures: of more groups those that have a remark
        or lack levels come first.
    """
    rows = group_rows(levels, findings)
    shown = rows
    if len(rows) > LONGEST:
        wrong = [row for row in rows if row.remark or row.n_matched < row.n]
        chosen = {row.name for row in [*wrong, *(r for r in rows if r not in wrong)][:LONGEST]}
        shown = [row for row in rows if row.name in chosen]
    width = max([5, *(min(len(row.name), WIDEST_NAME) for row in shown)])
    unit = _unit(levels["level"]).strip()
    head = f"{'group':<{width}} {'n':>4} {'level':>12} {'error':>10}  {'status':<12} remark"
    lines = [f"Levels by group{f', {unit}' * bool(unit)}:", head]
    lines += [
        f"{_cut(row.name, WIDEST_NAME):<{width}} {row.n:>4} {row.level:>12.5g} {row.error:>10.2g}  "
        f"{row.status:<12} {_cut(row.remark, WIDEST_REMARK)}".rstrip()
        for row in shown
    ]
    if len(shown) < len(rows):
        lines.append(f"... and {len(rows) - len(shown)} more groups without remarks")
    return [*lines, str(verdict)]


def _group_of(row: Any) -> str:
    group, visit, name = (str(value) for value in row)
    return group or (f"jw{visit}" if visit else name)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _unit(column: Any) -> str:
    unit = getattr(column, "unit", None)
    return f" {unit}".replace(" / ", "/") if unit is not None and str(unit) else ""


def round_sigmas(sigmas: float) -> str:  # numpydoc ignore=PR01,RT01
    """Write a number of sigmas with two digits, or those before the point."""
    return f"{sigmas:.0f}" if sigmas >= 100.0 else f"{sigmas:.2g}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
