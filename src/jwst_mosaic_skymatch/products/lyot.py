"""What users should be told about the fields of MIRI's Lyot coronagraph."""

from collections.abc import Collection, Sequence

from jwst_mosaic_skymatch.exposures.metadata import Exposure
from jwst_mosaic_skymatch.levels.pieces import PieceOffsets

__all__ = ["describe_links", "describe_pieces"]

# Exposures that are listed.
LISTED = 4


def describe_links(
    links: Collection[int], exposures: Sequence[Exposure], miri_lyot: str
) -> list[str]:
    """Say what becomes of exposures that overlap others only in a Lyot field.

    Parameters
    ----------
    links : collection of int
        Positions of the exposures whose Lyot field it is.
    exposures : sequence of Exposure
        All exposures.
    miri_lyot : str
        What becomes of the field.

    Returns
    -------
    list of str
        A warning, or none.
    """
    if not links or miri_lyot == "keep":
        return []
    names = ", ".join(exposures[k].name for k in sorted(links)[:LISTED])
    more = f" and {len(links) - LISTED} more" if len(links) > LISTED else ""
    what = f"Only the Lyot field of {names}{more} overlaps some other exposures"
    if miri_lyot == "auto":
        return [
            f"{what}, and is matched with the imager there: if its background differs from the "
            "imager's, these levels are off by that, which no error tells; miri_lyot='mask' "
            "leaves it out."
        ]
    return [
        f"{what}, and does not tie them (miri_lyot={miri_lyot!r}): their levels are not relative "
        "to each other, or missing; miri_lyot='keep' matches it with the imager."
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
