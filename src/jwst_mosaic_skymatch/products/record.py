"""Levels that go into models and into the log."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from stdatamodels.jwst.datamodels import JwstDataModel
from stpipe.library import AbstractModelLibrary

from jwst_mosaic_skymatch.compat import add_history
from jwst_mosaic_skymatch.exposures.library import change_models
from jwst_mosaic_skymatch.exposures.metadata import Exposure
from jwst_mosaic_skymatch.products.findings import Finding
from jwst_mosaic_skymatch.tiles.frame import PixelPlane

__all__ = [
    "describe_levels",
    "findings_of_unmatched",
    "levels_before",
    "record_levels",
]

# Levels of so many exposures are listed in the log.
LISTED = 100


def record_levels(
    library: AbstractModelLibrary,
    exposures: Sequence[Exposure],
    levels: np.ndarray,
    *,
    method: str,
    subtract: bool,
    version: str,
    details: Sequence[Mapping[str, Any]] | None = None,
    planes: Sequence[PixelPlane | None] | None = None,
) -> None:
    """Write levels into the models, and what is known of them.

    Parameters
    ----------
    library : `~jwst.datamodels.library.ModelLibrary`
        The models, which are changed.
    exposures : sequence of Exposure
        Metadata of the exposures, from before this run.
    levels : ndarray, shape (n,)
        Their levels, MJy/sr; NaN for none.
    method : str
        The ``skymethod``.
    subtract : bool
        Whether to subtract the levels from the data.
    version : str
        Version of this package.
    details : sequence of dict, optional
        More about each level, for ``meta.pixel_skymatch``.
    planes : sequence of PixelPlane or None, optional
        What to subtract besides, of those that have a level; only with ``subtract``.
    """
    details = details or [{}] * len(exposures)
    planes = planes or [None] * len(exposures)
    found = zip(levels.tolist(), details, planes, strict=True)
    of_exposure = dict(zip(exposures, found, strict=True))

    def record(exposure: Exposure, model: JwstDataModel) -> None:
        level, detail, plane = of_exposure[exposure]
        model.meta.pixel_skymatch = {"version": version, **detail}
        if not exposure.subtracted:
            _clear(model)
        if not np.isfinite(level):
            model.meta.cal_step.skymatch = "SKIPPED"
            return
        add_history(model, f"Sky level ({method}) by jwst-mosaic-skymatch {version}")
        if subtract:
            model.data = model.data - _image(level, plane, model.data.shape)
            _record_plane(model, level, plane)
        background = model.meta.background
        background.method = method
        background.level = _total_level(exposure, level, subtract)
        background.subtracted = subtract
        model.meta.cal_step.skymatch = "COMPLETE"

    change_models(library, exposures, record)


def _clear(model: JwstDataModel) -> None:
    """Remove the record of a run that has subtracted nothing: resample would subtract its level."""
    background = model.meta.background
    background.level = background.method = background.subtracted = None
    if background.polynomial_info:
        background.polynomial_info = []


def _image(
    level: float, plane: PixelPlane | None, shape: tuple[int, int]
) -> np.ndarray | np.float32:
    """Give what is to be subtracted: a number, or a plane."""
    return plane.image(shape) + np.float32(level) if plane else np.float32(level)


def _record_plane(model: JwstDataModel, level: float, plane: PixelPlane | None) -> None:
    """Add level and plane to what earlier runs have recorded, if either has a plane.

    As the polynomial of degree 1 in x and in y, around a pixel counted from 0: coefficients of 1,
    y, x, xy.
    """
    background = model.meta.background
    earlier = [p for p in background.polynomial_info or [] if list(p.degree) == [1, 1]]
    if not plane and not earlier:
        return
    plane = plane or PixelPlane(0.0, 0.0, 0.0, 0.0)
    x, y = earlier[0].refpoint if earlier else (plane.x, plane.y)
    added = np.array([level, plane.slope_y, plane.slope_x, 0.0])
    added[0] += plane.slope_x * (x - plane.x) + plane.slope_y * (y - plane.y)
    if earlier:
        added += np.array(list(earlier[0].coefficients))
    background.polynomial_info = [
        {"degree": [1, 1], "refpoint": [float(x), float(y)], "coefficients": added.tolist()}
    ]


def describe_levels(  # numpydoc ignore=PR01,RT01
    exposures: Sequence[Exposure], levels: np.ndarray, *, subtract: bool
) -> list[str]:
    """Say in words what is recorded.

    A line for each exposure with a level, or one for all if there are many: jwst keeps the log
    in every file, so that lines for all would take room as their square.
    """
    named = [
        (exposure.name, _total_level(exposure, level, subtract))
        for exposure, level in zip(exposures, levels.tolist(), strict=True)
        if np.isfinite(level)
    ]
    if len(named) <= LISTED:
        return [f"{name}: sky level {level:.6g}" for name, level in named]
    totals = [level for _, level in named]
    return [
        f"Sky levels of {len(totals)} exposures, from {min(totals):.6g} to "
        f"{max(totals):.6g}; save_diagnostics lists them"
    ]


def findings_of_unmatched(  # numpydoc ignore=PR01,RT01
    exposures: Sequence[Exposure], levels: np.ndarray, reasons: Sequence[str]
) -> list[Finding]:
    """Say which exposures could not be matched, and why, if any.

    ``reasons`` has a text for each exposure, which is empty where all went well.
    """
    named: dict[bool, dict[str, str]] = {True: {}, False: {}}
    for exposure, level, reason in zip(exposures, levels.tolist(), reasons, strict=True):
        if reason:
            named[bool(np.isfinite(level))][exposure.name] = reason
    count = f"of {len(exposures)} exposures"
    sentences = {
        False: f"No level could be found for {len(named[False])} {count}; SKIPPED: ",
        True: f"{len(named[True])} {count} could not be matched and got the common sky level "
        "alone: ",
    }
    return [
        Finding(
            sentence + ", ".join(f"{name} ({reason})" for name, reason in named[kind].items()),
            _unmatched_in_brief(named[kind]),
            "check pointing and data quality, add exposures in between, or leave it out",
            tuple(named[kind]),
        )
        for kind, sentence in sentences.items()
        if named[kind]
    ]


def _unmatched_in_brief(reasons: Mapping[str, str]) -> str:
    name, *others = reasons
    return f"{name} has {reasons[name]}" + f", and {len(others)} more are unmatched" * bool(others)


def levels_before(  # numpydoc ignore=PR01,RT01
    exposures: Sequence[Exposure], *, subtract: bool
) -> np.ndarray:
    """Tell what earlier runs have subtracted, MJy/sr: it is gone from the data, but recorded.

    Zero if this run does not subtract, which then no other may have done.
    """
    return np.array([_total_level(exposure, 0.0, subtract) for exposure in exposures])


def _total_level(exposure: Exposure, level: float, subtract: bool) -> float:
    """Add what earlier runs have subtracted, which is gone from the data."""
    return level + (exposure.level or 0.0) if subtract else level
