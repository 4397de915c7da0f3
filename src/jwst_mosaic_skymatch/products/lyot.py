"""What users should be told about the fields of MIRI's Lyot coronagraph."""

from jwst_mosaic_skymatch.levels.pieces import PieceOffsets
from jwst_mosaic_skymatch.levels.results import Match
from jwst_mosaic_skymatch.products.findings import Finding

__all__ = ["describe_lyot", "describe_pieces", "findings_of_lyot"]

# Pairs that are listed.
LISTED = 4


def describe_lyot(match: Match) -> list[str]:
    """Say by how much Lyot fields lie above the imager, if that has been taken out.

    Parameters
    ----------
    match : Match
        The match.

    Returns
    -------
    list of str
        A line, or none.
    """
    lyot = match.lyot
    if not lyot.value:
        return []
    overlaps = "1 overlap" if lyot.n_pairs == 1 else f"{lyot.n_pairs} overlaps"
    return [
        f"Lyot fields lie {lyot.value:.4g} above the imager, error {lyot.error:.2g}, from "
        f"{overlaps}; levels are the imager's. miri_lyot='separate' subtracts that, too"
    ]


def findings_of_lyot(match: Match) -> list[Finding]:
    """Say which levels are as good as the assumption that Lyot fields lie as high as the imager.

    Parameters
    ----------
    match : Match
        The match.

    Returns
    -------
    list of Finding
        One, or none.
    """
    if not match.lyot_pairs:
        return []
    pairs = [match.stack_pairs[k].offset for k in match.lyot_pairs]
    names = [f"{match.stacks[p.first].label} and {match.stacks[p.second].label}" for p in pairs]
    more = f", and {len(names) - LISTED} more pairs" if len(names) > LISTED else ""
    what = f"{', '.join(names[:LISTED])}{more}"
    sentence = (
        f"Next to nothing but MIRI's Lyot field overlaps between {what}. If its background differs "
        "from the imager's, which no overlap tells, their levels are off by that, and level_error "
        "does not contain it; miri_lyot='mask' leaves it out."
    )
    return [
        Finding(
            sentence,
            "only the Lyot field ties some visits",
            "miri_lyot='mask' leaves it out",
            tuple(dict.fromkeys(match.stacks[k].label for p in pairs for k in (p.first, p.second))),
        )
    ]


def describe_pieces(offsets: PieceOffsets) -> list[str]:
    """Say by how much Lyot fields lie above their exposures, if there are any.

    Parameters
    ----------
    offsets : PieceOffsets
        Levels of the fields relative to their exposures.

    Returns
    -------
    list of str
        A line, or none.
    """
    n = len(offsets.owners)
    if not n:
        return []
    if not offsets.n_found:
        return [
            f"Lyot fields of {n} exposures are matched by themselves (miri_lyot), but nothing "
            "relates them to the imager: on average they have the levels of their exposures"
        ]
    return [
        f"Lyot fields lie {offsets.mean:.4g} above their exposures in the mean, scatter "
        f"{offsets.scatter:.2g}, from {offsets.n_found} of {n}; the others follow the mean"
    ]
