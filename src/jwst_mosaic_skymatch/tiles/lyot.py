"""Where tiles show MIRI's Lyot field, and what it adds to their differences."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from jwst_mosaic_skymatch.tiles.frame import DetectorFrame
from jwst_mosaic_skymatch.tiles.tile import Tile

__all__ = ["has_lyot", "lyot_share", "without_lyot"]


def has_lyot(tile: Tile) -> bool:  # numpydoc ignore=PR01,RT01
    """Tell whether a tile may show a Lyot field beside an imager."""
    return any(frame.parts for frame in tile.frames)


def lyot_share(frames: Sequence[DetectorFrame], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Find the share of exposures that see a place in their Lyot field.

    Parameters
    ----------
    frames : sequence of DetectorFrame
        Frames of the exposures.
    x, y : ndarray
        Places on the grid, cells, of shapes that can be broadcast.

    Returns
    -------
    ndarray
        Share of those that see the place, 0 to 1; 0 where none does.
    """
    in_field = np.zeros(np.broadcast_shapes(x.shape, y.shape), dtype=np.float32)
    seen = np.zeros_like(in_field)
    for frame in frames:
        if frame.parts is None:
            continue
        pixels = frame.near_pixels(x, y)
        for part, counts in zip(frame.parts, ((seen,), (seen, in_field)), strict=True):
            x_min, x_max, y_min, y_max = part
            column, row = pixels
            inside = (column > x_min) & (column < x_max) & (row > y_min) & (row < y_max)
            for count in counts:
                count += inside
    return in_field / np.maximum(seen, 1)


def without_lyot(tile: Tile, other: Tile, offset: float | None) -> Tile:
    """Take out of a tile what Lyot fields add to its difference from another.

    Parameters
    ----------
    tile, other : Tile
        Two tiles of one grid.
    offset : float or None
        How much Lyot fields lie above the imager, MJy/sr. None leaves out the cells in which one
        of the tiles shows them, and the other does not.

    Returns
    -------
    Tile
        The first tile, in any case without cells in which some exposures of a tile see the one
        and some the other: a robust mean of both is nobody's.
    """
    ny, nx = tile.shape
    x, y = np.arange(nx) + float(tile.x0), np.arange(ny)[:, None] + float(tile.y0)
    own, others = (lyot_share(one.frames, x, y) for one in (tile, other))
    left_out = (np.abs(own - 0.5) < 0.5) | (np.abs(others - 0.5) < 0.5)
    if offset is None:
        left_out |= own != others
    data = tile.data - np.float32(offset or 0.0) * (own - others)
    return replace(
        tile,
        data=np.where(left_out, np.float32(np.nan), data),
        weight=np.where(left_out, np.float32(0), tile.weight),
    )
