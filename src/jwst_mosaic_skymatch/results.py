"""What a match finds: groups, levels, errors, pairs."""

from dataclasses import dataclass, field

import numpy as np

from jwst_mosaic_skymatch.footprint import CoarseMap
from jwst_mosaic_skymatch.pairs import PairOffset
from jwst_mosaic_skymatch.tasks import TileSummary
from jwst_mosaic_skymatch.tile import Tile

__all__ = ["Group", "Match", "MatchedMembers", "PairResult"]


@dataclass(frozen=True)
class PairResult:
    """A pair's offset beside the solution.

    Attributes
    ----------
    offset : PairOffset
        What was measured; its positions are those of exposures, or of groups.
        Its value and variance are those at the displacement that all pairs
        agree on.
    residual : float
        Offset minus the difference of the levels, MJy/sr.
    expected_variance : float
        Variance that ``residual`` should have, (MJy/sr)^2.
    weight : float
        Weight of the equation, (MJy/sr)^-2.
    trust : float
        Share of the weight that is left after comparison with other pairs.
    """

    offset: PairOffset
    residual: float
    expected_variance: float
    weight: float
    trust: float

    @property
    def used(self):
        """Whether the pair has kept most of its weight."""
        return self.trust > 0.5


@dataclass(frozen=True)
class Group:
    """Exposures that are compared with others as one image.

    Attributes
    ----------
    label : str
        Name of the group; the number of the part is added when a group had to
        be split.
    members : tuple of int
        Positions of its exposures.
    levels : ndarray of float64, shape (n_members,)
        Level of each member inside the group, MJy/sr, with zero mean.
    covariance : ndarray of float64, shape (n_members, n_members)
        Covariance of ``levels``, (MJy/sr)^2.
    shifts, shift_variances : ndarray of float64, shape (n_members, 2)
        Displacement (x, y) of each member from their mean, cells, and its
        variance; NaN when not fitted.
    maps : tuple of CoarseMap
        Where each member has data.
    summary : TileSummary
        Extent and weights of ``tile``.
    tile : Tile
        Mean image of the members after their in-group levels are subtracted, or
        a handle for it.
    """

    label: str
    members: tuple[int, ...]
    levels: np.ndarray
    covariance: np.ndarray
    shifts: np.ndarray
    shift_variances: np.ndarray
    maps: tuple[CoarseMap, ...]
    summary: TileSummary
    tile: Tile


@dataclass(frozen=True)
class MatchedMembers:
    """One group after its members have been compared with each other.

    Attributes
    ----------
    groups : tuple of Group
        The group, or the parts that it fell into.
    pairs : tuple of PairResult
        Pairs of its members, by position of the exposures.
    skies : dict of int to float
        Level of the own pixels of each member that has any, by its position, MJy/sr;
        NaN if not asked for.
    """

    groups: tuple[Group, ...]
    pairs: tuple[PairResult, ...]
    skies: dict[int, float] = field(default_factory=dict)


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
    components : ndarray of int, shape (n,)
        Connected component of each exposure; -1 where the level is NaN.
    shifts, shift_variances : ndarray of float64, shape (n, 2)
        Displacement (x, y) of each exposure from the mean of its component,
        cells, and its variance; NaN when not fitted.
    groups : tuple of Group
        The groups after splitting.
    member_pairs : tuple of PairResult
        Pairs inside groups, by position of the exposures.
    group_pairs : tuple of PairResult
        Pairs of groups, by position in ``groups``.
    """

    levels: np.ndarray
    level_errors: np.ndarray
    components: np.ndarray
    shifts: np.ndarray
    shift_variances: np.ndarray
    groups: tuple[Group, ...]
    member_pairs: tuple[PairResult, ...]
    group_pairs: tuple[PairResult, ...]

    @property
    def n_components(self):
        """Number of connected components."""
        return int(self.components.max(initial=-1)) + 1

    @property
    def closure(self):
        """Chi2 and degrees of freedom of the pairs that are used, as a tuple.

        A pair's residual has the variance of its offset less the part that
        the solution has fitted away; the remaining fractions add up to the
        degrees of freedom.
        """
        used = [p for p in (*self.member_pairs, *self.group_pairs) if p.used]
        used = [p for p in used if p.offset.variance > 0]
        chi2 = sum(p.residual**2 / p.offset.variance for p in used)
        dof = sum(p.expected_variance / p.offset.variance for p in used)
        return float(chi2), float(dof)
