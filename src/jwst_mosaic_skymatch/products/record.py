"""Levels that go into models and into the log."""

import numpy as np

from jwst_mosaic_skymatch.exposures.library import change_models

__all__ = ["describe_levels", "describe_unmatched", "record_levels"]

# Levels of so many exposures are listed in the log.
LISTED = 100


def record_levels(library, exposures, levels, *, method, subtract):
    """Write levels into the models.

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
    """
    level_of = dict(zip(exposures, levels.tolist(), strict=True))

    def record(exposure, model):
        level = level_of[exposure]
        if not np.isfinite(level):
            model.meta.cal_step.skymatch = "SKIPPED"
            return
        if subtract:
            model.data = model.data - np.float32(level)
        background = model.meta.background
        background.method = method
        background.level = _total_level(exposure, level, subtract)
        background.subtracted = subtract
        model.meta.cal_step.skymatch = "COMPLETE"

    change_models(library, exposures, record)


def describe_levels(exposures, levels, *, subtract):  # numpydoc ignore=PR01,RT01
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


def describe_unmatched(exposures, levels, reasons):  # numpydoc ignore=PR01,RT01
    """Say in words which exposures could not be matched, and why, if any.

    ``reasons`` has a text for each exposure, which is empty where all went well.
    """
    named = {True: [], False: []}
    for exposure, level, reason in zip(exposures, levels.tolist(), reasons, strict=True):
        if reason:
            named[np.isfinite(level)].append(f"{exposure.name} ({reason})")
    count = f"of {len(exposures)} exposures"
    sentences = []
    if named[False]:
        sentences.append(
            f"No level could be found for {len(named[False])} {count}; SKIPPED: "
            f"{', '.join(named[False])}"
        )
    if named[True]:
        sentences.append(
            f"{len(named[True])} {count} could not be matched and got the common sky level alone: "
            f"{', '.join(named[True])}"
        )
    return sentences


def _total_level(exposure, level, subtract):
    """Add what earlier runs have subtracted, which is gone from the data."""
    return level + (exposure.level or 0.0) if subtract else level
