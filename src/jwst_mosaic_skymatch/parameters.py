"""Parameters of the step: combinations that are refused, and settings of the match."""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from jwst.skymatch import SkyMatchStep
from jwst.stpipe import Step

from jwst_mosaic_skymatch.exposures.associations import expand
from jwst_mosaic_skymatch.exposures.pixels import SkyStatistic, good_bits, good_pixels
from jwst_mosaic_skymatch.exposures.sky_files import read_area
from jwst_mosaic_skymatch.match import MatchSettings
from jwst_mosaic_skymatch.observe import Exclusion
from jwst_mosaic_skymatch.offsets.measure import PairSettings
from jwst_mosaic_skymatch.offsets.regression import Statistic
from jwst_mosaic_skymatch.report.picture import draw_differences
from jwst_mosaic_skymatch.tiles.observation import TileSettings

__all__ = [
    "PLANES",
    "REPLACED",
    "REPLACED_SPEC",
    "Parameters",
    "check_combination",
    "exclusion",
    "has_crds",
    "is_table",
    "match_settings",
    "reference_of",
    "sky_statistic",
    "stock_parameters",
    "take_hooked_parameters",
    "workers_of",
]

#: Values of all parameters of the step, by name.
Parameters = Mapping[str, Any]

GROUPINGS = ("visit", "exposure", "none")
CLIPPING = ("nclip", "lsigma", "usigma")
#: Planes of each visit and detector, or of each exposure.
PLANES = {"constant": None, "plane": "group", "plane_per_exposure": "exposure"}
# A skipped step saves nothing: its hook does.
OF_OUTPUT = {"save_results", "output_file", "suffix"}
#: Parameters before version 0.1: the value that changes nothing now, and the remedy for others.
REPLACED: Mapping[str, tuple[Any, str]] = {
    "plane_per": ("group", "give background='plane_per_exposure' for planes of exposures"),
    "fixed": (None, "give the table of levels as reference"),
    "dask_scheduler": (None, "give the address of the scheduler as maximum_cores"),
    "save_tiles": (False, "give save_diagnostics=True, which saves tiles too"),
    "weight": (True, "remove it, as pairs always have weights"),
    "fit_shift": (True, "remove it, as shifts are always fitted"),
    "shift_threshold": (0.1, "remove it, as the limit is always 0.1 native pixels"),
}
#: Lines of a spec that let any way in pass them on, so that one error refuses them.
REPLACED_SPEC = "\n        ".join(
    f"{name} = pass(default=None) # replaced: {remedy}" for name, (_, remedy) in REPLACED.items()
)


def take_hooked_parameters(hook: Step) -> None:
    """Copy the parameters of a skipped stock step to its post-hook.

    Parameters
    ----------
    hook : Step
        The step; nothing is changed if it is no hook of ``SkyMatchStep``.

    Raises
    ------
    ValueError
        If that step runs too, or records afterwards that it is skipped.
    """
    hooked = hook.parent
    if not isinstance(hooked, SkyMatchStep) or isinstance(hooked, type(hook)):
        return
    own = type(hook)
    if not hooked.skip or any(c in (hook, own) or own.__name__ in str(c) for c in hooked.pre_hooks):
        raise ValueError(
            f"{hooked.name} has pixel_skymatch as a hook and would change the levels itself: skip "
            "it (skip=True) and make pixel_skymatch its post-hook, or run pixel_skymatch instead."
        )
    values = hooked.get_pars()
    hook.update_pars(stock_parameters(values) | {name: values[name] for name in OF_OUTPUT})


def stock_parameters(values: Parameters) -> dict[str, Any]:
    """Select the parameters that ``SkyMatchStep`` has beyond those of every step.

    Parameters
    ----------
    values : mapping
        Values by name.

    Returns
    -------
    dict
        The values of these.
    """
    names = set(SkyMatchStep.load_spec_file()) - set(Step.load_spec_file())
    return {name: value for name, value in values.items() if name in names}


def has_crds() -> bool:
    """Decide whether there is a CRDS to ask: a server, or a cache here or at STScI.

    Returns
    -------
    bool
        Whether there is one; it need not answer.
    """
    cache = Path(os.environ.get("CRDS_PATH", "/grp/crds/cache"))
    return "CRDS_SERVER_URL" in os.environ or cache.is_dir()


