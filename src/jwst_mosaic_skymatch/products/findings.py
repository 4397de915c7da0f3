"""Findings: trouble in a run, each kind with its remedy, for warnings and the report."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.exposures.metadata import Exposures, differences_in, family_names
from jwst_mosaic_skymatch.levels.results import Levels

__all__ = [
    "Finding",
    "count",
    "empty_area",
    "findings_of_cases",
    "findings_of_input",
    "findings_of_unmatched",
    "findings_of_zero_point",
    "name_components",
    "names_at",
]

# Number of names in a sentence.
NAMED = 3


@dataclass(frozen=True)
class Finding:
    """Trouble of one kind in a run, the reason of one warning.

    Attributes
    ----------
    sentence : str
        The trouble, without a stop.
    remedy : str
        A remedy.
    exposures : tuple of str
        Names of the exposures, or groups, that it concerns.
    details : tuple of str
        One line for each case, the worst first.
    kind : str
        One or two words, for a table; empty where none needs it.
    """

    sentence: str
    remedy: str
    exposures: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    kind: str = ""

    @property
    def brief(self) -> str:
        """The worst case and the number of the others, for a verdict."""
        first, *others = self.details or (self.sentence,)
        return first + (f", and {len(others)} more" if others else "")

    def __str__(self) -> str:
        listed, more = "; ".join(self.details[:NAMED]), len(self.details) - NAMED
        others = f"; and {more} more" if more > 0 else ""
        cases = f": {listed}{others}" if listed else ""
        return f"{self.sentence}{cases}. What to do: {self.remedy}."


def count(number: int, name: str) -> str:
    """Put a number before a noun: no pairs, 1 pair, 2 pairs.

    Parameters
    ----------
    number : int
        The number.
    name : str
        The noun in the singular.

    Returns
    -------
    str
        Both.
    """
    return f"{number or 'no'} {name}{'' if number == 1 else 's'}"


def names_at(positions: Iterable[int], exposures: Exposures) -> tuple[str, ...]:
    """Give the names of some exposures.

    Parameters
    ----------
    positions : iterable of int
        Their positions.
    exposures : sequence of Exposure
        All exposures.

    Returns
    -------
    tuple of str
        The names.
    """
    return tuple(exposures[k].name for k in positions)


def name_components(components: np.ndarray, exposures: Exposures) -> list[str]:
    """Name some visits and detectors of each component.

    Parameters
    ----------
    components : ndarray of int, shape (n,)
        Component of each exposure; -1 for none.
    exposures : sequence of Exposure
        The exposures.

    Returns
    -------
    list of str
        A few names for each component.
    """
    families = np.array(family_names(exposures))
    names = [np.unique(families[components == k]) for k in range(components.max(initial=-1) + 1)]
    return [", ".join([*own[:NAMED], *["..."] * (len(own) > NAMED)]) for own in names]


def findings_of_cases(
    sentence: str, cases: Mapping[int, str], exposures: Exposures, remedy: str, kind: str = ""
) -> list[Finding]:
    """Warn of some exposures, with a few words about each.

    Parameters
    ----------
    sentence : str
        The trouble; ``{}`` stands for the share of exposures that it concerns.
    cases : mapping of int to str
        Words about each of these, by position, the worst first.
    exposures : sequence of Exposure
        All exposures.
    remedy : str
        A remedy.
    kind : str, optional
        See `Finding`.

    Returns
    -------
    list of Finding
        One, or none if there is no case.
    """
    if not cases:
        return []
    share = f"{len(cases)} of {len(exposures)} exposures"
    details = tuple(f"{exposures[k].name}: {words}" for k, words in cases.items())
    return [Finding(sentence.format(share), remedy, names_at(cases, exposures), details, kind)]


# --- Before the match, and beside it ------------------------------------------


def findings_of_input(exposures: Exposures) -> list[Finding]:
    """Warn of exposures that were subtracted or resampled before, or differ from each other.

    Parameters
    ----------
    exposures : sequence of Exposure
        The exposures.

    Returns
    -------
    list of Finding
        The warnings.
    """
    before = tuple(e.name for e in exposures if e.subtracted)
    findings = []
    if before:
        sentence = (
            f"Levels were subtracted from {len(before)} of {len(exposures)} exposures before; the "
            "levels of this run are subtracted too, and meta.background.level is the sum"
        )
        remedy = (
            "if the stock skymatch has done so, of which this step is a hook, skip it (skip=True)"
        )
        findings.append(Finding(sentence, remedy, before))
    resampled = tuple(e.name for e in exposures if e.resample == "COMPLETE")
    if resampled:
        sentence = (
            f"{resampled[0]}: is resampled, as {len(resampled)} of {len(exposures)} exposures are; "
            "the noise of such pixels is correlated, so that level_error is too small"
        )
        remedy = "match the calibrated exposures (_cal.fits)"
        findings.append(Finding(sentence, remedy, resampled))
    return findings + [
        Finding(
            f"{difference}; levels of different filters are not comparable where the sky has "
            "structure",
            "make one association for each kind of exposures",
        )
        for difference in differences_in(exposures, "filter")
    ]


def empty_area(parameter: str, file: str, effect: str) -> Finding:
    """Warn that no exposure has a pixel in an area.

    Parameters
    ----------
    parameter : str
        Parameter with the area.
    file : str
        File of the area.
    effect : str
        Fate of the pixels in the area.

    Returns
    -------
    Finding
        The warning.
    """
    return Finding(
        f"{parameter}={file}: no exposure has a pixel there, so that nothing is {effect}",
        "check whether its coordinates are those of this field",
    )


def findings_of_zero_point(
    levels: Levels,
    reference: str,
    positions: Sequence[int],
    unreached: Sequence[int],
    exposures: Exposures,
) -> list[Finding]:
    """Warn of components that the reference of the zero point does not reach.

    Parameters
    ----------
    levels : Levels
        Levels of the match.
    reference : str
        Its name.
    positions : sequence of int
        Exposures that are the reference; empty for an image or a table.
    unreached : sequence of int
        Components that it does not reach.
    exposures : sequence of Exposure
        The exposures.

    Returns
    -------
    list of Finding
        At most one warning.
    """
    if not len(unreached):
        return []
    effect = f"does not overlap {count(len(unreached), 'component')}"
    if positions and len(unreached) == len(levels.anchored):
        effect = f"has no level ({levels.reasons[positions[0]]})"
    visits = name_components(levels.components, exposures)
    return [
        Finding(
            f"The reference {reference} {effect}, whose levels are as usual (match_down)",
            "choose another reference: an image that covers all exposures, or one of them",
            names_at(np.flatnonzero(np.isin(levels.components, unreached)), exposures),
            tuple(f"no reference for {visits[k]}" for k in unreached),
        )
    ]


def findings_of_unmatched(
    exposures: Exposures, levels: np.ndarray, reasons: Sequence[str]
) -> list[Finding]:
    """Warn of exposures that could not be matched.

    Parameters
    ----------
    exposures : sequence of Exposure
        The exposures.
    levels : ndarray, shape (n,)
        Their levels; NaN for none.
    reasons : sequence of str
        Obstacle of each; empty for a matched one.

    Returns
    -------
    list of Finding
        One for exposures without a level, one for exposures with the common sky level alone.
    """
    remedy = "check pointing and data quality, add exposures in between, or leave it out"
    findings = []
    for has_level, sentence in (
        (False, "No level could be measured for {}; SKIPPED"),
        (True, "{} could not be matched: common sky level"),
    ):
        own = enumerate(zip(reasons, np.isfinite(levels), strict=True))
        cases = {k: reason for k, (reason, known) in own if reason and known == has_level}
        findings += findings_of_cases(sentence, cases, exposures, remedy)
    return findings
