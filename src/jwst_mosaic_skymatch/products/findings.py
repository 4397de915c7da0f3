"""What users should know of a run, with whom it concerns and what to do."""

from collections.abc import Sequence
from dataclasses import dataclass

from jwst_mosaic_skymatch.exposures.metadata import Exposure

__all__ = ["Finding", "name_members"]

# Names that stand in a sentence.
NAMED = 3


@dataclass(frozen=True)
class Finding:
    """Something that users should know of a run.

    Attributes
    ----------
    sentence : str
        What the log says of it, whole.
    brief : str
        The same in so few words that several fit into a verdict; empty where no verdict needs it.
    remedy : str
        What to do about it.
    exposures : tuple of str
        Names of the exposures, or groups, that it concerns.
    kind : str
        One or two words, for a table; empty where none needs it.
    details : tuple of str
        Further lines for the log.
    """

    sentence: str
    brief: str = ""
    remedy: str = ""
    exposures: tuple[str, ...] = ()
    kind: str = ""
    details: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """All that the log says of it."""
        return (self.sentence, *self.details)


def name_members(
    positions: Sequence[int], exposures: Sequence[Exposure]
) -> str:  # numpydoc ignore=PR01,RT01
    """Name exposures by their visits where all of these are meant, else one by one; a few."""
    meant = set(positions)
    by_visit: dict[str, set[int]] = {}
    for k, exposure in enumerate(exposures):
        if exposure.visit_id:
            by_visit.setdefault(exposure.visit_id, set()).add(k)
    whole = {
        visit: members
        for visit, members in by_visit.items()
        if members <= meant and 1 < len(members) < len(exposures)
    }
    named = set[int]().union(*whole.values())
    singles = [exposures[k].name for k in sorted(meant - named)]
    shares = [_listed("visit", sorted(whole))] * bool(whole)
    shares += [_listed("exposure", singles)] * bool(singles)
    return " and ".join(shares)


def _listed(what: str, names: Sequence[str]) -> str:
    more = len(names) - NAMED
    text = ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
    if what == "visit":
        return f"visit{'s' * (len(names) > 1)} {text}"
    return text
