"""Parameters as people give them, which contradict each other, and what numerics make of them."""

import os
from collections.abc import Mapping
from numbers import Integral
from typing import Any

from stpipe import config_parser

from jwst_mosaic_skymatch.exposures.areas import read_area
from jwst_mosaic_skymatch.exposures.library import expand
from jwst_mosaic_skymatch.exposures.pixels import good_bits
from jwst_mosaic_skymatch.exposures.sky import SkyStatistic
from jwst_mosaic_skymatch.match import MatchSettings
from jwst_mosaic_skymatch.offsets.measure import PairSettings
from jwst_mosaic_skymatch.offsets.statistic import Statistic
from jwst_mosaic_skymatch.tiles.exclusion import Exclusion
from jwst_mosaic_skymatch.tiles.observation import TileSettings

__all__ = [
    "REPLACED",
    "REPLACED_SPEC",
    "PlainParameters",
    "check_combination",
    "exclusion",
    "is_table",
    "match_settings",
    "sky_statistic",
    "workers_of",
]

CLIPPING = ("nclip", "lsigma", "usigma", "binwidth")
# Planes of each visit and detector, or of each exposure.
PLANES = {"constant": None, "plane": "group", "plane_per_exposure": "exposure"}
#: Parameters before version 0.1: the value that changes nothing now, and what to do about others.
REPLACED: Mapping[str, tuple[Any, str]] = {
    "plane_per": ("group", "give background='plane_per_exposure' for planes of exposures"),
    "fixed": (None, "give the table of levels as reference"),
    "dask_scheduler": (None, "give the address of the scheduler as maximum_cores"),
    "save_tiles": (False, "give save_diagnostics=True, which saves tiles too"),
    "weight": (True, "remove it, as pairs always have weights"),
    "fit_shift": (True, "remove it, as shifts are always fitted"),
    "shift_threshold": (0.1, "remove it, as the limit is always 0.1 native pixels"),
}
#: Lines that let stpipe take them from any way in, so that one error refuses them.
REPLACED_SPEC = "\n        ".join(
    f"{name} = pass(default=None) # replaced: {remedy}" for name, (_, remedy) in REPLACED.items()
)


class PlainParameters:
    """For a step or pipeline: takes paths of `pathlib`, a number of cores as a number, and None.

    Specifications of stpipe have only text for all of them; None is the ``grouping`` named 'none'.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **_plain(kwargs))

    @classmethod
    def from_config_section(
        cls, config: config_parser.Section, *args: Any, **kwargs: Any
    ) -> Any:  # numpydoc ignore=PR01,RT01
        """Make a step of a configuration; see `stpipe.Step.from_config_section`."""
        config.walk(_make_plain)
        # Mixed into what has this method.
        return super().from_config_section(config, *args, **kwargs)  # type: ignore[misc]

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, _as_text(name, value))


def _as_text(name: str, value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if name == "maximum_cores" and isinstance(value, Integral):
        return str(value)
    if name == "grouping" and value is None:
        return "none"  # as in scripts for the prototype of 2023
    return value


def _plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Copy parameters, those of a pipeline's steps included."""
    return {
        name: _plain(value) if _is_plain_dict(value) else _as_text(name, value)
        for name, value in parameters.items()
    }


def _is_plain_dict(value: Any) -> bool:
    """Tell a user's dict from a section of a configuration, which stays as it is."""
    return isinstance(value, dict) and not isinstance(value, config_parser.Section)


def _make_plain(section: config_parser.Section, name: str) -> None:
    section[name] = _as_text(name, section[name])


