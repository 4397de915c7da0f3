"""The mosaic before and after, condensed to a picture while its tiles are there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.wcs import WCS
from scipy.ndimage import affine_transform

from jwst_mosaic_skymatch.exposures.areas import tangent_plane
from jwst_mosaic_skymatch.levels.results import Match, PairResult, Stack
from jwst_mosaic_skymatch.tiles.grid import Grid
from jwst_mosaic_skymatch.tiles.tile import COVERAGE_BLOCK, StoredTile
from jwst_mosaic_skymatch.tiles.windows import BlockMap, block_sums, bounding_window, window_in

__all__ = ["MosaicPicture", "condense_mosaic"]

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
    x0, y0, (ny, nx) = bounding_window([stack.mean.bounds for stack in stacks])
    block = -(-max(ny, nx) // LARGEST_SIDE)
    shape = (-(-(y0 + ny) // block) - y0 // block, -(-(x0 + nx) // block) - x0 // block)
    return _Canvas(x0 // block, y0 // block, shape, block)


def _canvas_wcs(canvas: _Canvas, grid: Grid) -> WCS:
    """Describe the canvas by a tangent plane that touches the sky at the centre of the grid."""
    center = (np.array(grid.shape[::-1]) - 1) / 2
    ra, dec = grid.wcs(*center, with_bounding_box=False)
    pixel = (center + 0.5) / canvas.block + 0.5 - (canvas.x0, canvas.y0)
    return tangent_plane(ra, dec, grid.sky_axes * canvas.block / 3600, pixel)


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
    x0, y0, shape = bounding_window([member.bounds for member in stack.coverage])
    # Without a member at a place, the mean of all is there.
    number, mean = np.full(shape, TINY), np.full(shape, TINY * levels.mean())
    for member, level in zip(stack.coverage, levels.tolist(), strict=True):
        window = window_in(member, x0, y0)
        number[window] += member.weight
        mean[window] += level * member.weight
    mean /= number
    step, start = block / COVERAGE_BLOCK, np.array([part.y0, part.x0]) * block / COVERAGE_BLOCK
    return _resample(mean, start - (y0, x0), step, part.weight.shape, mode="nearest")


def _resample(
    image: np.ndarray, start: np.ndarray, step: float, shape: tuple[int, ...], **options: Any
) -> np.ndarray:
    """Take the pixels of an image that hold the centres of pixels of another size."""
    offset = start + 0.5 * (step - 1)
    return affine_transform(image, [step, step], offset, shape, order=0, **options)


def _rms_residual(canvas: _Canvas, pairs: Sequence[PairResult]) -> np.ndarray:
    """Average the squared residuals of all pairs."""
    number, squares = np.zeros(canvas.shape), np.zeros(canvas.shape)
    for pair in pairs:
        picture = pair.measurement.quality.picture
        if picture is None:
            continue
        step, corner = canvas.block / picture.block, np.array([picture.y0, picture.x0])
        start = np.array([canvas.y0, canvas.x0]) * step - corner / picture.block
        options: Any = {"mode": "grid-constant", "cval": np.nan}
        residual = _resample(picture.image, start, step, canvas.shape, **options) + pair.residual
        number += np.isfinite(residual)
        squares += np.nan_to_num(residual) ** 2
    with np.errstate(invalid="ignore"):
        return np.sqrt(squares / number).astype(np.float32)
