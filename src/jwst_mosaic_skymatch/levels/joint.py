"""Levels with their joint covariance: what all tiles say together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from jwst_mosaic_skymatch.levels.inverse import LevelCovariance
from jwst_mosaic_skymatch.levels.results import PairResult
from jwst_mosaic_skymatch.levels.solution import (
    Solution,
    incidence_matrix,
    pair_ends,
    solve_levels,
)
from jwst_mosaic_skymatch.offsets.graph import connected_parts
from jwst_mosaic_skymatch.offsets.measure import PairOffset
from jwst_mosaic_skymatch.tiles.blocks import BlockMap, TileSummary
from jwst_mosaic_skymatch.tiles.windows import overlap_windows, overlapping_pairs

__all__ = ["JointSolution", "joint_normal_matrix", "pair_results", "solve_jointly"]


@dataclass(frozen=True)
class JointSolution:
    """Levels from pairs of tiles, with the covariance that all tiles together give.

    Attributes
    ----------
    solution : Solution
        Levels and shifts from the pairs.
    parts : ndarray of int, shape (n,)
        Connected part of each tile, from 0.
    covariance : LevelCovariance or None
        Covariance of the levels, shifts known, (MJy/sr)^2; None without pairs.
    variances : ndarray, shape (n,)
        Its diagonal; zero without pairs.
    fitted_variances : ndarray, shape (n_pairs,)
        Variance of the fitted difference of levels of each pair, with what fitting
        shifts costs, (MJy/sr)^2.
    shift_variances : ndarray, shape (n, 2)
        Variances of shifts with the noise that pairs share, cells^2.
    """

    solution: Solution
    parts: np.ndarray
    covariance: LevelCovariance | None
    variances: np.ndarray
    fitted_variances: np.ndarray
    shift_variances: np.ndarray

    @property
    def members(self) -> list[np.ndarray]:
        """Positions of the tiles of each part, a list of arrays."""
        return [np.flatnonzero(self.parts == number) for number in range(self.parts.max() + 1)]

    def covariance_of(self, part: np.ndarray) -> np.ndarray:
        """Give the covariance of the levels of one part, with what fitting shifts costs."""
        if self.covariance is None:
            return np.zeros((len(part), len(part)))
        unit = np.zeros((len(self.parts), len(part)))
        unit[part, np.arange(len(part))] = 1.0
        scale = np.sqrt(self.solution.inflation[part])
        return self.covariance.apply(unit)[part] * np.outer(scale, scale)


def solve_jointly(
    summaries: Sequence[TileSummary],
    offsets: Sequence[PairOffset],
    *,
    weighted: bool = True,
    rigid: bool = False,
) -> JointSolution:
    """Solve for the levels of tiles, and find their covariance.

    Parameters
    ----------
    summaries : sequence of TileSummary
        The tiles.
    offsets : sequence of PairOffset
        Their pairs.
    weighted : bool, optional
        See `solve_levels`.
    rigid : bool, optional
        Whether all tiles are one part although nothing connects them.

    Returns
    -------
    JointSolution
        Levels, shifts, and errors.
    """
    n = len(summaries)
    solution = solve_levels(n, offsets, weighted=weighted)
    parts = np.zeros(n, dtype=int) if rigid else connected_parts(n, *pair_ends(offsets))
    covariance, variances, fitted = None, np.zeros(n), np.zeros(0)
    if offsets:
        variances = solution.variances - _by_backgrounds(offsets)
        factors = _noise_factors(summaries, offsets, variances)
        normal = joint_normal_matrix([summary.information for summary in summaries], factors)
        covariance = LevelCovariance(normal, parts)
        variances = covariance.variances
        fitted = covariance.of_differences(incidence_matrix(n, offsets)) * solution.pair_inflation
    # The noise that pairs share makes pairwise errors of levels too small by a factor that
    # depends on how often the sky was seen, and those of shifts by the same.
    pairwise = np.maximum(solution.level_variances, np.finfo(float).tiny)
    factor = np.maximum(variances / pairwise, 1.0)[:, None]
    return JointSolution(
        solution=solution,
        parts=parts,
        covariance=covariance,
        variances=variances,
        fitted_variances=fitted,
        shift_variances=solution.shift_variances * factor,
    )


def pair_results(
    offsets: Sequence[PairOffset], joint: JointSolution, positions: Sequence[int]
) -> tuple[PairResult, ...]:
    """Compare pairs with the solution.

    Parameters
    ----------
    offsets : sequence of PairOffset
        The pairs.
    joint : JointSolution
        The solution.
    positions : sequence of int
        Positions to give to the tiles in the result.

    Returns
    -------
    tuple of PairResult
        The pairs, in the same order.
    """
    solution, others = joint.solution, _by_backgrounds(offsets)
    expected = np.maximum(solution.variances - others - joint.fitted_variances, 0.0)
    expected += others * np.clip(1.0 - solution.leverages, 0.0, 1.0)
    return tuple(
        PairResult(
            offset=replace(
                offset,
                first=positions[offset.first],
                second=positions[offset.second],
                value=float(solution.offsets[k]),
                variance=float(solution.variances[k]),
                outliers=None,
            ),
            residual=float(solution.residuals[k]),
            expected_variance=float(expected[k]),
            weight=float(solution.weights[k]),
            robust_weight=float(solution.robust_weights[k]),
        )
        for k, offset in enumerate(offsets)
    )


def _by_backgrounds(offsets: Sequence[PairOffset]) -> np.ndarray:
    """The part of the variance of each offset that is not noise."""
    return np.array([offset.structure_variance + offset.trend_variance for offset in offsets])


def _noise_factors(
    summaries: Sequence[TileSummary], offsets: Sequence[PairOffset], variances: np.ndarray
) -> list[float]:
    """Compare the noise that the pairs of each tile show with what was expected.

    Of two tiles whose pair scatters too much either may be to blame: it is divided by what the
    best pair of each shows, and of its pairs a tile's median counts.
    """
    noise = np.maximum(variances, 0.0) / [offset.quoted_variance for offset in offsets]
    pairs: list[list[int]] = [[] for _ in summaries]
    for number, offset in enumerate(offsets):
        pairs[offset.first].append(number)
        pairs[offset.second].append(number)
    best = np.array([noise[own].min(initial=np.inf) for own in pairs])
    factors = np.ones(len(summaries))
    for k, own in enumerate(pairs):
        others = np.array([offsets[p].first + offsets[p].second - k for p in own], dtype=int)
        both = np.maximum(best[k] + best[others], 1e-30)
        if own:
            factors[k] = np.median(2.0 * noise[own] * best[k] / both)
    # Without any noise the errors are zero, but the matrix must stay finite.
    factors = np.maximum(factors, 1e-20)
    if not all(summary.quoted for summary in summaries):
        # The pairs have taken all pixels to be alike.
        factors /= [summary.pixel_variance for summary in summaries]
    return factors.tolist()


def joint_normal_matrix(
    information: Sequence[BlockMap], factors: Sequence[float]
) -> sparse.csr_array:
    r"""Build the normal matrix of all levels with the sky eliminated.

    Parameters
    ----------
    information : sequence of BlockMap
        Inverse variance of each tile, in small blocks of cells of one grid.
    factors : sequence of float
        Factor on the variance of each tile's noise.

    Returns
    -------
    sparse array, shape (n, n)
        Inverse variances, (MJy/sr)^-2. Row sums are zero.

    Notes
    -----
    Every cell k is one unknown of the sky, seen by tile i with inverse variance
    :math:`w_{ik}`. Eliminating the sky leaves
    :math:`A_{ij} = \sum_k w_{ik} (\delta_{ij} - w_{jk} / \sum_l w_{lk})`.
    Unlike the covariance of pairwise fits it knows that pairs share noise.
    Cells of a block are taken together.
    """
    scales = [np.float32(1.0 / factor) for factor in factors]
    neighbours: list[list[int]] = [[] for _ in information]
    for i, j in overlapping_pairs(information):
        neighbours[i].append(j)
        neighbours[j].append(i)
    first, second, shared = [], [], []
    for i, own in enumerate(information):
        # One tile's window at a time: no array is larger than a tile.
        total = own.weight * scales[i]
        for j in neighbours[i]:
            mine, theirs = overlap_windows(own, information[j])
            total[mine] += information[j].weight[theirs] * scales[j]
        share = own.weight * scales[i] / np.maximum(total, np.finfo(np.float32).tiny)
        for j in (j for j in neighbours[i] if j > i):
            mine, theirs = overlap_windows(own, information[j])
            first.append(i)
            second.append(j)
            overlap = np.vdot(share[mine], information[j].weight[theirs])
            shared.append(float(overlap) * float(scales[j]))
    n = len(information)
    ends = (np.array(first, dtype=int), np.array(second, dtype=int))
    upper = sparse.coo_array((np.array(shared), ends), shape=(n, n)).tocsr()
    ties = upper + upper.T
    return (sparse.diags_array(ties.sum(axis=1)) - ties).tocsr()
