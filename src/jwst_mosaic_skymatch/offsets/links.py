"""Exposures that meet others only in their Lyot fields."""

from collections.abc import Sequence

import numpy as np
from stdatamodels.jwst.datamodels import JwstDataModel
from stpipe.library import AbstractModelLibrary

from jwst_mosaic_skymatch.exposures.metadata import Exposure
from jwst_mosaic_skymatch.exposures.models import each_model
from jwst_mosaic_skymatch.offsets.graph import connected_parts
from jwst_mosaic_skymatch.tiles.blocks import BlockMap, footprint_blocks
from jwst_mosaic_skymatch.tiles.exclusion import frame_parts
from jwst_mosaic_skymatch.tiles.grid import Grid
from jwst_mosaic_skymatch.tiles.pieces import window_footprint
from jwst_mosaic_skymatch.tiles.windows import overlap_windows, overlapping_pairs

__all__ = ["find_lyot_links", "lyot_links"]

# Thousandths of a typical footprint that two exposures have to share.
LEAST_SHARED = 5

# Corners of a frame in units of its sides, in the order of S_REGION whatever that is.
UNIT = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


def find_lyot_links(
    library: AbstractModelLibrary,
    exposures: Sequence[Exposure],
    grid: Grid,
    footprints: Sequence[np.ndarray],
) -> frozenset[int]:
    """Find full frames of MIRI whose Lyot field ties them to others that no imager ties.

    Parameters
    ----------
    library : `~jwst.datamodels.library.ModelLibrary`
        The exposures, of which one is opened: in all others imager and Lyot field are where they
        are in this, relative to the corners of the footprint.
    exposures : sequence of Exposure
        Their metadata.
    grid : Grid
        The grid.
    footprints : sequence of ndarray, shape (n_corners, 2)
        Corners (x, y) of each exposure on the grid, cells.

    Returns
    -------
    frozenset of int
        Their positions.
    """
    frames = [
        k
        for k, (exposure, corners) in enumerate(zip(exposures, footprints, strict=True))
        if exposure.detector == "MIRIMAGE"
        and exposure.subarray in (None, "FULL")
        and len(corners) == len(UNIT)
    ]
    if not frames:
        return frozenset()

    def look(exposure: Exposure, model: JwstDataModel) -> list[np.ndarray]:
        parts = frame_parts(exposure, model.data.shape)
        return [window_footprint(model.meta.wcs, part) for part in parts]

    (skies,) = each_model(library, [exposures[frames[0]]], look)
    if not skies or not np.isfinite(skies).all():
        return frozenset()
    imager, field = (
        _affine(footprints[frames[0]], UNIT, corners) for corners in grid.locate(skies)
    )
    imagers, fields = list(footprints), {}
    for k in frames:
        corners = _in_order_of(footprints[frames[0]], footprints[k])
        imagers[k], fields[k] = (_affine(UNIT, corners, part) for part in (imager, field))
    return lyot_links(imagers, fields)


def lyot_links(imagers: Sequence[np.ndarray], fields: dict[int, np.ndarray]) -> frozenset[int]:
    """Find exposures whose Lyot field lies on others that imagers do not connect them with.

    Parameters
    ----------
    imagers : sequence of ndarray, shape (n_corners, 2)
        Corners (x, y) of each exposure without its Lyot field, cells.
    fields : dict of int to ndarray, shape (n_corners, 2)
        Corners of the Lyot fields, by position of the exposure.

    Returns
    -------
    frozenset of int
        Positions of those exposures. Where two Lyot fields meet, it is both.
    """
    n, owners = len(imagers), np.array([*range(len(imagers)), *fields])
    maps = footprint_blocks([*imagers, *fields.values()])
    pairs = np.array(
        [(i, j) for i, j in overlapping_pairs(maps) if _shared(maps[i], maps[j]) >= LEAST_SHARED],
        dtype=int,
    ).reshape(-1, 2)
    of_imagers = pairs[(pairs < n).all(axis=1)]
    parts = connected_parts(n, *of_imagers.T)
    ends = owners[pairs]
    tied = pairs[parts[ends[:, 0]] != parts[ends[:, 1]]]
    return frozenset(owners[tied[tied >= n]].tolist())


def _shared(first: BlockMap, second: BlockMap) -> float:
    own, others = overlap_windows(first, second)
    return float(np.vdot(first.weight[own], second.weight[others]))


def _in_order_of(first: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """List corners clockwise or not, as those of the first; jwst and gwcs start at one corner."""
    turns = [np.linalg.det(np.diff(c[:3], axis=0)) for c in (first, corners)]
    return corners if turns[0] * turns[1] > 0 else corners[[0, 3, 2, 1]]


def _affine(corners: np.ndarray, images: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map points as corners are mapped to their images; distortion moves them by pixels only."""
    ones = np.ones((len(corners), 1))
    matrix, *_ = np.linalg.lstsq(np.hstack([corners, ones]), images, rcond=None)
    return np.hstack([points, np.ones((len(points), 1))]) @ matrix
