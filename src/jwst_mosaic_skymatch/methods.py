"""Absolute levels from the sky statistic of each exposure."""

import numpy as np

__all__ = ["add_global_level", "global_levels", "local_levels"]


def local_levels(skies, labels):
    """Take the lowest sky of each group.

    Parameters
    ----------
    skies : ndarray, shape (n,)
        Sky of each exposure, MJy/sr; NaN where it could not be measured.
    labels : sequence of str
        Name of each exposure's group.

    Returns
    -------
    ndarray, shape (n,)
        The lowest sky of the exposure's group; NaN where ``skies`` is.
    """
    lowest = {}
    for label, sky in zip(labels, skies, strict=True):
        lowest[label] = np.fmin(lowest.get(label, np.nan), sky)
    levels = np.array([lowest[label] for label in labels], dtype=float)
    return np.where(np.isfinite(skies), levels, np.nan)


def global_levels(skies):
    """Give every exposure the lowest sky of all.

    Parameters
    ----------
    skies : ndarray, shape (n,)
        Sky of each exposure, MJy/sr; NaN where it could not be measured.

    Returns
    -------
    ndarray, shape (n,)
        The lowest sky; NaN where ``skies`` is.
    """
    return local_levels(skies, ["all"] * len(skies))


def add_global_level(matched, skies):
    """Add to matched levels the lowest sky that they leave.

    Parameters
    ----------
    matched : ndarray, shape (n,)
        Matched levels, MJy/sr; NaN for an exposure without overlap, which
        counts as level zero.
    skies : ndarray, shape (n,)
        Sky of each exposure, MJy/sr; NaN where it could not be measured.

    Returns
    -------
    ndarray, shape (n,)
        Levels that leave no exposure with a negative sky; NaN where ``skies``
        is.
    """
    matched = np.nan_to_num(matched)
    return matched + global_levels(skies - matched)
