"""What a match finds: stacks, levels, errors, pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from scipy.special import chdtrc

from jwst_mosaic_skymatch.offsets.lyot import LyotContrast, LyotOffset
from jwst_mosaic_skymatch.offsets.measure import PairOffset
from jwst_mosaic_skymatch.tiles.blocks import BlockMap, TileSummary
from jwst_mosaic_skymatch.tiles.frame import DetectorFrame, PixelPlane
from jwst_mosaic_skymatch.tiles.tile import StoredTile, Tile

__all__ = [
    "ALL_EXCLUDED",
    "FEW_CELLS",
    "NO_OVERLAP",
    "NO_PIXEL",
    "SCATTERED",
    "BackgroundScatter",
    "FamilySlopes",
    "Match",
    "MatchedStack",
    "PairResult",
    "Stack",
    "closure_factor",
    "closure_of",
    "unmatched",
]

# Residual, in its errors, that a pair counts at most in the factor on errors.
LARGEST_MISFIT = 3.0
# Probability of a chi2 from which on it may be chance.
LEAST_PROBABILITY = 1e-3

#: Why an exposure has no level.
NO_PIXEL = "no good pixel"
ALL_EXCLUDED = "all good pixels are excluded"
SCATTERED = "good pixels too scattered to cover any cell of the grid"
FEW_CELLS = "too few cells in common with others"
NO_OVERLAP = "no overlap with others"


@dataclass(frozen=True)
class PairResult:
    """A pair's offset beside the solution.

    Attributes
    ----------
    offset : PairOffset
        What was measured; its positions are those of exposures, or of stacks.
        Its value and variance are those at the shift that all pairs
        agree on.
    residual : float
        Offset minus the difference of the levels, MJy/sr.
    expected_variance : float
        Variance that ``residual`` should have, (MJy/sr)^2.
    weight : float
        Weight of the equation, (MJy/sr)^-2.
    robust_weight : float
        Share of the weight that is left after comparison with other pairs.
    """

    offset: PairOffset
    residual: float
    expected_variance: float
    weight: float
    robust_weight: float

    @property
    def used(self) -> bool:
        """Whether the pair has kept most of its weight."""
        return self.robust_weight > 0.5


@dataclass(frozen=True)
class Stack:
    """Exposures of a group that lie upon each other, compared with others as one image.

    Attributes
    ----------
    label : str
        Name of the group, with a number if it has several stacks.
    members : tuple of int
        Positions of its exposures.
    levels : ndarray of float64, shape (n_members,)
        Level of each member inside the stack, MJy/sr, with zero mean.
    covariance : ndarray of float64, shape (n_members, n_members)
        Covariance of ``levels``, (MJy/sr)^2.
    shifts, shift_variances : ndarray of float64, shape (n_members, 2)
        Shift (x, y) of each member from their mean, cells, and its
        variance; NaN when not fitted.
    coverage : tuple of BlockMap
        What each member has in the mean: where it has data, or nothing.
    frames : tuple of DetectorFrame or None
        Frames of the members' detectors.
    gradients, gradient_errors : ndarray of float64, shape (n_members, 2)
        Gradient of each member's background along x and y of the grid, and its error, MJy/sr
        per cell; zero where none is fitted.
    gradient : ndarray of float64, shape (2,)
        The part of them that all members have in common, and ``mean`` still has.
    summary : TileSummary
        Extent and weights of ``mean``.
    mean : Tile or StoredTile
        Mean image of the members after their levels, and what their gradients have of their
        own, are subtracted.
    """

    label: str
    members: tuple[int, ...]
    levels: np.ndarray
    covariance: np.ndarray
    shifts: np.ndarray
    shift_variances: np.ndarray
    coverage: tuple[BlockMap, ...]
    frames: tuple[DetectorFrame | None, ...]
    summary: TileSummary
    mean: Tile | StoredTile
    gradients: np.ndarray = field(default_factory=lambda: np.zeros(2))
    gradient_errors: np.ndarray = field(default_factory=lambda: np.zeros(2))
    gradient: np.ndarray = field(default_factory=lambda: np.zeros(2))

    def with_gradient(self, gradient: np.ndarray, errors: np.ndarray, levels: np.ndarray) -> Self:
        """Add a common gradient, (2,), its errors, and what it makes of levels, (n_members,)."""
        return replace(
            self,
            levels=self.levels + levels,
            gradients=self.gradients + gradient,
            gradient_errors=np.hypot(self.gradient_errors, errors),
            gradient=gradient,
        )


@dataclass(frozen=True)
class MatchedStack:
    """Exposures that may form a stack, after they have been compared with each other.

    Attributes
    ----------
    stacks : tuple of Stack
        The stack, or the parts that too few common cells leave unconnected.
    pairs : tuple of PairResult
        Pairs of its members, by position of the exposures.
    members : tuple of int
        Positions of all its exposures, also of those without a good pixel.
    skies : tuple of float
        Level of each exposure's own pixels, MJy/sr; NaN if there are none or it was not
        asked for.
    obstacles : mapping of int to str
        What keeps exposures, by position, from being compared with the others.
    remarks : mapping of int to str
        What is wrong with exposures, by position, that are kept out of the mean.
    contrasts : tuple of LyotContrast
        What its pairs show of MIRI's Lyot fields.
    """

    stacks: tuple[Stack, ...]
    pairs: tuple[PairResult, ...]
    members: tuple[int, ...]
    skies: tuple[float, ...]
    obstacles: Mapping[int, str]
    remarks: Mapping[int, str] = field(default_factory=dict)
    contrasts: tuple[LyotContrast, ...] = ()


@dataclass(frozen=True)
class BackgroundScatter:
    """How much backgrounds differ from constants.

    Attributes
    ----------
    visit_slope, exposure_slope : float
        Rms gradient along an axis of the grid, MJy/sr per cell: of what the exposures of a
        detector in a visit have in common, and of what each has of its own.
    gain : float
        Rms relative gain of exposures.
    """

    visit_slope: float = 0.0
    exposure_slope: float = 0.0
    gain: float = 0.0


@dataclass(frozen=True)
class FamilySlopes:
    """Gradients that exposures of a family have in common.

    Attributes
    ----------
    names : tuple of str
        The families.
    slopes, errors : ndarray, shape (n_families, 2)
        Gradient (x, y) relative to the median of all families, and its 1-sigma error, MJy/sr
        per cell; NaN where no pair tells.
    """

    names: tuple[str, ...] = ()
    slopes: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    errors: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))

    @property
    def sizes(self) -> np.ndarray:
        """Length of each gradient, MJy/sr per cell, shape (n_families,)."""
        return np.hypot(*self.slopes.T)

    @property
    def significances(self) -> np.ndarray:
        """Length of each gradient in units of its error, shape (n_families,)."""
        return np.sqrt(np.sum((self.slopes / np.maximum(self.errors, 1e-30)) ** 2, axis=1))


@dataclass(frozen=True)
class Match:
    """Matched levels and what they rest on.

    Attributes
    ----------
    levels : ndarray of float64, shape (n,)
        Level of each exposure, MJy/sr, with zero mean over each connected
        component; NaN for an exposure without a usable overlap.
    level_errors : ndarray of float64, shape (n,)
        1-sigma errors of ``levels`` relative to their component's mean, MJy/sr;
        NaN where the level is.
    level_noise : ndarray of float64, shape (n,)
        The part of them by noise alone.
    components : ndarray of int, shape (n,)
        Connected component of each exposure; -1 where the level is NaN.
    shifts, shift_variances : ndarray of float64, shape (n, 2)
        Shift (x, y) of each exposure from the mean of its component,
        cells, and its variance; NaN when not fitted.
    stacks : tuple of Stack
        The stacks.
    exposure_pairs : tuple of PairResult
        Pairs inside stacks, by position of the exposures.
    stack_pairs : tuple of PairResult
        Pairs of stacks, by position in ``stacks``.
    skies : ndarray of float64, shape (n,)
        Level of each exposure's own pixels, MJy/sr; NaN if not asked for.
    reasons : tuple of str
        Why exposures have no level; empty for those that have one.
    remarks : mapping of int to str
        What is wrong with exposures, by position, that all others of their visit disagree with.
    backgrounds : BackgroundScatter
        How much backgrounds differ from constants.
    closure_factor : float
        By what factor errors were multiplied because pairs do not close.
    planes : tuple of PixelPlane or None
        What to subtract from each exposure besides its level, None for nothing; empty if no
        gradients were to be fitted, like the next two.
    gradients, gradient_errors : ndarray of float64, shape (n, 2)
        Gradient of each exposure's background along x and y of the grid, and its error, about
        the common one, MJy/sr per cell; zero where it is not significant.
    placed : frozenset of int
        Positions of pieces whose level is no measurement but follows from their exposure's.
    lyot : LyotOffset
        How much MIRI's Lyot fields lie above the imager; it has been taken out of pairs.
    lyot_pairs : tuple of int
        Positions in ``stack_pairs`` of those that compare next to nothing but Lyot fields with
        an imager, if nothing tells how these differ.
    slopes : FamilySlopes
        Gradients that pairs show.
    """

    levels: np.ndarray
    level_errors: np.ndarray
    level_noise: np.ndarray
    components: np.ndarray
    shifts: np.ndarray
    shift_variances: np.ndarray
    stacks: tuple[Stack, ...]
    exposure_pairs: tuple[PairResult, ...]
    stack_pairs: tuple[PairResult, ...]
    skies: np.ndarray
    reasons: tuple[str, ...]
    remarks: Mapping[int, str] = field(default_factory=dict)
    backgrounds: BackgroundScatter = field(default_factory=lambda: BackgroundScatter())
    closure_factor: float = 1.0
    planes: tuple[PixelPlane | None, ...] = ()
    gradients: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    gradient_errors: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    placed: frozenset[int] = frozenset()
    lyot: LyotOffset = field(default_factory=lambda: LyotOffset())
    lyot_pairs: tuple[int, ...] = ()
    slopes: FamilySlopes = field(default_factory=lambda: FamilySlopes())

    @property
    def n_components(self) -> int:
        """Number of connected components."""
        return int(self.components.max(initial=-1)) + 1

    @property
    def closure(self) -> tuple[float, float]:
        """Chi2 and degrees of freedom of all pairs, used or not, as a tuple; see `closure_of`."""
        return closure_of((*self.exposure_pairs, *self.stack_pairs))


def closure_of(
    pairs: Sequence[PairResult], largest: float = np.inf
) -> tuple[float, float]:  # numpydoc ignore=PR01,RT01
    """Add up chi2 and degrees of freedom of pairs, of which none counts more than ``largest``.

    A pair's residual has the variance of its offset less the part that the solution has fitted
    away; the remaining fractions add up to the degrees of freedom.
    """
    known = [pair for pair in pairs if pair.offset.variance > 0]
    chi2 = sum(min(pair.residual**2 / pair.offset.variance, largest) for pair in known)
    dof = sum(pair.expected_variance / pair.offset.variance for pair in known)
    return float(chi2), float(dof)


def closure_factor(pairs: Sequence[PairResult]) -> float:  # numpydoc ignore=PR01,RT01
    """By what factor residuals exceed their errors; 1 where that may be chance.

    A single pair, which may be spoiled, counts as 3 sigma at most.
    """
    chi2, dof = closure_of(pairs, LARGEST_MISFIT**2)
    # Where nothing is measured twice both are zero but for rounding.
    if dof < 1e-3 or chi2 < dof or chdtrc(dof, chi2) > LEAST_PROBABILITY:
        return 1.0
    return float(np.sqrt(chi2 / dof))


def unmatched(levels: np.ndarray, reasons: Sequence[str]) -> Match:
    """Describe levels that no matching has found.

    Parameters
    ----------
    levels : ndarray, shape (n,)
        Levels, MJy/sr; NaN for none.
    reasons : sequence of str
        Why exposures have none; empty for those that have one.

    Returns
    -------
    Match
        A match without pairs, errors, or shifts.
    """
    unknown = np.full(len(levels), np.nan)
    return Match(
        levels=levels,
        level_errors=unknown,
        level_noise=unknown,
        components=np.full(len(levels), -1),
        shifts=np.full((len(levels), 2), np.nan),
        shift_variances=np.full((len(levels), 2), np.nan),
        stacks=(),
        exposure_pairs=(),
        stack_pairs=(),
        skies=unknown,
        reasons=tuple(reasons),
    )
