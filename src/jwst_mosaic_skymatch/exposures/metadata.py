"""Metadata of exposures: groups, and input that is refused before any pixel is read."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from astropy.io import fits

__all__ = [
    "Exposure",
    "Exposures",
    "check_exposures",
    "check_rerun",
    "differences_in",
    "family_names",
    "group_labels",
    "name_apart",
    "read_exposure",
    "read_headers",
]

# Places of metadata below ``meta``.
PATHS = {
    "visit_id": "observation.visit_id",
    "group_id": "group_id",
    "instrument": "instrument.name",
    "detector": "instrument.detector",
    "filter": "instrument.filter",
    "unit": "bunit_data",
    "pixel_area": "photometry.pixelarea_steradians",
    "s_region": "wcsinfo.s_region",
    "level": "background.level",
    "subtracted": "background.subtracted",
    "subarray": "subarray.name",
    "resample": "cal_step.resample",
}
# Keywords of these, and of the parts of a group, by extension.
KEYWORDS = {
    "PRIMARY": {
        "observation.program_number": "PROGRAM",
        "observation.observation_number": "OBSERVTN",
        "observation.visit_number": "VISIT",
        "observation.visit_group": "VISITGRP",
        "observation.sequence_id": "SEQ_ID",
        "observation.activity_id": "ACT_ID",
        "observation.exposure_number": "EXPOSURE",
        "observation.visit_id": "VISIT_ID",
        "instrument.name": "INSTRUME",
        "instrument.detector": "DETECTOR",
        "instrument.filter": "FILTER",
        "background.level": "BKGLEVEL",
        "background.subtracted": "BKGSUB",
        "subarray.name": "SUBARRAY",
        "cal_step.resample": "S_RESAMP",
    },
    "SCI": {
        "bunit_data": "BUNIT",
        "photometry.pixelarea_steradians": "PIXAR_SR",
        "wcsinfo.s_region": "S_REGION",
    },
}
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
        File name and place in the input, if another exposure has the same file name.
    visit_id, group_id : str or None
        Its visit, and jwst's group; see ``PATHS`` for the place of these and the next.
    instrument, detector, filter, unit : str or None
        Names, and BUNIT.
    pixel_area : float or None
        Area of a pixel, sr.
    s_region : str or None
        Footprint, as in S_REGION.
    level : float or None
        Level by an earlier run, MJy/sr.
    subtracted : bool or None
        Whether that was subtracted.
    subarray : str or None
        Name of its subarray.
    resample : str or None
        ``COMPLETE`` for a resampled image.
    group : object
        Value of the attribute that ``grouping`` names.
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
    resample: str | None = None
    group: Any = None

    @property
    def name(self) -> str:
        """Its name in messages and tables."""
        return self.alias or self.filename

    @property
    def subtracted_level(self) -> float:
        """Level that earlier runs have subtracted: absent from the data, but recorded, MJy/sr."""
        return (self.level or 0.0) if self.subtracted else 0.0


Exposures = Sequence[Exposure]


def read_exposure(
    index: int, expname: str, get: Callable[[str], Any], grouping: str = "visit"
) -> Exposure:
    """Describe an exposure by its metadata.

    Parameters
    ----------
    index : int
        Position in the library.
    expname : str
        Its name in the association, which counts where no file name is known.
    get : callable
        Takes a dotted name, such as ``meta.observation.visit_id``, and returns its value or
        None.
    grouping : str, optional
        See `group_labels`.

    Returns
    -------
    Exposure
        The exposure.
    """
    filename = Path(get("meta.filename") or expname).name
    metadata = {name: get(f"meta.{path}") for name, path in PATHS.items()}
    return Exposure(index, filename, expname, group=get(grouping), **metadata)


def read_headers(filename: str) -> dict[str, Any] | None:
    """Read the metadata of exposures from a FITS file, in a tenth of the time for all metadata.

    Parameters
    ----------
    filename : str
        The file.

    Returns
    -------
    dict or None
        Values by dotted name. None if the file is no FITS file of jwst, or has a group of its own:
        there is no keyword for it.
    """
    try:
        with fits.open(filename) as hdus:
            if b"group_id" in hdus["ASDF"].data.tobytes():
                return None
            return {
                f"meta.{path}": value
                for extension, keywords in KEYWORDS.items()
                for path, keyword in keywords.items()
                if (value := hdus[extension].header.get(keyword)) is not None
            }
    except (OSError, KeyError):
        return None


def name_apart(exposures: Iterable[Exposure]) -> tuple[Exposure, ...]:
    """Name exposures with one file name differently, and sort them all.

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
    times = Counter(exposure.filename for exposure in exposures)
    return tuple(
        replace(e, alias=f"{e.filename} (number {e.index + 1})") if times[e.filename] > 1 else e
        for e in exposures
    )


