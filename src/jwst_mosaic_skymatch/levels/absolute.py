"""Absolute levels from the sky statistic of each exposure."""

from collections.abc import Sequence

import numpy as np

__all__ = ["add_global_level", "global_levels", "local_levels"]


def local_levels(
    skies: np.ndarray, labels: Sequence[str]
) -> np.ndarray:  # numpydoc ignore=PR01,RT01
    """Give each exposure the lowest sky of its group, MJy/sr; NaN where its own sky is."""
    lowest: dict[str, float] = {}
    for label, sky in zip(labels, skies, strict=True):
        lowest[label] = np.fmin(lowest.get(label, np.nan), sky)
    levels = np.array([lowest[label] for label in labels], dtype=float)
    return np.where(np.isfinite(skies), levels, np.nan)


def global_levels(skies: np.ndarray) -> np.ndarray:  # numpydoc ignore=PR01,RT01
    """Give every exposure the lowest of all skies, MJy/sr; NaN where its own is."""
    return local_levels(skies, ["all"] * len(skies))


def add_global_level(
    matched: np.ndarray, skies: np.ndarray
) -> np.ndarray:  # numpydoc ignore=PR01,RT01
    """Add to matched levels the lowest sky that they leave, MJy/sr.

    An exposure without overlap, whose matched level is NaN, counts as level zero; levels are
    NaN where the sky is.
    """
    matched = np.nan_to_num(matched)
    return matched + global_levels(skies - matched)
