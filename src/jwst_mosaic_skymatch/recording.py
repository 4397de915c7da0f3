"""Levels that go into models and into the log."""

import numpy as np

__all__ = ["level_lines", "record_level", "recorded_level"]

# Levels of so many exposures are listed in the log.
LISTED = 100


def recorded_level(member, level, *, subtract):
    """Give the level to record for an exposure.

    Parameters
    ----------
    member : Member
        Its metadata.
    level : float
        The level that was found, MJy/sr.
    subtract : bool
        Whether it is subtracted.

    Returns
    -------
    float
        Levels of runs that subtract add up, for what an earlier one has found is
        gone from the data.
    """
    return level + (member.level or 0.0) if subtract else level


def record_level(model, member, level, *, method, subtract):
    """Write the level of an exposure into its model.

    Parameters
    ----------
    model : `~stdatamodels.jwst.datamodels.JwstDataModel`
        The model, which is changed.
    member : Member
        Its metadata.
    level : float
        The level that was found, MJy/sr; NaN if there is none.
    method : str
        The ``skymethod``.
    subtract : bool
        Whether to subtract the level from the data.
    """
    if not np.isfinite(level):
        model.meta.cal_step.skymatch = "SKIPPED"
        return
    if subtract:
        model.data = model.data - np.float32(level)
    background = model.meta.background
    background.method = method
    background.level = recorded_level(member, level, subtract=subtract)
    background.subtracted = subtract
    model.meta.cal_step.skymatch = "COMPLETE"


def level_lines(members, levels, *, subtract):
    """Say in words what is recorded.

    Parameters
    ----------
    members : sequence of Member
        Metadata of the exposures.
    levels : ndarray, shape (n,)
        Levels that were found, MJy/sr; NaN for none.
    subtract : bool
        Whether they are subtracted.

    Returns
    -------
    list of str
        A line for each exposure with a level, or one for all if there are many:
        jwst keeps the log in every file, so that lines for all would take room as
        their square.
    """
    found = [
        (member.filename, recorded_level(member, level, subtract=subtract))
        for member, level in zip(members, levels.tolist(), strict=True)
        if np.isfinite(level)
    ]
    if len(found) <= LISTED:
        return [f"{filename}: sky level {level:.6g}" for filename, level in found]
    values = [level for _, level in found]
    return [
        f"Sky levels of {len(found)} exposures, from {min(values):.6g} to {max(values):.6g}; "
        "save_diagnostics lists them"
    ]
