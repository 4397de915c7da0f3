"""The mosaic before and after, condensed to a picture while its tiles are there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy.wcs import WCS

from jwst_mosaic_skymatch.levels.results import Match, PairResult, Stack
from jwst_mosaic_skymatch.tiles.blocks import COVERAGE_BLOCK, BlockMap, block_sums
from jwst_mosaic_skymatch.tiles.grid import Grid
from jwst_mosaic_skymatch.tiles.tile import StoredTile
from jwst_mosaic_skymatch.tiles.windows import bounding_window, window_in

__all__ = ["MosaicPicture", "condense_mosaic"]

# Pixels to a side of a picture. Noise does not compress: 480 make up to 0.5 MB of each in a page.
LARGEST_SIDE = 480


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


@dataclass(frozen=True)
class _Canvas:
    """Blocks of cells of the part of the grid that has data."""

    x0: int  # first block
    y0: int
    shape: tuple[int, int]
    block: int  # cells to a side


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
    canvas = _lay_canvas(match.stacks)
    before, after = _average(canvas, match.stacks, np.nan_to_num(levels))
    residual = _rms_residual(canvas, (*match.exposure_pairs, *match.stack_pairs))
    return MosaicPicture(before, after, residual, _canvas_wcs(canvas, grid))


def _lay_canvas(stacks: Sequence[Stack]) -> _Canvas:
    x0, y0, (ny, nx) = bounding_window([stack.mean for stack in stacks])
    block = -(-max(ny, nx) // LARGEST_SIDE)
    shape = (-(-(y0 + ny) // block) - y0 // block, -(-(x0 + nx) // block) - x0 // block)
    return _Canvas(x0 // block, y0 // block, shape, block)


def _canvas_wcs(canvas: _Canvas, grid: Grid) -> WCS:
    """Describe the canvas by a tangent plane that touches the sky at the centre of the grid."""
    center = (np.array(grid.shape[::-1]) - 1) / 2
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.crval = grid.wcs(*center, with_bounding_box=False)
    wcs.wcs.crpix = (center + 0.5) / canvas.block + 0.5 - (canvas.x0, canvas.y0)
    wcs.wcs.cd = grid.sky_axes * canvas.block / 3600
    return wcs


def _average(
    canvas: _Canvas, stacks: Sequence[Stack], levels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Average the means of stacks with the levels of their members, and without."""
    total, before, after = (np.zeros(canvas.shape, dtype=np.float32) for _ in range(3))
    for stack in stacks:
        tile = stack.mean.read() if isinstance(stack.mean, StoredTile) else stack.mean
        part = block_sums(tile, tile.weight, canvas.block)
        light = block_sums(tile, tile.weight * np.nan_to_num(tile.data), canvas.block).weight
        window = window_in(part, canvas.x0, canvas.y0)
        inside = _mean_level(stack, stack.flattening.levels, part, canvas.block)
        subtracted = _mean_level(stack, levels[list(stack.members)], part, canvas.block)
        total[window] += part.weight
        before[window] += light + part.weight * inside
        after[window] += light + part.weight * (inside - subtracted)
    with np.errstate(invalid="ignore"):
        return before / total, after / total  # 0 / 0 is NaN


def _mean_level(stack: Stack, levels: np.ndarray, part: BlockMap, block: int) -> np.ndarray:
    """Average the levels of the members that cover each block of a part of the canvas."""
    x0, y0, shape = bounding_window(stack.coverage)
    number, total = np.zeros(shape), np.zeros(shape)
    for member, level in zip(stack.coverage, levels.tolist(), strict=True):
        window = window_in(member, x0, y0)
        number[window] += member.weight
        total[window] += level * member.weight
    mean = np.where(number > 0, total / np.maximum(number, 1e-30), levels.mean())
    (ny, nx), step = part.weight.shape, block / COVERAGE_BLOCK
    rows = _block_indices(part.y0 * step - y0, ny, step, shape[0])
    columns = _block_indices(part.x0 * step - x0, nx, step, shape[1])
    return mean[np.ix_(rows, columns)]


def _block_indices(start: float, n: int, step: float, size: int) -> np.ndarray:
    """Index the blocks that hold the centres of n intervals; outside of the array its edge."""
    return (start + (np.arange(n) + 0.5) * step).astype(int).clip(0, size - 1)


def _rms_residual(canvas: _Canvas, pairs: Sequence[PairResult]) -> np.ndarray:
    """Average the squared residuals of all pairs."""
    number, squares = np.zeros(canvas.shape), np.zeros(canvas.shape)
    for pair in pairs:
        picture = pair.measurement.quality.picture
        if picture is None:
            continue
        (ny, nx), step = picture.image.shape, canvas.block / picture.block
        rows, inside_y = _sample(canvas.y0, canvas.shape[0], step, picture.y0 / picture.block, ny)
        columns, inside_x = _sample(
            canvas.x0, canvas.shape[1], step, picture.x0 / picture.block, nx
        )
        residual = picture.image[np.ix_(rows, columns)] + pair.residual
        inside = np.ix_(inside_y, inside_x)
        number[inside] += np.isfinite(residual)
        squares[inside] += np.nan_to_num(residual) ** 2
    with np.errstate(invalid="ignore"):
        return np.sqrt(squares / number).astype(np.float32)


def _sample(
    first: int, n: int, step: float, start: float, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Index the pixels of a picture that hold centres of blocks, and these blocks."""
    pixels = np.floor((first + np.arange(n) + 0.5) * step - start).astype(int)
    inside = np.flatnonzero((pixels >= 0) & (pixels < size))
    return pixels[inside], inside
