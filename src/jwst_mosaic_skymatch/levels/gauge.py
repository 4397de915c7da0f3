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
        Whether the smallest level becomes zero, and not the largest, in components without such an
        exposure or an anchor.
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
    values, is_fixed = levels.values.copy(), np.append(levels.anchored, False)
    own = np.array([k for k in positions if levels.components[k] >= 0], dtype=int)
    for component in np.unique(levels.components[own]).tolist():
        of_component = own[levels.components[own] == component]
        values[levels.components == component] -= levels.values[of_component].mean()
        is_fixed[component] = True
    free = ~is_fixed[levels.components]
    extreme = np.fmin if match_down else np.fmax
    values[free] -= extreme.reduce(values[free], initial=np.nan)
    if skies is not None:
        left = skies[free] - np.nan_to_num(values[free])
        values[free] = skies[free] - left + np.fmin.reduce(left, initial=np.nan)
    return values, np.flatnonzero(~is_fixed[:-1])
