"""Absolute levels from the sky statistic of each exposure."""

from collections.abc import Sequence

import numpy as np

__all__ = ["local_levels"]


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
