"""The mosaic before and after, condensed to a picture while its tiles are there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.wcs import WCS
from scipy.ndimage import affine_transform

from jwst_mosaic_skymatch.exposures.sky_files import tangent_plane
from jwst_mosaic_skymatch.levels.results import Match, PairResult, Stack
from jwst_mosaic_skymatch.tiles.grid import Grid
from jwst_mosaic_skymatch.tiles.windows import BLOCK_CELLS, BlockMap, bounding_window, window_in

__all__ = ["MosaicPicture", "block_sums", "condense_mosaic"]

# Pixels to a side of a picture. Noise does not compress: 480 make up to 0.5 MB of each in a page.
LARGEST_SIDE = 480
# Weight beside which every other one is large.
TINY = 1e-30


@dataclass(frozen=True)
class MosaicPicture:
    """A mosaic before and after, and its residuals, along the axes of the grid.

    Attributes
    ----------
    before, after : ndarray of float32, shape (ny, nx)
        Mean brightness, MJy/sr, without and with subtraction of levels; NaN without data.
    residual : ndarray of float32, shape (ny, nx)
        Rms difference of overlapping exposures in blocks of cells, with levels subtracted,
        MJy/sr; NaN without a pair.
    wcs : `~astropy.wcs.WCS`
        Celestial WCS of the three images.
    """

    before: np.ndarray
    after: np.ndarray
    residual: np.ndarray
    wcs: WCS


def condense_mosaic(match: Match, levels: np.ndarray, grid: Grid) -> MosaicPicture | None:
    """Condense a mosaic to a picture.

    Parameters
    ----------
    match : Match
        The match; means of its stacks are still in their files.
    levels : ndarray, shape (n,)
        Level to subtract from each exposure, MJy/sr; NaN subtracts nothing.
    grid : Grid
        The grid.

    Returns
    -------
    MosaicPicture or None
        The picture; None if no exposure has a good pixel.
    """
    if not match.stacks:
        return None
    coverage = [member.bounds for stack in match.stacks for member in stack.coverage]
    block = -(-max(bounding_window(coverage)[2]) * BLOCK_CELLS // LARGEST_SIDE)
    parts = [_condense(stack, np.nan_to_num(levels), block) for stack in match.stacks]
    x0, y0, shape = bounding_window([weight.bounds for weight, _ in parts])
    total, before, after = np.zeros((3, *shape), dtype=np.float32)
    for weight, (light, light_after) in parts:
        window = window_in(weight, x0, y0)
        total[window] += weight.weight
        before[window] += light
        after[window] += light_after
    canvas = BlockMap(x0, y0, total)
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN
        before, after = before / total, after / total
    residual = _rms_residual(canvas, block, (*match.exposure_pairs, *match.stack_pairs))
    # A tangent plane that touches the sky at the centre of the grid.
    center = (np.array(grid.wcs.pixel_shape) - 1) / 2
    ra, dec = grid.wcs(*center, with_bounding_box=False)
    pixel = (center + 0.5) / block + 0.5 - (x0, y0)
    wcs = tangent_plane(ra, dec, grid.sky_axes * block / 3600, pixel)
    return MosaicPicture(before, after, residual, wcs)


def _condense(
    stack: Stack, levels: np.ndarray, block: int
) -> tuple[BlockMap, tuple[np.ndarray, np.ndarray]]:
    """Sum weights, and light without and with subtraction of the levels of the members."""
    tile = stack.mean.read()
    part = block_sums(tile, tile.weight, block)
    light = block_sums(tile, tile.weight * np.nan_to_num(tile.data), block).weight
    # The mean is that of members minus these levels, and without these gains.
    inside = _mean_level(stack, stack.corrections[:, 0], part, block)
    gains = _mean_level(stack, stack.corrections[:, 5], part, block)
    subtracted = _mean_level(stack, levels[list(stack.members)], part, block)
    before = light * (1.0 + gains) + part.weight * inside
    return part, (before, before - part.weight * subtracted)


def block_sums(tile: BlockMap, values: np.ndarray, block: int) -> BlockMap:
    """Add up values of a tile's cells over square blocks.

    Parameters
    ----------
    tile : Tile
        The tile.
    values : ndarray, shape (ny, nx)
        One value for each of its cells.
    block : int
        Cells to a side of a block. Blocks begin at cell (0, 0) of the grid.

    Returns
    -------
    BlockMap
        Sums over all blocks that the tile touches.
    """
    sums = values
    for axis, first in enumerate((tile.y0, tile.x0)):
        edges = np.arange(-(first % block), values.shape[axis], block).clip(0)
        sums = np.add.reduceat(sums, edges, axis)
    return BlockMap(tile.x0 // block, tile.y0 // block, sums.astype(np.float32))


def _mean_level(stack: Stack, levels: np.ndarray, part: BlockMap, block: int) -> np.ndarray:
    """Average the levels of the members that cover each block of a part of the canvas."""
    x0, y0, shape = bounding_window([member.bounds for member in stack.coverage])
    # Without a member at a place, the mean of all is there.
    number, mean = np.full(shape, TINY), np.full(shape, TINY * levels.mean())
    for member, level in zip(stack.coverage, levels.tolist(), strict=True):
        window = window_in(member, x0, y0)
        number[window] += member.weight
        mean[window] += level * member.weight
    mean /= number
    step, start = block / BLOCK_CELLS, np.array([part.y0, part.x0]) * block / BLOCK_CELLS
    return _resample(mean, start - (y0, x0), step, part.weight.shape, mode="nearest")


def _resample(
    image: np.ndarray, start: np.ndarray, step: float, shape: tuple[int, ...], **options: Any
) -> np.ndarray:
    """Take the pixels of an image that hold the centres of pixels of another size."""
    offset = start + 0.5 * (step - 1)
    return affine_transform(image, [step, step], offset, shape, order=0, **options)


def _rms_residual(canvas: BlockMap, block: int, pairs: Sequence[PairResult]) -> np.ndarray:
    """Average the squared residuals of all pairs."""
    number, squares = np.zeros((2, *canvas.weight.shape))
    for pair in pairs:
        picture = pair.measurement.quality.picture
        if picture is None:
            continue
        step, corner = block / picture.block, np.array([picture.y0, picture.x0])
        start = np.array([canvas.y0, canvas.x0]) * step - corner / picture.block
        options: Any = {"mode": "grid-constant", "cval": np.nan}
        residual = _resample(picture.image, start, step, number.shape, **options) + pair.residual
        number += np.isfinite(residual)
        squares += np.nan_to_num(residual) ** 2
    with np.errstate(invalid="ignore"):
        return np.sqrt(squares / number).astype(np.float32)
