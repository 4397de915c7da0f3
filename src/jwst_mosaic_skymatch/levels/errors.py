"""Errors of all levels, from those inside stacks and between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from jwst_mosaic_skymatch.levels.combine import CombinedLevels
from jwst_mosaic_skymatch.levels.inverse import LevelCovariance
from jwst_mosaic_skymatch.levels.joint import JointSolution
from jwst_mosaic_skymatch.levels.results import Stack
from jwst_mosaic_skymatch.levels.solution import incidence_matrix
from jwst_mosaic_skymatch.offsets.measure import PairOffset
from jwst_mosaic_skymatch.tiles.blocks import mean_shares

__all__ = ["level_errors", "offset_shares"]


def level_errors(
    stacks: Sequence[Stack],
    offsets: Sequence[PairOffset],
    joint: JointSolution,
    combined: CombinedLevels,
) -> np.ndarray:
    r"""Propagate errors inside stacks through the offsets between stacks.

    Parameters
    ----------
    stacks : sequence of Stack
        All stacks, with the covariance of their members' levels.
    offsets : sequence of PairOffset
        Pairs of stacks.
    joint : JointSolution
        The levels of stacks.
    combined : CombinedLevels
        Component of each exposure, and which exposures count in its mean.

    Returns
    -------
    ndarray, shape (n,)
        1-sigma errors, MJy/sr; NaN where nothing ties a level to others.

    Notes
    -----
    With the errors e inside stacks (covariance C), the shares F of the members in the
    overlaps, and the operator L that takes offsets to levels of stacks, levels are
    off by (1 - P L F) e + P g, P giving each exposure its stack, g the errors
    of the levels of stacks (covariance G); in a mean weighted by inverse variance g
    and e are independent. Only the diagonal of the covariance is ever formed.
    """
    inside = _Inside.of(len(combined.levels), stacks)
    tied = _Tied.of(inside, stacks, offsets, joint) if offsets else inside
    variance = tied.variances()

    # Relative to the mean of the component.
    components, counted = combined.components, combined.counted
    has_level = components >= 0
    mean = counted.astype(float)
    counts = np.bincount(components[counted], minlength=components.max(initial=-1) + 1)
    mean[has_level] /= counts[components[has_level]]
    with_mean = tied.apply(mean)
    of_mean = np.bincount(components[has_level], (mean * with_mean)[has_level])
    variance[has_level] += of_mean[components[has_level]] - 2.0 * with_mean[has_level]
    variance[~has_level] = np.nan
    for k, stack in enumerate(stacks):
        if joint.solution.components[k] < 0 and not np.any(stack.covariance):
            variance[list(stack.members)] = np.nan
    return np.sqrt(np.maximum(variance, 0.0))


@dataclass(frozen=True)
class _Inside:
    """Errors inside stacks alone."""

    covariance: sparse.sparray  # C, (n, n)
    stack_of: np.ndarray  # stack of each exposure; -1 for none
    spread: sparse.sparray  # P, (n, n_stacks)

    @classmethod
    def of(cls, n: int, stacks: Sequence[Stack]) -> Self:
        members = np.concatenate([np.array(s.members) for s in stacks] or [np.zeros(0, int)])
        owner = np.repeat(np.arange(len(stacks)), [len(s.members) for s in stacks])
        # One array for each stack; scipy.sparse.block_diag would go through matrices.
        rows = [np.repeat(s.members, len(s.members)) for s in stacks]
        columns = [np.tile(s.members, len(s.members)) for s in stacks]
        values = [s.covariance.ravel() for s in stacks]
        joined = [np.concatenate(part or [np.zeros(0)]) for part in (values, rows, columns)]
        stack_of = np.full(n, -1)
        stack_of[members] = owner
        return cls(
            covariance=_sparse((n, n), *joined),
            stack_of=stack_of,
            spread=_sparse((n, len(stacks)), np.ones(members.size), members, owner),
        )

    def apply(self, values: np.ndarray) -> np.ndarray:
        return self.covariance @ values

    def variances(self) -> np.ndarray:
        return self.covariance.diagonal()


@dataclass(frozen=True)
class _Tied:
    """Errors of exposures whose stacks are tied to each other by offsets."""

    inside: _Inside
    covariance: LevelCovariance  # of the levels of stacks, shifts known
    scale: np.ndarray  # root of what fitting shifts adds to it, (n_stacks,)
    operator: LevelCovariance  # with `to_stacks` it makes L F
    to_stacks: sparse.sparray  # weighted offsets that errors of members make, by stack

    @classmethod
    def of(
        cls,
        inside: _Inside,
        stacks: Sequence[Stack],
        offsets: Sequence[PairOffset],
        joint: JointSolution,
    ) -> Self:
        incidence = incidence_matrix(len(stacks), offsets)
        weighted = (incidence.T @ sparse.diags_array(joint.solution.weights)).tocsr()
        shares = offset_shares(len(inside.stack_of), stacks, offsets)
        assert joint.covariance is not None  # since there are offsets
        return cls(
            inside=inside,
            covariance=joint.covariance,
            scale=np.sqrt(joint.solution.inflation),
            operator=LevelCovariance((weighted @ incidence).tocsr(), joint.parts),
            to_stacks=(weighted @ shares).tocsr(),
        )

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Multiply with (1 - P L F) C (1 - P L F)^T + P G P^T."""
        spread, scale = self.inside.spread, self.scale
        of_stacks = spread.T @ values
        back = values - self.to_stacks.T @ self.operator.apply(of_stacks)
        back = self.inside.apply(back)
        back -= spread @ self.operator.apply(self.to_stacks @ back)
        return back + spread @ (scale * self.covariance.apply(scale * of_stacks))

    def variances(self) -> np.ndarray:
        """Diagonal of that matrix, from some columns of the inverses at a time."""
        variances = self.inside.variances()
        stack_of, with_inside = self.inside.stack_of, self.to_stacks @ self.inside.covariance
        spoiled = (with_inside @ self.to_stacks.T).tocsr()
        crossed = with_inside.T.tocsr()
        for (numbers, columns), (_, own) in zip(
            self.operator.columns(), self.covariance.columns(), strict=True
        ):
            of_stack = np.sum(columns * (spoiled @ columns), axis=0)
            of_stack += self.scale[numbers] ** 2 * np.diag(own[numbers])
            here = np.flatnonzero((stack_of >= numbers[0]) & (stack_of <= numbers[-1]))
            column = stack_of[here] - numbers[0]
            shared = crossed[here].multiply(columns.T[column]).sum(axis=1)
            variances[here] += of_stack[column] - 2.0 * np.asarray(shared).ravel()
        return variances


def offset_shares(
    n: int, stacks: Sequence[Stack], offsets: Sequence[PairOffset]
) -> sparse.csr_array:  # numpydoc ignore=PR01,RT01
    """Build the matrix F (n_pairs, n): what each exposure counts in each offset of stacks."""
    columns: list[int] = []
    rows, values = [], []
    for row, offset in enumerate(offsets):
        ends = stacks[offset.first], stacks[offset.second]
        for sign, stack, other in ((1.0, *ends), (-1.0, *ends[::-1])):
            rows += [row] * len(stack.members)
            columns += stack.members
            values += (sign * mean_shares(stack.coverage, other.coverage)).tolist()
    return _sparse((len(offsets), n), np.array(values), rows, columns)


def _sparse(
    shape: tuple[int, int], values: np.ndarray, rows: ArrayLike, columns: ArrayLike
) -> sparse.csr_array:
    rows, columns = np.asarray(rows, dtype=int), np.asarray(columns, dtype=int)
    return sparse.coo_array((values.astype(float), (rows, columns)), shape=shape).tocsr()