def check_combination(parameters: Parameters) -> list[str]:
    """Refuse parameters that contradict each other, before any work.

    Parameters
    ----------
    parameters : mapping
        Values of all parameters of the step, by name.

    Returns
    -------
    list of str
        Lines on parameters of the match, and of single images, that have no effect.

    Raises
    ------
    ValueError
        If parameters contradict each other, or one is replaced by another.
    """
    for name, (unchanged, remedy) in REPLACED.items():
        # Text, as strun has it.
        if str(parameters.get(name)).lower() not in ("none", str(unchanged).lower()):
            raise ValueError(f"{name} is no parameter since version 0.1: {remedy}.")
    grouping = parameters["grouping"]
    if grouping not in GROUPINGS and not grouping.startswith("meta."):
        raise ValueError(
            f"grouping={grouping!r} is neither of {', '.join(GROUPINGS)} nor an attribute of the "
            "models, such as meta.observation.visit_group."
        )
    lower, upper, skymethod = (parameters[name] for name in ("lower", "upper", "skymethod"))
    if None not in (lower, upper) and lower >= upper:
        raise ValueError(f"lower={lower} is not below upper={upper}.")
    background, reference = parameters["background"], parameters["reference"]
    lines = []
    if background != "constant":
        if "match" in skymethod:
            _check_planes(parameters)
        else:
            lines.append(f"background={background} has no effect on skymethod={skymethod}")
    if reference and not reference_of(parameters):
        lines.append(f"reference={reference} has no effect on skymethod={skymethod}")
    if skymethod == "match" and parameters["skystat"] != SkyStatistic.skystat:
        lines.append(
            f"skystat={parameters['skystat']} is for the sky of single images; offsets use "
            f"offset_stat={parameters['offset_stat']}"
        )
    return lines


def _check_planes(parameters: Parameters) -> None:
    """Refuse planes that could not be fitted or subtracted."""
    background, reference = parameters["background"], parameters["reference"]
    if not parameters["subtract"]:
        raise ValueError(
            f"background={background!r} needs subtract=True: later steps subtract one number of "
            "each exposure, no plane."
        )
    if is_table(reference):
        raise ValueError(
            f"background={background!r} and reference={str(reference)!r}: a table holds levels, no "
            "planes; give one of them."
        )


def is_table(reference: Any) -> bool:
    """Decide by its extension whether a reference is a table of levels.

    Parameters
    ----------
    reference : str, path or None
        The reference.

    Returns
    -------
    bool
        Whether it is a table.
    """
    return str(reference).lower().endswith(".ecsv")


def reference_of(parameters: Parameters) -> str | None:
    """Return the reference of the zero point if it has an effect.

    Parameters
    ----------
    parameters : mapping
        Values of all parameters of the step, by name.

    Returns
    -------
    str or None
        The reference; None without one, and with other methods than matching.
    """
    reference, skymethod = parameters["reference"], parameters["skymethod"]
    has_effect = "match" in skymethod if is_table(reference) else skymethod == "match"
    return str(reference) if reference and has_effect else None


def workers_of(parameters: Parameters) -> str:
    """Return the number of cores, or the address of a Dask scheduler.

    Parameters
    ----------
    parameters : mapping
        Values of all parameters of the step, by name.

    Returns
    -------
    str
        ``maximum_cores`` as text; one core where there is nothing to share.
    """
    return str(parameters["maximum_cores"]) if "match" in parameters["skymethod"] else "1"


def match_settings(parameters: Parameters) -> MatchSettings:
    """Convert parameters to settings of the match.

    Parameters
    ----------
    parameters : mapping
        Values of all parameters of the step, by name.

    Returns
    -------
    MatchSettings
        The settings.

    Raises
    ------
    ValueError
        If ``dqbits`` names no flag.
    """
    clipping = {name: parameters[name] for name in CLIPPING}
    is_global = parameters["skymethod"] != "match"
    return MatchSettings(
        tiles=TileSettings(
            good=partial(
                good_pixels,
                good_bits=good_bits(parameters["dqbits"]),
                lower=parameters["lower"],
                upper=parameters["upper"],
            ),
            sky_statistic=sky_statistic(parameters) if is_global else None,
        ),
        pairs=PairSettings(
            statistic=Statistic(name=parameters["offset_stat"], **clipping),
            draw=draw_differences if parameters["save_diagnostics"] else None,
        ),
        rigid=parameters["grouping"] == "exposure",
        tied=parameters["tie_detectors"],
        plane_per=PLANES[parameters["background"]],
    )


def sky_statistic(parameters: Parameters) -> SkyStatistic:
    """Convert parameters to the statistic of the sky of single images.

    Parameters
    ----------
    parameters : mapping
        Values of all parameters of the step, by name.

    Returns
    -------
    SkyStatistic
        The statistic.
    """
    names = "skystat", "lower", "upper", "binwidth", *CLIPPING
    bits = good_bits(parameters["dqbits"])
    return SkyStatistic(good_bits=bits, **{name: parameters[name] for name in names})


def exclusion(parameters: Parameters) -> Exclusion:
    """Convert parameters to the parts of exposures that are excluded.

    Parameters
    ----------
    parameters : mapping
        Values of all parameters of the step, by name.

    Returns
    -------
    Exclusion
        The parts; a file of regions or a mask has been read.

    Raises
    ------
    ImportError
        If it is a region file and the package ``regions`` is not installed.
    OSError
        If that file is missing or cannot be read.
    ValueError
        If it names no area.
    """
    area, kept = (
        None if parameters[name] is None else read_area(expand(parameters[name]))
        for name in ("exclude", "include")
    )
    return Exclusion(parameters["edge_trim"], parameters["miri_lyot"], area, kept)
