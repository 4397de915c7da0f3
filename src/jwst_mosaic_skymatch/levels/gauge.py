"""The free constants: one for all levels, or one for each component."""

from dataclasses import dataclass

import numpy as np

__all__ = [
    "HeldLevels",
    "apply_constants",
    "apply_gauge",
    "constants_of_exposures",
    "hold_levels",
    "inverse_variance_mean",
]


def apply_gauge(levels: np.ndarray, *, match_down: bool) -> np.ndarray:  # numpydoc ignore=PR01,RT01
    """Subtract the smallest level of all or, if not to match down, the largest; NaN stays."""
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
        What to add, MJy/sr; NaN for a component without a constant.
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
    """Find the constants with which the mean level of some exposures is zero.

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
    chosen = np.isin(np.arange(len(levels)), positions)
    constants = np.full(components.max(initial=-1) + 1, np.nan)
    for component in np.unique(components[chosen & (components >= 0)]):
        constants[component] = -levels[chosen & (components == component)].mean()
    return constants


@dataclass(frozen=True)
class HeldLevels:
    """Levels of which some are held at what they were before.

    Attributes
    ----------
    levels : ndarray, shape (n,)
        All levels, MJy/sr.
    constants : ndarray, shape (n_components,)
        What was added to the matched levels of each component, MJy/sr; NaN for one
        without held levels.
    rms : float
        How far the match is from the held levels, after the constants, MJy/sr; NaN when
        there is nothing to compare, with no more than one of them in each component.
    sigmas : float
        The same in units of the errors: about 1 if they explain it.
    """

    levels: np.ndarray
    constants: np.ndarray
    rms: float
    sigmas: float


def hold_levels(
    levels: np.ndarray,
    errors: np.ndarray,
    components: np.ndarray,
    held: np.ndarray,
    held_errors: np.ndarray,
    otherwise: np.ndarray,
) -> HeldLevels:
    """Put levels on the zero point of some that are known already.

    Parameters
    ----------
    levels, errors : ndarray, shape (n,)
        Levels as they were matched and their errors, MJy/sr.
    components : ndarray of int, shape (n,)
        Component of each; -1 for none.
    held, held_errors : ndarray, shape (n,)
        Known levels and their errors, MJy/sr; NaN where none is.
    otherwise : ndarray, shape (n,)
        Levels of exposures whose component has no known one, or that are in none.

    Returns
    -------
    HeldLevels
        Known levels are kept to the last digit, wherever they are. All others of their
        component have the matched level plus the mean of (held - matched), weighted by
        the inverse variances.
    """
    known = np.isfinite(held)
    difference, variance = held - levels, held_errors**2 + errors**2
    constants = np.full(components.max(initial=-1) + 1, np.nan)
    for component in np.unique(components[known & (components >= 0)]):
        chosen = known & (components == component)
        constants[component], _ = inverse_variance_mean(difference[chosen], variance[chosen])
    placed = apply_constants(levels, components, constants, otherwise)
    compared = known & (components >= 0)
    residual = (held - placed)[compared]
    dof = residual.size - np.isfinite(constants).sum()
    rms = sigmas = np.nan
    if dof > 0:
        rms = np.sqrt(np.sum(residual**2) / dof)
        with np.errstate(divide="ignore", invalid="ignore"):  # without errors
            sigmas = np.sqrt(np.sum(residual**2 / variance[compared]) / dof)
    return HeldLevels(
        levels=np.where(known, held, placed),
        constants=constants,
        rms=float(rms),
        sigmas=float(sigmas),
    )


def inverse_variance_mean(
    values: np.ndarray, variances: np.ndarray
) -> tuple[float, float]:  # numpydoc ignore=PR01,RT01
    """Find the mean of values weighted by their inverse variances, and its variance.

    If any variance is zero or not known, all values weigh the same.
    """
    usable = bool((np.isfinite(variances) & (variances > 0)).all())
    weights = 1.0 / variances if usable else np.ones_like(values)
    weights /= weights.sum()
    return float(weights @ values), float(weights**2 @ variances)
