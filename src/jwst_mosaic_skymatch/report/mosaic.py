"""The mosaic before and after, condensed to a picture while its tiles are there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.levels.results import Match, PairResult, Stack
from jwst_mosaic_skymatch.tiles.blocks import COVERAGE_BLOCK, BlockMap, block_sums
from jwst_mosaic_skymatch.tiles.grid import Grid
from jwst_mosaic_skymatch.tiles.tile import StoredTile
from jwst_mosaic_skymatch.tiles.windows import Bounds, bounding_window, window_in

__all__ = ["MosaicPicture", "condense_mosaic"]

# Pixels to a side of a picture. Noise does not compress: 480 make up to 0.9 MB of each in a page.
LARGEST_SIDE = 480


@dataclass(frozen=True)
class MosaicPicture:
    """A mosaic as it was, as it is, and what overlaps still show; north is up, east left.

    Attributes
    ----------
    before, after : ndarray of float32, shape (ny, nx)
        Mean surface brightness, MJy/sr, of the exposures as they were given, and less their
        levels; the first row is the southernmost. NaN where there is nothing.
    residual : ndarray of float32, shape (ny, nx)
        Rms difference of the exposures that overlap there, in blocks of cells and less their
        levels, MJy/sr; NaN where none were compared.
    extent : tuple of float
        Left, right, lower, and upper edge, arcsec to the east and to the north of ``centre``.
    centre : tuple of float
        RA and Dec, degrees.
    """

    before: np.ndarray
    after: np.ndarray
    residual: np.ndarray
    extent: tuple[float, float, float, float]
    centre: tuple[float, float]


@dataclass(frozen=True)
class _Canvas:
    """Sums over blocks of cells of a part of the grid."""

    bounds: Bounds  # in blocks
    block: int

    @property
    def shape(self) -> tuple[int, int]:
        x_min, x_max, y_min, y_max = self.bounds
        return y_max - y_min, x_max - x_min

    def window(self, part: BlockMap) -> tuple[slice, slice]:
        return window_in(part, self.bounds[0], self.bounds[2])


def condense_mosaic(match: Match, levels: np.ndarray, grid: Grid) -> MosaicPicture | None:
    """Make a picture of a mosaic.

    Parameters
    ----------
    match : Match
        The match; means of its stacks are still in their files.
    levels : ndarray, shape (n,)
        Level that each exposure gets, MJy/sr; NaN, for none, subtracts nothing.
    grid : Grid
        The grid.

    Returns
    -------
    MosaicPicture or None
        The picture; None if no exposure has a good pixel.
    """
    if not match.stacks:
        return None
    canvas = _lay_canvas(match.stacks)
    images = (
        *_average(canvas, match.stacks, np.nan_to_num(levels)),
        _residuals(canvas, (*match.exposure_pairs, *match.stack_pairs)),
    )
    return _upright(canvas, images, grid)


def _lay_canvas(stacks: Sequence[Stack]) -> _Canvas:
    bounds = np.array([stack.mean.bounds for stack in stacks])
    low, high = bounds[:, ::2].min(axis=0), bounds[:, 1::2].max(axis=0)
    block = max(1, -(-int((high - low).max()) // LARGEST_SIDE))
    (x_min, y_min), (x_max, y_max) = (low // block).tolist(), (-(-high // block)).tolist()
    return _Canvas((x_min, x_max, y_min, y_max), block)


def _average(
    canvas: _Canvas, stacks: Sequence[Stack], levels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Average means of stacks with the levels of their members put back, and with all gone."""
    total, before, after = (np.zeros(canvas.shape, dtype=np.float32) for _ in range(3))
    for stack in stacks:
        tile = stack.mean.read() if isinstance(stack.mean, StoredTile) else stack.mean
        weight = block_sums(tile, tile.weight, canvas.block)
        light = block_sums(tile, tile.weight * np.nan_to_num(tile.data), canvas.block).weight
        window = canvas.window(weight)
        total[window] += weight.weight
        inside = _mean_level(stack, stack.levels, weight, canvas.block)
        taken = _mean_level(stack, levels[list(stack.members)], weight, canvas.block)
        light = light + weight.weight * inside
        before[window] += light
        after[window] += light - weight.weight * taken
    with np.errstate(invalid="ignore"):
        return before / total, after / total  # 0 / 0 is NaN


