"""Where exposures have data, in blocks of cells."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.tiles.tile import Tile
from jwst_mosaic_skymatch.tiles.windows import Bounds, bounding_window, window_in

__all__ = [
    "COVERAGE_BLOCK",
    "BlockMap",
    "TileSummary",
    "block_sums",
    "footprint_blocks",
    "mean_shares",
    "summarize",
]

# Cells to a side of the blocks that tell how much of an overlap each member of a stack
# covers; one is a thirtieth of a MIRI exposure.
COVERAGE_BLOCK = 16
# The same of those over which information is added up. An overlap's edge is blurred by
# less than this; ten cells wide, that is 2 % on an error.
INFORMATION_BLOCK = 2


@dataclass(frozen=True)
class BlockMap:
    """One value for each block of a part of the grid.

    Attributes
    ----------
    x0, y0 : int
        Block of the grid that is block (0, 0) of the array.
    weight : ndarray of float32, shape (ny, nx)
        Sum of the cells' weights over each block.
    """

    x0: int
    y0: int
    weight: np.ndarray

    @property
    def bounds(self) -> Bounds:
        """First and one-past-last block (x_min, x_max, y_min, y_max)."""
        ny, nx = self.weight.shape
        return self.x0, self.x0 + nx, self.y0, self.y0 + ny


def block_sums(tile: Tile, values: np.ndarray, block: int) -> BlockMap:  # numpydoc ignore=PR01,RT01
    """Add up one value of each cell of a tile over blocks of so many cells to a side."""
    x_min, x_max, y_min, y_max = tile.bounds
    x0, y0 = x_min // block, y_min // block
    nx, ny = -(-x_max // block) - x0, -(-y_max // block) - y0
    padded = np.zeros((ny * block, nx * block), dtype=np.float32)
    padded[window_in(tile, x0 * block, y0 * block)] = values
    # Rows first, which are contiguous: several times faster than both axes at once.
    rows = padded.reshape(ny, block, nx * block).sum(axis=1)
    weight = np.asarray(sum(rows[:, k::block] for k in range(block)))
    return BlockMap(x0=x0, y0=y0, weight=weight)


def footprint_blocks(
    footprints: Sequence[np.ndarray],
) -> list[BlockMap]:  # numpydoc ignore=PR01,RT01
    """Mark the blocks whose centre lies inside each footprint.

    Footprints are corners (x, y) on the grid, shape (n, 2), cells. A block is a thousandth of
    a typical footprint; its weight is 1 inside and 0 outside.
    """
    sizes = [np.ptp(corners, axis=0).prod() for corners in footprints]
    block = max(np.sqrt(np.median(sizes) / 1000.0), 1e-6)
    return [_blocks_inside(corners / block) for corners in footprints]


def _blocks_inside(corners: np.ndarray) -> BlockMap:
    low = np.floor(corners.min(axis=0)).astype(int)
    nx, ny = np.ceil(corners.max(axis=0)).astype(int) - low + 1
    y, x = np.mgrid[:ny, :nx] + 0.5
    corners = corners - low
    inside = np.zeros((ny, nx), dtype=bool)
    # A point is inside if a ray from it crosses an odd number of edges.
    for (xa, ya), (xb, yb) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if ya != yb:
            crosses = (ya > y) != (yb > y)
            inside ^= crosses & (x < xa + (y - ya) * (xb - xa) / (yb - ya))
    return BlockMap(x0=int(low[0]), y0=int(low[1]), weight=inside.astype(np.float32))


@dataclass(frozen=True)
class TileSummary:
    """What is kept of a tile when its arrays are elsewhere.

    Attributes
    ----------
    coverage : BlockMap
        Number of pixels in large blocks of cells.
    information : BlockMap
        Inverse variance in small blocks of cells, (MJy/sr)^-2; number of pixels
        if ``quoted`` is False.
    n_cells : int
        Number of cells that have data.
    quoted : bool
        Whether the exposures quote errors.
    pixels_per_cell : float
        Number of an exposure's pixels in the area of a cell.
    pixel_variance : float
        Variance of a pixel at the median brightness, (MJy/sr)^2; 1 if not
        ``quoted``.
    """

    coverage: BlockMap
    information: BlockMap
    n_cells: int
    quoted: bool
    pixels_per_cell: float
    pixel_variance: float


def summarize(tile: Tile) -> TileSummary:
    """Describe a tile.

    Parameters
    ----------
    tile : Tile
        The tile.

    Returns
    -------
    TileSummary
        Its extent and weights.
    """
    information = tile.weight
    if tile.noise.quoted:
        information = tile.weight / tile.noise(np.nan_to_num(tile.data))
    return TileSummary(
        coverage=block_sums(tile, tile.weight, COVERAGE_BLOCK),
        information=block_sums(tile, information, INFORMATION_BLOCK),
        n_cells=int(np.count_nonzero(tile.weight)),
        quoted=tile.noise.quoted,
        pixels_per_cell=tile.pixels_per_cell,
        pixel_variance=tile.noise.typical,
    )


def mean_shares(maps: Sequence[BlockMap], others: Sequence[BlockMap]) -> np.ndarray:
    """Tell how much each member of a stack counts in its overlap with another stack.

    Parameters
    ----------
    maps : sequence of BlockMap
        Coverage of the members of the stack.
    others : sequence of BlockMap
        Coverage of the members of the other stack.

    Returns
    -------
    ndarray, shape (n_members,)
        Share of each member in the stack's mean, averaged over the overlap with
        the weights of the difference; adds up to one.
    """
    x0, y0, shape = bounding_window([*maps, *others])
    own, other = np.zeros(shape), np.zeros(shape)
    for total, side in ((own, maps), (other, others)):
        for m in side:
            total[window_in(m, x0, y0)] += m.weight
    pair_weight = own * other / np.maximum(own + other, 1e-30)
    density = pair_weight / np.maximum(own, 1e-30)
    shares = np.array([np.vdot(density[window_in(m, x0, y0)], m.weight) for m in maps])
    return shares / max(shares.sum(), 1e-30)
