"""Sums over blocks of the cells of an overlap."""

import numpy as np

__all__ = ["Blocks"]


class Blocks:
    """Blocks of cells of an overlap.

    Parameters
    ----------
    valid : ndarray of bool, shape (ny, nx)
        Cells that have a difference.
    size : int
        Cells to a side of a block.
    """

    def __init__(self, valid: np.ndarray, size: int) -> None:
        self._shape = valid.shape
        self._places = np.flatnonzero(valid)
        self._starts = [np.arange(0, n, size) for n in valid.shape]

    def sums(self, values: np.ndarray) -> np.ndarray:  # numpydoc ignore=PR01,RT01
        """Add up values of the valid cells, (n,), over each block, (n_blocks,)."""
        image = np.zeros(self._shape, dtype=np.float32)
        image.ravel()[self._places] = values
        for axis, starts in enumerate(self._starts):
            image = np.add.reduceat(image, starts, axis=axis)
        return image.ravel().astype(float)

    def centres(
        self, corner: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:  # numpydoc ignore=PR01,RT01
        """Place the centres of all blocks, x and y of shape (n_blocks,), on the grid."""
        y, x = (
            0.5 * (starts + np.minimum(starts + np.diff(starts, append=n), n) - 1)
            for starts, n in zip(self._starts, self._shape, strict=True)
        )
        x, y = np.meshgrid(x + corner[0], y + corner[1])
        return x.ravel(), y.ravel()

    def centroids(
        self, corner: tuple[int, int], weights: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:  # numpydoc ignore=PR01,RT01
        """Find the centroids of weights of the valid cells, (n,), in all blocks that have any."""
        y, x = np.divmod(self._places, self._shape[1])
        total = self.sums(weights)
        filled = total > 0
        x, y = (
            first + self.sums(weights * axis)[filled] / total[filled]
            for axis, first in zip((x, y), corner, strict=True)
        )
        return x, y
