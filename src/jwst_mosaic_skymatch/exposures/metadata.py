"""What the step needs to know of each exposure, and whether it can be used.

All of it is in the metadata, so that bad input is refused before any pixel is read.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

__all__ = [
    "Exposure",
    "check_exposures",
    "check_rerun",
    "describe_differences",
    "family_names",
    "group_labels",
    "name_apart",
    "read_exposure",
]

# Pixel areas of one detector vary by far less between observations.
AREA_TOLERANCE = 0.05


@dataclass(frozen=True)
class Exposure:
    """Metadata of one exposure.

    Attributes
    ----------
    index : int
        Position in the library.
    filename : str
        Name of the file, without directory.
    expname : str
        Its name in the association.
    alias : str or None
        Its path or its place in the input, if another exposure has the same file name.
    visit_id, group_id : str or None
        ``meta.observation.visit_id`` and jwst's group.
    instrument, detector, filter, unit : str or None
        ``meta.instrument.name``, ``.detector``, ``.filter`` and ``meta.bunit_data``.
    pixel_area : float or None
        ``meta.photometry.pixelarea_steradians``.
    s_region : str or None
        Footprint, as in S_REGION.
    level : float or None
        ``meta.background.level``, MJy/sr.
    subtracted : bool or None
        ``meta.background.subtracted``.
    subarray : str or None
        ``meta.subarray.name``.
    xstart, ystart : int or None
        Its first column and row on the detector, 1-based, ``meta.subarray.xstart`` and
        ``.ystart``.
    """

    index: int
    filename: str
    expname: str = ""
    alias: str | None = None
    visit_id: str | None = None
    group_id: str | None = None
    instrument: str | None = None
    detector: str | None = None
    filter: str | None = None
    unit: str | None = None
    pixel_area: float | None = None
    s_region: str | None = None
    level: float | None = None
    subtracted: bool | None = None
    subarray: str | None = None
    xstart: int | None = None
    ystart: int | None = None

    @property
    def name(self) -> str:
        """What messages and tables call it."""
        return self.alias or self.filename


def read_exposure(  # numpydoc ignore=PR01,RT01
    index: int, expname: str, get: Callable[[str], Any]
) -> Exposure:
    """Describe an exposure by its metadata.

    ``get`` takes a dotted name, such as ``meta.observation.visit_id``, and returns its value or
    None. Where no file name is among them, the association's name for the exposure is taken.
    """
    return Exposure(
        index=index,
        filename=Path(get("meta.filename") or expname).name,
        expname=expname,
        visit_id=get("meta.observation.visit_id"),
        group_id=get("meta.group_id"),
        instrument=get("meta.instrument.name"),
        detector=get("meta.instrument.detector"),
        filter=get("meta.instrument.filter"),
        unit=get("meta.bunit_data"),
        pixel_area=get("meta.photometry.pixelarea_steradians"),
        s_region=get("meta.wcsinfo.s_region"),
        level=get("meta.background.level"),
        subtracted=get("meta.background.subtracted"),
        subarray=get("meta.subarray.name"),
        xstart=get("meta.subarray.xstart"),
        ystart=get("meta.subarray.ystart"),
    )


def name_apart(exposures: Iterable[Exposure]) -> tuple[Exposure, ...]:
    """Give exposures with one file name different names, and sort them all.

    Parameters
    ----------
    exposures : iterable of Exposure
        The exposures.

    Returns
    -------
    tuple of Exposure
        In the order of file names, which the order of the input does not change.
    """
    exposures = sorted(exposures, key=lambda e: (e.filename, e.expname, e.index))
    filenames = Counter(exposure.filename for exposure in exposures)
    expnames = Counter(exposure.expname for exposure in exposures)
    return tuple(
        exposure
        if filenames[exposure.filename] == 1
        else replace(exposure, alias=exposure.expname)
        if expnames[exposure.expname] == 1
        else replace(exposure, alias=f"{exposure.name} (number {exposure.index + 1})")
        for exposure in exposures
    )


def check_exposures(exposures: Sequence[Exposure]) -> None:
    """Refuse exposures that cannot be compared with each other.

    Parameters
    ----------
    exposures : sequence of Exposure
        The exposures.

    Raises
    ------
    ValueError
        If there is none, or if instruments, units, or (for data that are not
        surface brightness) pixel areas differ.
    """
    if not exposures:
        raise ValueError(
            "The input has no science exposure: list at least one member with "
            'exptype "science" in the association.'
        )
    for attribute, what in (("instrument", "instrument"), ("unit", "unit (BUNIT)")):
        for difference in _differences(exposures, attribute, what):
            raise ValueError(f"{difference} the other exposures; make one association for each.")
    if not (exposures[0].unit or "").lower().replace(" ", "").endswith("/sr"):
        for difference in _area_differences(exposures):
            raise ValueError(difference)


def check_rerun(exposures: Sequence[Exposure], *, subtract: bool) -> None:
    """Refuse a rerun that contradicts what an earlier run has done.

    Parameters
    ----------
    exposures : sequence of Exposure
        The exposures.
    subtract : bool
        Whether this run subtracts levels from the data.

    Raises
    ------
    ValueError
        Under the conditions under which ``SkyMatchStep`` raises it.
    """
    remedy = "start again from the file as calwebb_image2 wrote it."
    for exposure in exposures:
        before = {name: getattr(exposure, name) for name in ("level", "subtracted")}
        missing = [name for name, value in before.items() if value is None]
        if len(missing) == 1:
            (there,) = before.keys() - missing
            raise ValueError(
                f"{exposure.name}: meta.background.{there} is set but "
                f"meta.background.{missing[0]} is not; {remedy}"
            )
        if not missing and exposure.subtracted != subtract:
            raise ValueError(
                f"{exposure.name}: an earlier run was made with "
                f"subtract={exposure.subtracted}, this one has subtract={subtract}, which is "
                f"inconsistent; use subtract={exposure.subtracted} or {remedy}"
            )


def describe_differences(exposures: Sequence[Exposure]) -> list[str]:  # numpydoc ignore=PR01,RT01
    """Describe differences of filters and pixel areas, a sentence for each."""
    filters = [
        f"{difference} other exposures; levels of different filters are not comparable where the "
        "sky has structure."
        for difference in _differences(exposures, "filter", "filter")
    ]
    return filters + _area_differences(exposures)


def _differences(exposures: Sequence[Exposure], attribute: str, what: str) -> list[str]:
    """Name the first exposure that differs from most, in half a sentence."""
    values = [getattr(exposure, attribute) for exposure in exposures]
    counts = Counter(values)
    usual = max(counts, key=lambda value: (counts[value], str(value)))
    return [
        f"{exposure.name}: {what} is {value}, but {usual} in"
        for exposure, value in zip(exposures, values, strict=True)
        if value != usual
    ][:1]


def _area_differences(exposures: Sequence[Exposure]) -> list[str]:
    measured = [exposure for exposure in exposures if exposure.pixel_area]
    areas = [exposure.pixel_area for exposure in measured if exposure.pixel_area]
    if not areas or max(areas) <= (1 + AREA_TOLERANCE) * min(areas):
        return []
    return [
        f"{measured[areas.index(max(areas))].name}: pixel area is {max(areas):.3g} sr, but "
        f"{min(areas):.3g} sr in other exposures; do the members come from different channels?"
    ]


def group_labels(exposures: Sequence[Exposure], grouping: str) -> list[str]:
    """Name the group of each exposure.

    Parameters
    ----------
    exposures : sequence of Exposure
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
        stems = [Path(exposure.filename).stem for exposure in exposures]
        counts = Counter(stems)
        # Of exposures with one file name none may fall into the group of another.
        return [
            stem if counts[stem] == 1 else f"{stem}_{exposure.index + 1}"
            for stem, exposure in zip(stems, exposures, strict=True)
        ]
    attribute, where, prefix = {
        "visit": ("visit_id", "meta.observation.visit_id", "jw"),
        "exposure": ("group_id", "meta.group_id", ""),
    }[grouping]
    for exposure in exposures:
        if not getattr(exposure, attribute):
            raise ValueError(
                f"{exposure.name}: {where} is missing, so that the exposure cannot be grouped "
                f"by {grouping}; set it, or use grouping='none'."
            )
    return [f"{prefix}{getattr(exposure, attribute)}" for exposure in exposures]


def family_names(exposures: Sequence[Exposure]) -> list[str]:
    """Name those exposures alike whose backgrounds may have one gradient.

    Parameters
    ----------
    exposures : sequence of Exposure
        The exposures.

    Returns
    -------
    list of str
        Visit and detector of each; its own name where it has no visit.
    """
    return [f"{e.visit_id} {e.detector}" if e.visit_id else e.name for e in exposures]
