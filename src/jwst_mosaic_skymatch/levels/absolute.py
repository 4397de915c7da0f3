"""Absolute levels from the sky statistic of each exposure."""

from collections.abc import Sequence

import numpy as np

__all__ = ["add_global_level", "global_levels", "local_levels"]


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


def global_levels(skies: np.ndarray) -> np.ndarray:
    """Give every exposure the lowest of all skies.

    Parameters
    ----------
    skies : ndarray, shape (n,)
        Sky of each exposure, MJy/sr; NaN for none.

    Returns
    -------
    ndarray, shape (n,)
        Levels, MJy/sr; NaN where the exposure's own sky is.
    """
    return local_levels(skies, ["all"] * len(skies))


def add_global_level(matched: np.ndarray, skies: np.ndarray) -> np.ndarray:
    """Add to matched levels the lowest sky that they leave.

    Parameters
    ----------
    matched : ndarray, shape (n,)
        Matched levels, MJy/sr; an exposure without overlap, whose level is NaN, counts as zero.
    skies : ndarray, shape (n,)
        Sky of each exposure, MJy/sr; NaN for none.

    Returns
    -------
    ndarray, shape (n,)
        Levels, MJy/sr; NaN where the sky is.
    """
    matched = np.nan_to_num(matched)
    return matched + global_levels(skies - matched)
