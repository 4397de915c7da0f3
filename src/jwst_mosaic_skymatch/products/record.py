"""Levels that go into models and into the log."""

import numpy as np

from jwst_mosaic_skymatch.exposures.library import change_models

__all__ = ["describe_levels", "describe_skipped", "record_levels"]

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
    totals = {
        exposure.filename: _total_level(exposure, level, subtract)
        for exposure, level in zip(exposures, levels.tolist(), strict=True)
        if np.isfinite(level)
    }
    if len(totals) <= LISTED:
        return [f"{filename}: sky level {level:.6g}" for filename, level in totals.items()]
    return [
        f"Sky levels of {len(totals)} exposures, from {min(totals.values()):.6g} to "
        f"{max(totals.values()):.6g}; save_diagnostics lists them"
    ]


def describe_skipped(exposures, levels):  # numpydoc ignore=PR01,RT01
    """Say in words which exposures have no level, if any."""
    skipped = [exposures[k].filename for k in np.flatnonzero(~np.isfinite(levels))]
    if not skipped:
        return []
    return [
        f"No level could be found for {len(skipped)} of {len(exposures)} exposures (no good "
        f"pixels, or no overlap with others); SKIPPED: {', '.join(skipped)}"
    ]


def _total_level(exposure, level, subtract):
    """Add what earlier runs have subtracted, which is gone from the data."""
    return level + (exposure.level or 0.0) if subtract else level
