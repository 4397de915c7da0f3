"""What the step needs to know of each exposure, and whether it can be used.

Everything here is read from metadata alone, before any pixel, so that bad
input is refused before any work is done.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Member", "check_members", "check_rerun", "disagreements", "group_labels", "read_member"]

# Pixel areas of one detector vary by far less between observations.
AREA_TOLERANCE = 0.05


@dataclass(frozen=True)
class Member:
    """Metadata of one exposure.

    Attributes
    ----------
    index : int
        Position in the library.
    filename : str
        Name of the file, without directory.
    expname : str
        Its name in the association.
    visit_id, group_id : str or None
        ``meta.observation.visit_id`` and jwst's group.
    instrument, filter, unit : str or None
        ``meta.instrument.name``, ``.filter`` and ``meta.bunit_data``.
    pixel_area : float or None
        ``meta.photometry.pixelarea_steradians``.
    s_region : str or None
        Footprint, as in S_REGION.
    level : float or None
        ``meta.background.level``, MJy/sr.
    subtracted : bool or None
        ``meta.background.subtracted``.
    """

    index: int
    filename: str
    expname: str = ""
    visit_id: str | None = None
    group_id: str | None = None
    instrument: str | None = None
    filter: str | None = None
    unit: str | None = None
    pixel_area: float | None = None
    s_region: str | None = None
    level: float | None = None
    subtracted: bool | None = None

    @property
    def stem(self):
        """File name without extension."""
        return Path(self.filename).stem


def read_member(index, expname, get):
    """Make a member from an exposure's metadata.

    Parameters
    ----------
    index : int
        Position in the library.
    expname : str
        The association's name for the exposure, used when the metadata hold
        no file name.
    get : callable
        Takes a dotted name, such as ``meta.observation.visit_id``, and returns
        its value, or None where there is none.

    Returns
    -------
    Member
        What the metadata say; None for what they do not.
    """
    return Member(
        index=index,
        filename=Path(get("meta.filename") or expname).name,
        expname=expname,
        visit_id=get("meta.observation.visit_id"),
        group_id=get("meta.group_id"),
        instrument=get("meta.instrument.name"),
        filter=get("meta.instrument.filter"),
        unit=get("meta.bunit_data"),
        pixel_area=get("meta.photometry.pixelarea_steradians"),
        s_region=get("meta.wcsinfo.s_region"),
        level=get("meta.background.level"),
        subtracted=get("meta.background.subtracted"),
    )


def check_members(members):
    """Refuse exposures that cannot be compared with each other.

    Parameters
    ----------
    members : sequence of Member
        The exposures.

    Raises
    ------
    ValueError
        If there is none, if one is listed twice, or if instruments, units, or
        (for data that are not surface brightness) pixel areas differ.
    """
    if not members:
        raise ValueError(
            "The input has no science exposure: list at least one member with "
            'exptype "science" in the association.'
        )
    twice = [name for name, count in Counter(m.filename for m in members).items() if count > 1]
    if twice:
        raise ValueError(
            f"{', '.join(sorted(twice))}: listed more than once; remove the duplicate."
        )
    for what, values in (
        ("instrument", [m.instrument for m in members]),
        ("unit (BUNIT)", [m.unit for m in members]),
    ):
        odd = _odd_one(members, values)
        if odd:
            member, value, usual = odd
            raise ValueError(
                f"{member.filename}: {what} is {value}, but {usual} in the other exposures; "
                "make one association for each."
            )
    if not (members[0].unit or "").lower().replace(" ", "").endswith("/sr"):
        for warning in _area_differences(members):
            raise ValueError(warning)


def check_rerun(members, *, subtract):
    """Refuse a rerun that contradicts what an earlier run has done.

    Parameters
    ----------
    members : sequence of Member
        The exposures.
    subtract : bool
        Whether this run subtracts levels from the data.

    Raises
    ------
    ValueError
        Under the conditions under which ``SkyMatchStep`` raises it.
    """
    for m in members:
        if m.subtracted is None and m.level is None:
            continue
        if m.subtracted is None or m.level is None:
            there, missing = (
                ("level", "subtracted") if m.subtracted is None else ("subtracted", "level")
            )
            raise ValueError(
                f"{m.filename}: meta.background.{there} is set but meta.background.{missing} is "
                "not; start again from the file as calwebb_image2 wrote it."
            )
        if m.subtracted != subtract:
            raise ValueError(
                f"{m.filename}: an earlier run was made with subtract={m.subtracted}, this one has "
                f"subtract={subtract}, which is inconsistent; use subtract={m.subtracted} or start "
                "again from the file as calwebb_image2 wrote it."
            )


def disagreements(members):
    """Describe differences that deserve a warning.

    Parameters
    ----------
    members : sequence of Member
        The exposures.

    Returns
    -------
    list of str
        One sentence for each kind of difference: filters, pixel areas.
    """
    found = []
    odd = _odd_one(members, [m.filter for m in members])
    if odd:
        member, value, usual = odd
        found.append(
            f"{member.filename}: filter is {value}, but {usual} in other exposures; levels of "
            "different filters are not comparable where the sky has structure."
        )
    return found + _area_differences(members)


def _area_differences(members):
    areas = [m.pixel_area for m in members]
    known = [a for a in areas if a]
    if not known or max(known) <= (1 + AREA_TOLERANCE) * min(known):
        return []
    member = members[areas.index(max(known))]
    return [
        f"{member.filename}: pixel area is {max(known):.3g} sr, but {min(known):.3g} sr in other "
        "exposures; do the members come from different channels?"
    ]


def _odd_one(members, values):
    """Find the first member that differs from the commonest value."""
    counts = Counter(values)
    if len(counts) < 2:
        return None
    usual = max(counts, key=lambda value: (counts[value], str(value)))
    position = next(k for k, value in enumerate(values) if value != usual)
    return members[position], values[position], usual


def group_labels(members, grouping):
    """Name the group of each exposure.

    Parameters
    ----------
    members : sequence of Member
        The exposures.
    grouping : {'visit', 'exposure', 'none'}
        What makes a group: the same visit, the same exposure (jwst's
        group_id), or nothing.

    Returns
    -------
    list of str
        One label for each exposure.

    Raises
    ------
    ValueError
        If the metadata needed for the grouping are missing in an exposure.
    """
    if grouping == "none":
        return [m.stem for m in members]
    attribute = {"visit": "visit_id", "exposure": "group_id"}[grouping]
    for m in members:
        if not getattr(m, attribute):
            where = "meta.observation.visit_id" if grouping == "visit" else "meta.group_id"
            raise ValueError(
                f"{m.filename}: {where} is missing, so that the exposure cannot be grouped by "
                f"{grouping}; set it, or use grouping='none'."
            )
    prefix = "jw" if grouping == "visit" else ""
    return [f"{prefix}{getattr(m, attribute)}" for m in members]