def check_exposures(exposures: Exposures) -> None:
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
    differences = differences_in(exposures, "instrument") + differences_in(exposures, "unit")
    is_per_area = (exposures[0].unit or "").lower().replace(" ", "").endswith("/sr")
    areas = {e.name: e.pixel_area for e in exposures if e.pixel_area and not is_per_area}
    if areas and max(areas.values()) > (1 + AREA_TOLERANCE) * min(areas.values()):
        largest = max(areas, key=areas.__getitem__)
        differences.append(f"{largest}: pixel area is larger than in other exposures")
    if differences:
        raise ValueError(f"{differences[0]}; make one association for each.")


def check_rerun(exposures: Exposures, *, subtract: bool) -> None:
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
        is_known = exposure.subtracted is not None
        if is_known != (exposure.level is not None):
            raise ValueError(
                f"{exposure.name}: of meta.background.level and meta.background.subtracted one is "
                f"set and the other is not; {remedy}"
            )
        if is_known and exposure.subtracted != subtract:
            raise ValueError(
                f"{exposure.name}: an earlier run was made with "
                f"subtract={exposure.subtracted}, this one has subtract={subtract}, which is "
                f"inconsistent; use subtract={exposure.subtracted} or {remedy}"
            )


def differences_in(exposures: Exposures, attribute: str) -> list[str]:
    """Name the first exposure that differs from most, if one does.

    Parameters
    ----------
    exposures : sequence of Exposure
        The exposures.
    attribute : str
        Attribute of an exposure.

    Returns
    -------
    list of str
        At most one clause.
    """
    values = [getattr(exposure, attribute) for exposure in exposures]
    (usual, _), *_ = Counter(values).most_common()
    return [
        f"{exposure.name}: {attribute} is {value}, but {usual} in other exposures"
        for exposure, value in zip(exposures, values, strict=True)
        if value != usual
    ][:1]


def group_labels(exposures: Exposures, grouping: str) -> list[str]:
    """Name the group of each exposure.

    Parameters
    ----------
    exposures : sequence of Exposure
        The exposures.
    grouping : str
        The property that members of a group share: 'visit', 'exposure' (jwst's group_id), 'none',
        or the dotted name of an attribute, such as ``meta.observation.visit_group``.

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
        # Of exposures with one file name none may fall into the group of another.
        return [
            Path(exposure.filename).stem + (f"_{exposure.index + 1}" if exposure.alias else "")
            for exposure in exposures
        ]
    named = {
        "visit": ("visit_id", "meta.observation.visit_id", "jw"),
        "exposure": ("group_id", "meta.group_id", ""),
    }
    # Labels are names of files, too.
    other = ("group", grouping, f"{grouping.rpartition('.')[2]}_")
    attribute, place, prefix = named.get(grouping, other)
    values = [getattr(exposure, attribute) for exposure in exposures]
    for exposure, value in zip(exposures, values, strict=True):
        if value in (None, ""):
            raise ValueError(
                f"{exposure.name}: {place} is missing, so that the exposure cannot be grouped by "
                f"{grouping}; set it, or use grouping='none'."
            )
    return [f"{prefix}{value}".replace("/", "_") for value in values]


def family_names(exposures: Exposures) -> list[str]:
    """Name alike the exposures whose backgrounds may have one gradient.

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
