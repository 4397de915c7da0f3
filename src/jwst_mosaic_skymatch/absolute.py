"""Levels without a match: from a list, or from the sky statistic of each exposure."""

from collections.abc import Sequence

import numpy as np

from jwst_mosaic_skymatch.exposures.associations import expand
from jwst_mosaic_skymatch.exposures.library import StepInput
from jwst_mosaic_skymatch.exposures.metadata import group_labels
from jwst_mosaic_skymatch.exposures.models import each_model
from jwst_mosaic_skymatch.levels.results import Backgrounds, Levels, Match
from jwst_mosaic_skymatch.parameters import Parameters, sky_statistic
from jwst_mosaic_skymatch.products.tables import read_skylist
from jwst_mosaic_skymatch.run import Matched
from jwst_mosaic_skymatch.tiles.observation import NO_PIXEL

__all__ = ["absolute_levels", "local_levels", "unmatched"]


def absolute_levels(step_input: StepInput, parameters: Parameters) -> Matched:
    """Read levels from a list, or measure each exposure's own pixels.

    Parameters
    ----------
    step_input : StepInput
        The exposures.
    parameters : mapping
        Parameters of the step, by name; ``skymethod`` is 'user', 'local' or 'global'.

    Returns
    -------
    Matched
        The levels, without pairs.

    Raises
    ------
    OSError
        If the list or an exposure cannot be read.
    ValueError
        If there is no list, or it does not fit the exposures.
    """
    exposures, skymethod = step_input.exposures, parameters["skymethod"]
    if skymethod == "user":
        if parameters["skylist"] is None:
            raise ValueError("skymethod is 'user' but no skylist is given; set skylist to a file.")
        levels = read_skylist(expand(parameters["skylist"]), exposures)
    else:
        statistic = sky_statistic(parameters)
        levels = np.array(
            each_model(step_input.library, exposures, lambda _, m: statistic(m.data, m.dq))
        )
        grouping = "none" if parameters["grouping"] == "none" else "exposure"
        labels = group_labels(exposures, grouping)
        levels = local_levels(levels, labels if skymethod == "local" else ["all"] * len(labels))
    reasons = tuple("" if np.isfinite(level) else NO_PIXEL for level in levels.tolist())
    return Matched(unmatched(levels, reasons), levels)


def unmatched(values: np.ndarray, reasons: tuple[str, ...]) -> Match:
    """Describe levels that do not come from a match.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Levels, MJy/sr; NaN for none.
    reasons : tuple of str
        Why exposures have none; empty for others.

    Returns
    -------
    Match
        A match without pairs, errors, or shifts.
    """
    n = len(values)
    unknown, shifts = np.full(n, np.nan), np.full((n, 2), np.nan)
    nowhere = np.full(n, -1)
    levels = Levels(values, unknown, nowhere, np.zeros(0, dtype=bool), shifts, unknown, reasons)
    backgrounds = Backgrounds(
        sigmas={},
        gradients=np.zeros((0, 2)),
        gradient_errors=np.zeros((0, 2)),
        contrasts={},
        planes=(),
    )
    return Match(
        levels=levels,
        backgrounds=backgrounds,
        stacks=(),
        exposure_pairs=(),
        stack_pairs=(),
        skies=unknown,
        remarks={},
    )


def local_levels(skies: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Give each exposure the lowest sky of its group.

    Parameters
    ----------
    skies : ndarray, shape (n,)
        Sky of each exposure, MJy/sr; NaN for none.
    labels : sequence of str
        Group of each exposure.

    Returns
    -------
    ndarray, shape (n,)
        Levels, MJy/sr; NaN where the exposure's own sky is.
    """
    numbers = np.unique(labels, return_inverse=True)[1]
    lowest = np.full(len(skies), np.nan)
    np.fmin.at(lowest, numbers, skies)
    return np.where(np.isfinite(skies), lowest[numbers], np.nan)
