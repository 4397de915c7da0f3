"""One sentence on whether a run worked, and a short table for the log."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from astropy.table import QTable, Table

from jwst_mosaic_skymatch.products.findings import Finding
from jwst_mosaic_skymatch.products.tables import values_of

if TYPE_CHECKING:
    from jwst_mosaic_skymatch.report.result import MatchResult

__all__ = ["Closure", "Verdict", "group_table", "judge", "summary_lines"]

# Findings that a verdict names, and groups in the log: with heads and verdict 40 lines.
MOST_NAMED, MOST_GROUPS = 8, 35


@dataclass(frozen=True)
class Closure:
    """Agreement of offsets with differences of levels.

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
class Verdict:
    """Whether a run worked; its text is one sentence.

    Attributes
    ----------
    headline : str
        Numbers of exposures, components and ties; closure, and the worst seam before and after.
    remarks : tuple of str
        Each problem with its remedy.
    seams : tuple of (str, str)
        Height and ends of the worst seam before and after, of the pairs that the solution uses.
    """

    headline: str
    remarks: tuple[str, ...] = ()
    seams: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.headline}{'; look at: ' * bool(self.remarks)}{'; '.join(self.remarks)}."


def judge(result: "MatchResult") -> Verdict:
    """Judge whether a run worked.

    Parameters
    ----------
    result : MatchResult
        Its result.

    Returns
    -------
    Verdict
        The verdict.
    """
    levels, pairs = result.levels, result.pairs
    n, n_matched = len(levels), int(np.count_nonzero(levels["status"] == "COMPLETE"))
    named = [finding for finding in result.findings if finding.brief]
    if "match" not in result.method:
        text = f"Not matched (skymethod={result.method}): {n_matched} of {n} exposures have a level"
    else:
        word = "Matched in part" if n_matched else "Not matched"
        if n_matched == n:
            word = "Matched, with doubts" if named else "Matched"
        n_components = int(np.max(levels["component"], initial=-1)) + 1
        text = (
            f"{word}: {n_matched} of {n} exposures in {_count(n_components, 'component')}, "
            f"{_count(result.n_ties, 'tie')}; closure {result.closure}"
        )
    used = pairs[np.asarray(pairs["used"], dtype=bool)]
    columns = ("offset", "residual") if len(used) else ()
    seams = tuple(_worst_seam(used, column, result.unit) for column in columns)
    if seams:
        text += f"; worst seam {seams[0][0]} before, {seams[1][0]} after"
    return Verdict(text, _remarks_of(named), seams)


def _worst_seam(pairs: QTable, column: str, unit: str) -> tuple[str, str]:
    steps, noise = np.abs(values_of(pairs[column])), values_of(pairs["offset_error_noise"])
    k = int(np.argmax(steps))
    sigmas = steps[k] / noise[k] if noise[k] > 0 else np.inf if steps[k] else 0.0
    digits = f"{sigmas:.0f}" if sigmas >= 100.0 else f"{sigmas:.2g}"
    size = f"{steps[k]:.3g} {unit}".strip()
    return f"{size} ({digits} sigma)", f"{pairs['first'][k]} and {pairs['second'][k]}"


def _remarks_of(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Put findings in brief; a remedy that several in a row have in common stands once."""
    remarks: list[str] = []
    for remedy, alike in groupby(findings[:MOST_NAMED], key=lambda finding: finding.remedy):
        remarks += [finding.brief for finding in alike]
        remarks[-1] += f" ({remedy})" if remedy else ""
    n_more = len(findings) - MOST_NAMED
    return (*remarks, f"and {n_more} more") if n_more > 0 else tuple(remarks)


def group_table(levels: QTable, findings: Sequence[Finding] = ()) -> Table:
    """Summarize the exposures of each group.

    Parameters
    ----------
    levels : `~astropy.table.QTable`
        Table of levels.
    findings : sequence of Finding, optional
        Findings for the remarks.

    Returns
    -------
    `~astropy.table.Table`
        Group (or visit), number of exposures, mean level and median error in the unit of the
        data (NaN where there is none), status as in the headers, and remark.
    """
    keys = zip(levels["group"], levels["visit_id"], levels["filename"], strict=True)
    groups = np.array([group or (f"jw{visit}" if visit else name) for group, visit, name in keys])
    values, errors = values_of(levels["level"]), values_of(levels["level_error"])
    rows = []
    for group in dict.fromkeys(groups.tolist()):
        own = groups == group
        matched = own & np.isfinite(values)
        n, n_matched = np.count_nonzero(own), np.count_nonzero(matched)
        status = f"{n_matched} of {n}" if n_matched else "SKIPPED"
        status = "COMPLETE" if n_matched == n else status
        level = values[matched].mean() if n_matched else np.nan
        error = np.median(errors[matched]) if n_matched else np.nan
        names = {group, *levels["filename"][own]}
        remarks = [f.kind for f in findings if names.intersection(f.exposures)]
        remark = "; ".join(dict.fromkeys(filter(None, [*remarks, *levels["remark"][own]])))
        rows.append((group, n, level, error, status, remark))
    table = Table(rows=rows, names=("group", "n", "level", "error", "status", "remark"))
    table["level"].format, table["error"].format = ".5g", ".2g"
    return table


def summary_lines(levels: QTable, verdict: Verdict, findings: Sequence[Finding] = ()) -> list[str]:
    """Print a short table of groups, and the verdict below it.

    Parameters
    ----------
    levels : `~astropy.table.QTable`
        Table of levels.
    verdict : Verdict
        The verdict.
    findings : sequence of Finding, optional
        Findings for the remarks.

    Returns
    -------
    list of str
        At most 40 lines for any number of exposures. Groups that have a remark or lack levels
        take precedence.
    """
    table = group_table(levels, findings)
    is_good = (table["remark"] == "") & (table["status"] == "COMPLETE")
    printed = table[np.sort(np.argsort(is_good, kind="stable")[:MOST_GROUPS])]
    printed["group"].format = printed["remark"].format = "{:.40}"  # characters at most
    unit = str(getattr(levels["level"], "unit", None) or "").replace(" ", "")
    lines = [f"Levels by group{f', {unit}' if unit else ''}:"]
    lines += printed.pformat(max_lines=-1, max_width=-1, align=["<", ">", ">", ">", "<", "<"])
    if len(printed) < len(table):
        lines.append(f"... and {len(table) - len(printed)} more groups without remarks")
    return [*(line.rstrip() for line in lines), str(verdict)]


def _count(number: int, name: str) -> str:
    return f"{number or 'no'} {name}{'' if number == 1 else 's'}"
