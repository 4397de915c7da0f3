"""The zero point: one constant for all levels, or one for each component."""

from collections.abc import Sequence

import numpy as np

from jwst_mosaic_skymatch.levels.results import Levels

__all__ = ["fix_zero_point"]


def fix_zero_point(
    levels: Levels,
    positions: Sequence[int] = (),
    *,
    match_down: bool,
    skies: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Fix the free constants of levels.

    Parameters
    ----------
    levels : Levels
        Levels of n exposures.
    positions : sequence of int, optional
        Exposures whose mean level is zero in each component.
    match_down : bool
        Whether the smallest level becomes zero, and not the largest. Components with such an
        exposure or an anchor do not follow it.
    skies : ndarray, shape (n,), optional
        Level of each exposure's own pixels, MJy/sr; NaN for none. The lowest sky that levels leave
        is added to them. An exposure without overlap counts as level zero.

    Returns
    -------
    values : ndarray, shape (n,)
        The levels, MJy/sr; NaN for none.
    unreached : ndarray of int
        Components without such an exposure or an anchor.
    """
    components, usual = levels.components, levels.values.copy()
    # Levels of components with an anchor get zero mean, as others have it.
    for component in np.flatnonzero(levels.anchored):
        members = components == component
        usual[members] -= usual[members].mean()
    usual -= (np.fmin if match_down else np.fmax).reduce(usual, initial=np.nan)
    if skies is not None:
        left = skies - np.nan_to_num(usual)
        usual = np.where(np.isnan(usual), 0.0 * skies, usual)
        usual += np.fmin.reduce(left, initial=np.nan)
    own = np.array([k for k in positions if components[k] >= 0], dtype=int)
    constants = np.where(levels.anchored, 0.0, np.nan)
    for component in np.unique(components[own]):
        constants[component] = -levels.values[own[components[own] == component]].mean()
    fixed = levels.values + np.append(constants, np.nan)[components]
    return np.where(np.isfinite(fixed), fixed, usual), np.flatnonzero(np.isnan(constants))