def check_combination(parameters: Mapping[str, Any]) -> list[str]:
    """Refuse parameters that contradict each other, before any work.

    Parameters
    ----------
    parameters : mapping
        Values of all parameters of the step, by name.

    Returns
    -------
    list of str
        What to say of parameters that have no effect together.

    Raises
    ------
    ValueError
        If parameters contradict each other; the message says which, and what to do.
    """
    for name, (unchanged, remedy) in REPLACED.items():
        if parameters.get(name) not in (None, unchanged):
            raise ValueError(f"{name} is no parameter since version 0.1: {remedy}.")
    lower, upper, skymethod = (parameters[name] for name in ("lower", "upper", "skymethod"))
    if None not in (lower, upper) and lower >= upper:
        raise ValueError(f"lower={lower} is not below upper={upper}.")
    background, reference = parameters["background"], parameters["reference"]
    matched, table = "match" in skymethod, bool(reference) and is_table(reference)
    if matched and background != "constant":
        _check_plane(background, reference if table else None, subtract=parameters["subtract"])
    lines = []
    if background != "constant" and not matched:
        lines.append(f"background={background} has no effect on skymethod={skymethod}")
    if reference and not (matched if table else skymethod == "match"):
        lines.append(f"reference={reference} has no effect on skymethod={skymethod}")
    return lines


def _check_plane(background: str, table: str | None, *, subtract: bool) -> None:
    """Refuse a plane that could not be fitted or subtracted."""
    if not subtract:
        raise ValueError(
            f"background={background!r} needs subtract=True: later steps subtract one number of "
            "each exposure, no plane."
        )
    if table:
        raise ValueError(
            f"background={background!r} and reference={table!r}: a table holds levels, no planes; "
            "give one of them."
        )


def is_table(reference: str) -> bool:  # numpydoc ignore=PR01,RT01
    """Tell by its extension whether a reference is a table of levels."""
    return reference.lower().endswith(".ecsv")


def workers_of(maximum_cores: str) -> tuple[str, str | None]:  # numpydoc ignore=PR01,RT01
    """Separate numbers of cores from the address of a Dask scheduler, which has a colon."""
    return ("1", maximum_cores) if ":" in maximum_cores else (maximum_cores, None)


def match_settings(parameters: Mapping[str, Any]) -> MatchSettings:  # numpydoc ignore=PR01,RT01
    """Say how images are compared; of parameters of the step, by name."""
    clipping = {name: parameters[name] for name in CLIPPING}
    is_global = parameters["skymethod"] != "match"
    return MatchSettings(
        tiles=TileSettings(
            good_bits=good_bits(parameters["dqbits"]),
            lower=parameters["lower"],
            upper=parameters["upper"],
            sky_statistic=sky_statistic(parameters) if is_global else None,
        ),
        pairs=PairSettings(
            statistic=Statistic(name=parameters["offset_stat"], **clipping),
            keep_picture=parameters["save_diagnostics"],
        ),
        rigid=parameters["grouping"] == "exposure",
        tied=parameters["tie_detectors"],
        plane_per=PLANES[parameters["background"]],
    )


def sky_statistic(parameters: Mapping[str, Any]) -> SkyStatistic:  # numpydoc ignore=PR01,RT01
    """Say how the sky of single images is measured; of parameters of the step, by name."""
    return SkyStatistic(
        skystat=parameters["skystat"],
        good_bits=good_bits(parameters["dqbits"]),
        lower=parameters["lower"],
        upper=parameters["upper"],
        **{name: parameters[name] for name in CLIPPING},
    )


def exclusion(parameters: Mapping[str, Any]) -> Exclusion:
    """Say what is left out of the matching.

    Parameters
    ----------
    parameters : mapping
        Values of all parameters of the step, by name.

    Returns
    -------
    Exclusion
        What is left out; a file of regions or a mask has been read.

    Raises
    ------
    ImportError
        If it is a region file and the package ``regions`` is not installed.
    OSError
        If that file is missing or cannot be read.
    ValueError
        If it names no area.
    """
    exclude = parameters["exclude"]
    return Exclusion(
        edge_trim=parameters["edge_trim"],
        miri_lyot=parameters["miri_lyot"],
        area=None if exclude is None else read_area(expand(exclude)),
    )
