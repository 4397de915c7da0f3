"""The free constants: one for all levels, or one for each component."""

import numpy as np

__all__ = [
    "apply_constants",
    "apply_gauge",
    "constants_of_exposures",
]


def apply_gauge(levels: np.ndarray, *, match_down: bool) -> np.ndarray:
    """Subtract the smallest level of all, or the largest.

    Parameters
    ----------
    levels : ndarray, shape (n,)
        Levels, MJy/sr; NaN stays.
    match_down : bool
        Whether the smallest level becomes zero, and not the largest.

    Returns
    -------
    ndarray, shape (n,)
        The levels.
    """
    if not np.isfinite(levels).any():
        return levels.copy()
    return levels - (np.nanmin(levels) if match_down else np.nanmax(levels))


def apply_constants(
    levels: np.ndarray, components: np.ndarray, constants: np.ndarray, otherwise: np.ndarray
) -> np.ndarray:
    """Add to levels the constant of their component.

    Parameters
    ----------
    levels : ndarray, shape (n,)
        Levels as they were matched, MJy/sr.
    components : ndarray of int, shape (n,)
        Component of each; -1 for none.
    constants : ndarray, shape (n_components,)
        Constant that is added, MJy/sr; NaN for a component without one.
    otherwise : ndarray, shape (n,)
        Levels of exposures whose component has none, or that are in none.

    Returns
    -------
    ndarray, shape (n,)
        The levels.
    """
    added = np.append(constants, np.nan)[components]
    return np.where(np.isfinite(added), levels + added, otherwise)


def constants_of_exposures(
    levels: np.ndarray, components: np.ndarray, positions: tuple[int, ...]
) -> np.ndarray:
    """Compute the constants with which the mean level of some exposures is zero.

    Parameters
    ----------
    levels : ndarray, shape (n,)
        Levels as they were matched, MJy/sr.
    components : ndarray of int, shape (n,)
        Component of each; -1 for none.
    positions : tuple of int
        The exposures.

    Returns
    -------
    ndarray, shape (n_components,)
        Constants, MJy/sr; NaN for a component that has none of these exposures.
    """
    own = np.array([k for k in positions if components[k] >= 0], dtype=int)
    constants = np.full(components.max(initial=-1) + 1, np.nan)
    for component in components[own]:
        constants[component] = -levels[own[components[own] == component]].mean()
    return constants
