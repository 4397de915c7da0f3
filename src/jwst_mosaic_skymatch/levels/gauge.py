"""The free constant of all levels."""

import numpy as np

__all__ = ["apply_gauge"]


def apply_gauge(levels: np.ndarray, *, match_down: bool) -> np.ndarray:  # numpydoc ignore=PR01,RT01
    """Subtract the smallest level of all or, if not to match down, the largest; NaN stays."""
    if not np.isfinite(levels).any():
        return levels.copy()
    return levels - (np.nanmin(levels) if match_down else np.nanmax(levels))
