"""Differences of overlapping tiles, cell by cell."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from jwst_mosaic_skymatch.tile import overlap_windows

__all__ = ["PairOffset", "candidate_pairs", "measure_offset", "measure_offsets"]


@dataclass(frozen=True)
class PairOffset:
    """How much higher one tile lies than another.

    Attributes
    ----------
    first, second : int
        Positions of the two tiles in the caller's sequence.
    value : float
        Level of ``first`` minus level of ``second``, MJy/sr.
    variance : float
        Variance of ``value``, (MJy/sr)^2.
    n_cells : int
        Number of cells where both have data.
    """

    first: int
    second: int
    value: float
    variance: float
    n_cells: int


def candidate_pairs(tiles):
    """Find pairs of tiles whose cutouts share at least one cell.

    Parameters
    ----------
    tiles : sequence of Tile
        Tiles of one grid.

    Returns
    -------
    list of tuple of int
        Positions (i, j), i < j, in ascending order.
    """
    if len(tiles) < 2:
        return []
    bounds = np.array([tile.bounds for tile in tiles], dtype=float)
    centres = 0.5 * np.stack([bounds[:, 0] + bounds[:, 1], bounds[:, 2] + bounds[:, 3]], axis=1)
    sizes = np.stack([bounds[:, 1] - bounds[:, 0], bounds[:, 3] - bounds[:, 2]], axis=1)
    # In units of the largest cutout two that overlap are at most 1 apart.
    near = KDTree(centres / sizes.max(axis=0)).query_pairs(1.0, p=np.inf, output_type="ndarray")
    i, j = np.sort(near, axis=1).T
    share = np.all(np.abs(centres[i] - centres[j]) < 0.5 * (sizes[i] + sizes[j]), axis=1)
    return sorted(zip(i[share].tolist(), j[share].tolist(), strict=True))


def measure_offset(first, second, statistic, *, min_cells):
    """Measure the offset of one tile from another.

    Parameters
    ----------
    first, second : Tile
        Two tiles of one grid.
    statistic : callable
        Takes the 1-D array of differences ``first - second``, MJy/sr, and
        returns a `~jwst_mosaic_skymatch.statistic.Location`.
    min_cells : int
        Least number of cells in which both tiles have data.

    Returns
    -------
    Location, int
        The location of the differences, and the number of cells; the
        location is None when there are fewer than ``min_cells``.
    """
    in_first, in_second = overlap_windows(first, second)
    difference = first.data[in_first].astype(np.float64) - second.data[in_second]
    difference = difference[np.isfinite(difference)]
    if difference.size < min_cells:
        return None, difference.size
    location = statistic(difference)
    if not np.isfinite(location.value):
        return None, difference.size
    return location, difference.size


def measure_offsets(tiles, statistic, *, min_cells):
    """Measure the offsets of all overlapping tiles.

    Parameters
    ----------
    tiles : sequence of Tile
        Tiles of one grid.
    statistic : callable
        See `measure_offset`.
    min_cells : int
        Least number of cells in which both tiles have data.

    Returns
    -------
    tuple of PairOffset
        Usable pairs in ascending order of their positions.
    """
    offsets = []
    for i, j in candidate_pairs(tiles):
        location, n_cells = measure_offset(tiles[i], tiles[j], statistic, min_cells=min_cells)
        if location is not None:
            offsets.append(PairOffset(i, j, location.value, location.variance, n_cells))
    return tuple(offsets)
