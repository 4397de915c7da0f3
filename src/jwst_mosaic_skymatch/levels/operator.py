"""What changes of offsets make of levels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from jwst_mosaic_skymatch.levels.combine import CombinedLevels
from jwst_mosaic_skymatch.levels.errors import offset_shares
from jwst_mosaic_skymatch.levels.inverse import LevelCovariance
from jwst_mosaic_skymatch.levels.joint import JointSolution
from jwst_mosaic_skymatch.levels.results import PairResult, Stack
from jwst_mosaic_skymatch.levels.solution import incidence_matrix, pair_ends
from jwst_mosaic_skymatch.offsets.graph import connected_parts
from jwst_mosaic_skymatch.offsets.measure import PairOffset

__all__ = ["LevelOperator", "OffsetSolver", "level_operator"]


@dataclass(frozen=True)
class OffsetSolver:
    """Least squares at fixed weights: from changes of offsets to changes of levels.

    Attributes
    ----------
    inverse : LevelCovariance
        Inverse of the normal matrix.
    weighted : sparse array, shape (n, n_pairs)
        Takes offsets to its right-hand side.
    """

    inverse: LevelCovariance
    weighted: sparse.sparray

    @classmethod
    def of(cls, n: int, offsets: Sequence[PairOffset], weights: np.ndarray) -> Self:
        """Factorize the equations of some offsets of n levels."""
        incidence = incidence_matrix(n, offsets)
        weighted = (incidence.T @ sparse.diags_array(weights)).tocsr()
        parts = connected_parts(n, *pair_ends(offsets))
        return cls(LevelCovariance((weighted @ incidence).tocsr(), parts), weighted)

    @classmethod
    def inside(cls, n: int, pairs: Sequence[PairResult]) -> Self:
        """Factorize the equations of the pairs inside all stacks of n exposures."""
        return cls.of(n, [pair.offset for pair in pairs], np.array([p.weight for p in pairs]))

    def levels(self, changes: np.ndarray) -> np.ndarray:
        """Give the changes of levels (n,) or (n, k), zero in the mean over each part."""
        return self.inverse.apply(self.weighted @ changes)


@dataclass(frozen=True)
class LevelOperator:
    """What changes of offsets make of levels, at fixed weights.

    Offsets are those inside stacks, and then those between stacks.

    Attributes
    ----------
    inside, between : OffsetSolver
        The solutions for the levels inside stacks, and of stacks.
    shares : sparse array, shape (n_between, n)
        Share of each exposure in each offset between stacks.
    spread : sparse array, shape (n, n_stacks)
        Which stack each exposure is in.
    means : sparse array, shape (n_components, n)
        Takes levels to the mean of each component.
    to_components : sparse array, shape (n, n_components)
        Which component each exposure is in.
    """

    inside: OffsetSolver
    between: OffsetSolver
    shares: sparse.sparray
    spread: sparse.sparray
    means: sparse.sparray
    to_components: sparse.sparray

    def variances(self, changes: Iterable[np.ndarray]) -> np.ndarray:  # numpydoc ignore=PR01,RT01
        """Add up the squares of the changes of levels, (n,), by independent ones of offsets."""
        variances = np.zeros(self.spread.shape[0])
        n_inside = self.inside.weighted.shape[1]
        for columns in changes:
            levels = self.inside.levels(columns[:n_inside])
            left = columns[n_inside:] - self.shares @ levels
            levels += self.spread @ self.between.levels(left)
            levels -= self.to_components @ (self.means @ levels)
            variances += np.sum(levels**2, axis=1)
        return variances


def level_operator(
    inside: Sequence[PairResult],
    stacks: Sequence[Stack],
    offsets: Sequence[PairOffset],
    joint: JointSolution,
    combined: CombinedLevels,
) -> LevelOperator:
    """Build the operator from offsets to levels.

    Parameters
    ----------
    inside : sequence of PairResult
        Pairs inside stacks.
    stacks : sequence of Stack
        All stacks.
    offsets : sequence of PairOffset
        Pairs of stacks.
    joint : JointSolution
        The levels of stacks.
    combined : CombinedLevels
        Component of each exposure, and which exposures count in its mean.

    Returns
    -------
    LevelOperator
        The operator.
    """
    n = len(combined.levels)
    members = [k for stack in stacks for k in stack.members]
    owners = np.repeat(np.arange(len(stacks)), [len(stack.members) for stack in stacks])
    placed = np.flatnonzero(combined.components >= 0)
    component = combined.components[placed]
    n_components = int(component.max(initial=-1)) + 1
    to_components = _ones((n, n_components), placed, component)
    counted = sparse.diags_array(combined.counted.astype(float)) @ to_components
    counts = np.asarray(counted.sum(axis=0)).ravel()
    return LevelOperator(
        inside=OffsetSolver.inside(n, inside),
        between=OffsetSolver.of(len(stacks), offsets, joint.solution.weights),
        shares=offset_shares(n, stacks, offsets),
        spread=_ones((n, len(stacks)), members, owners),
        means=(sparse.diags_array(1.0 / np.maximum(counts, 1.0)) @ counted.T).tocsr(),
        to_components=to_components,
    )


def _ones(shape: tuple[int, int], rows: ArrayLike, columns: ArrayLike) -> sparse.csr_array:
    ends = (np.asarray(rows, dtype=int), np.asarray(columns, dtype=int))
    return sparse.coo_array((np.ones(len(ends[0])), ends), shape=shape).tocsr()
