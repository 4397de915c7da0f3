"""Gradient of images that have holes."""

import numpy as np

__all__ = ["GRADIENT_NOISE", "gradient"]

# Variance of the gradient (the stencil in `_slope`) of the mean of two images, over
# that of their difference.
GRADIENT_NOISE = 2 * ((2 / 3) ** 2 + (1 / 12) ** 2) / 4


def gradient(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # numpydoc ignore=PR01,RT01
    """Differentiate an image (ny, nx) along x and along y, per cell, to fourth order.

    NaN are holes: beside them differences are central or one-sided, and zero where both
    neighbours are unknown; in them the gradient is NaN.
    """
    image = np.ascontiguousarray(image)
    return _slope(image, 1), _slope(image, 0)


def _slope(image: np.ndarray, axis: int) -> np.ndarray:
    # Central differences alone miss a sixth of the slope of a star as narrow as
    # a cell, and so much of its shift would be left over.
    size = image.shape[axis]
    slope = np.full_like(image, np.nan)
    if size > 4:

        def ahead(k: int) -> np.ndarray:
            return image[(slice(None),) * axis + (slice(2 + k, size - 2 + k),)]

        inner = (ahead(1) - ahead(-1)) * np.float32(2 / 3)
        inner -= (ahead(2) - ahead(-2)) * np.float32(1 / 12)
        slope[(slice(None),) * axis + (slice(2, size - 2),)] = inner
    hole = np.isnan(image)
    missing = np.flatnonzero(np.isnan(slope) & ~hole)
    slope.ravel()[missing] = _slope_beside_holes(image, axis, missing)
    slope[hole] = np.nan
    return slope


def _slope_beside_holes(image: np.ndarray, axis: int, cells: np.ndarray) -> np.ndarray:
    """Take differences of two neighbours, or of one and the cell itself."""
    flat = image.ravel()
    ny, nx = image.shape
    position, size, step = (cells % nx, nx, 1) if axis == 1 else (cells // nx, ny, nx)
    low, high = (
        np.where(inside, flat[np.where(inside, cells + offset, 0)], np.float32(np.nan))
        for inside, offset in ((position > 0, -step), (position < size - 1, step))
    )
    here = flat[cells]
    slope = np.float32(0.5) * (high - low)
    for difference in (high - here, here - low):
        slope = np.where(np.isnan(slope), difference, slope)
    return np.nan_to_num(slope)
