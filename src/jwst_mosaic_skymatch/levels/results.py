"""Results of a match: stacks, pairs, levels, backgrounds."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.offsets.results import PairMeasurement
from jwst_mosaic_skymatch.tiles.frame import DetectorFrame, PixelPlane
from jwst_mosaic_skymatch.tiles.tile import StoredTile, Tile
from jwst_mosaic_skymatch.tiles.windows import BlockMap

__all__ = [
    "NO_OVERLAP",
    "Backgrounds",
    "Levels",
    "Match",
    "PairResult",
    "Stack",
]

#: Reason why an exposure with a tile has no level.
NO_OVERLAP = "no overlap with others, or too few cells"


@dataclass(frozen=True)
class Stack:
    """Exposures of a group that lie upon each other, compared with others by their mean.

    Attributes
    ----------
    label : str
        Name of the group, with a number if it has several stacks, or a stack several parts.
    members : tuple of int
        Positions of its exposures.
    corrections : ndarray, shape (n_members, 6)
        Corrections of the members before the average: level (MJy/sr), shift along x and y (cells),
        gradient along x and y (MJy/sr per cell), gain. The plane is zero at the centre of the
        frame. The gain acts on the brightness above level and plane.
    coverage : tuple of BlockMap
        Information of each member, which is its weight in the mean.
    frames : tuple of DetectorFrame
        Frames of the members' detectors.
    information : BlockMap
        That of ``mean``.
    mean : Tile or StoredTile
        Mean image of the corrected members.
    """

    label: str
    members: tuple[int, ...]
    corrections: np.ndarray
    coverage: tuple[BlockMap, ...]
    frames: tuple[DetectorFrame, ...]
    information: BlockMap
    mean: Tile | StoredTile


@dataclass(frozen=True)
class PairResult:
    """A pair beside the solution.

    Attributes
    ----------
    measurement : PairMeasurement
        The measurement; its positions are those of exposures, or of stacks.
    error : float
        1-sigma error of the offset, with the structure of backgrounds, MJy/sr.
    residual : float
        Offset minus that of the levels, and of planes that are subtracted, MJy/sr: the seam in the
        mosaic.
    fitted_error : float
        1-sigma error of the difference of levels, and of planes, that the residual is without,
        MJy/sr.
    robust_weight : float
        Share of the weight that is left after comparison with other pairs.
    """

    measurement: PairMeasurement
    error: float
    residual: float
    fitted_error: float
    robust_weight: float

    @property
    def used(self) -> bool:
        """Whether the pair has kept most of its weight."""
        return self.robust_weight > 0.5


@dataclass(frozen=True)
class Levels:
    """Levels with their errors.

    Attributes
    ----------
    values : ndarray of float64, shape (n,)
        Level of each exposure, MJy/sr, with zero mean over each connected component that is not
        anchored; NaN for an exposure without a usable overlap.
    errors : ndarray of float64, shape (n,)
        1-sigma errors relative to that mean or anchor, MJy/sr; NaN where the level is.
    components : ndarray of int, shape (n,)
        Connected component of each exposure; -1 where the level is NaN.
    anchored : ndarray of bool, shape (n_components,)
        Components with a level that was held, or that overlap a reference image.
    shifts : ndarray of float64, shape (n, 2)
        Shift (x, y) of each exposure from the mean, cells; NaN when not fitted.
    shift_errors : ndarray of float64, shape (n,)
        Its error along each axis, cells; NaN when not fitted.
    reasons : tuple of str
        Why exposures have no level; empty for others.
    """

    values: np.ndarray
    errors: np.ndarray
    components: np.ndarray
    anchored: np.ndarray
    shifts: np.ndarray
    shift_errors: np.ndarray
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Backgrounds:
    """Random effects: variance components and predictions.

    Attributes
    ----------
    sigmas : mapping of str to float
        Standard deviation of each effect in the model. Units are MJy/sr per cell and axis for
        'visit gradient' and 'exposure gradient', and MJy/sr for 'pedestal', 'misfit' and detector
        regions; 'gain' is relative.
    gradients : ndarray of float64, shape (n, 2)
        Predicted gradient (x, y) of each exposure, MJy/sr per cell.
    gradient_errors : ndarray of float64, shape (n, 2)
        Their errors; zero where the model has no gradients.
    contrasts : mapping of str to tuple of float
        Predicted contrast of each detector region and its error, MJy/sr.
    planes : tuple of PixelPlane or None
        Plane to subtract from each exposure besides its level, None for none; empty unless
        planes are asked for.
    """

    sigmas: Mapping[str, float]
    gradients: np.ndarray
    gradient_errors: np.ndarray
    contrasts: Mapping[str, tuple[float, float]]
    planes: tuple[PixelPlane | None, ...]


@dataclass(frozen=True)
class Match:
    """Matched levels and their basis.

    Attributes
    ----------
    levels : Levels
        Levels of the n exposures.
    backgrounds : Backgrounds
        Random effects.
    stacks : tuple of Stack
        The stacks.
    exposure_pairs, stack_pairs : tuple of PairResult
        Pairs inside stacks, by position of the exposures, and pairs of stacks, by position in
        ``stacks``. The position after the last stack is that of a reference image.
    skies : ndarray of float64, shape (n,)
        Level of each exposure's own pixels, MJy/sr; NaN if not asked for.
    remarks : mapping of int to str
        Defects of exposures, by position, that disagree with all others.
    """

    levels: Levels
    backgrounds: Backgrounds
    stacks: tuple[Stack, ...]
    exposure_pairs: tuple[PairResult, ...]
    stack_pairs: tuple[PairResult, ...]
    skies: np.ndarray
    remarks: Mapping[int, str]