def _mean_level(stack: Stack, levels: np.ndarray, part: BlockMap, block: int) -> np.ndarray:
    """Mean level of the members that cover each block of a part of the canvas."""
    x0, y0, shape = bounding_window(stack.coverage)
    number, total = np.zeros(shape), np.zeros(shape)
    for own, level in zip(stack.coverage, levels.tolist(), strict=True):
        number[window_in(own, x0, y0)] += own.weight
        total[window_in(own, x0, y0)] += level * own.weight
    mean = np.where(number > 0, total / np.maximum(number, 1e-30), levels.mean())
    ny, nx = part.weight.shape
    rows, columns = (
        np.clip(
            ((first + np.arange(n) + 0.5) * block // COVERAGE_BLOCK).astype(int) - corner,
            0,
            end - 1,
        )
        for first, n, corner, end in ((part.y0, ny, y0, shape[0]), (part.x0, nx, x0, shape[1]))
    )
    return mean[np.ix_(rows, columns)]


def _residuals(canvas: _Canvas, pairs: Sequence[PairResult]) -> np.ndarray:
    """Rms of what is left of the differences of all pairs."""
    number, squares = np.zeros(canvas.shape), np.zeros(canvas.shape)
    ny, nx = canvas.shape
    for pair in pairs:
        picture = pair.offset.picture
        if picture is None:
            continue
        left = np.square(picture.image + np.float32(pair.residual))
        # Pictures are coarser than the canvas or finer.
        side = -(-picture.block // canvas.block)
        fine = np.repeat(np.repeat(left, side, axis=0), side, axis=1)
        cells = picture.block / side
        rows, columns = (
            np.floor((corner + (np.arange(n) + 0.5) * cells) / canvas.block).astype(int) - first
            for corner, n, first in (
                (picture.y0, fine.shape[0], canvas.bounds[2]),
                (picture.x0, fine.shape[1], canvas.bounds[0]),
            )
        )
        rows, columns = np.clip(rows, 0, ny - 1), np.clip(columns, 0, nx - 1)
        np.add.at(number, (rows[:, None], columns), np.isfinite(fine))
        np.add.at(squares, (rows[:, None], columns), np.nan_to_num(fine))
    with np.errstate(invalid="ignore"):
        return np.sqrt(squares / number).astype(np.float32)


def _upright(canvas: _Canvas, images: Sequence[np.ndarray], grid: Grid) -> MosaicPicture:
    """Turn images so that north is up: the nearest block for each pixel."""
    x_min, x_max, y_min, y_max = (canvas.block * b for b in canvas.bounds)
    middle = np.array([0.5 * (x_min + x_max - 1), 0.5 * (y_min + y_max - 1)])
    ra, dec = (float(angle) for angle in grid.wcs(*middle, with_bounding_box=False))
    corners = np.array([(x, y) for x in (x_min, x_max) for y in (y_min, y_max)]) - 0.5 - middle
    axes = grid.sky_axes
    reach = np.abs(corners @ axes.T).max(axis=0)
    scale = max(canvas.block * grid.cell_scale, 2.0 * float(reach.max()) / LARGEST_SIDE)
    nx, ny = (int(np.ceil(2.0 * r / scale)) for r in reach)
    east = (0.5 * nx - np.arange(nx) - 0.5) * scale
    north = (np.arange(ny) + 0.5 - 0.5 * ny) * scale
    cells = np.stack(np.meshgrid(east, north), axis=-1) @ np.linalg.inv(axes).T + middle
    columns = np.floor((cells[..., 0] + 0.5) / canvas.block).astype(int) - canvas.bounds[0]
    rows = np.floor((cells[..., 1] + 0.5) / canvas.block).astype(int) - canvas.bounds[2]
    inside = (rows >= 0) & (rows < canvas.shape[0]) & (columns >= 0) & (columns < canvas.shape[1])
    turned = []
    for image in images:
        upright = np.full((ny, nx), np.nan, dtype=np.float32)
        upright[inside] = image[rows[inside], columns[inside]]
        turned.append(upright)
    before, after, residual = turned
    extent = (0.5 * nx * scale, -0.5 * nx * scale, -0.5 * ny * scale, 0.5 * ny * scale)
    return MosaicPicture(before, after, residual, extent, (ra % 360.0, dec))
