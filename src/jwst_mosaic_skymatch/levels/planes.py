"""Gradients of backgrounds, from how differences change over overlaps and around loops."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from scipy import sparse
from scipy.special import chdtrc

from jwst_mosaic_skymatch.levels.inverse import BATCH, GroundedInverse, subtract_means
from jwst_mosaic_skymatch.levels.operator import OffsetSolver
from jwst_mosaic_skymatch.levels.solution import pair_ends, solve_levels
from jwst_mosaic_skymatch.levels.trends import BackgroundStructure, include_structure
from jwst_mosaic_skymatch.offsets.graph import connected_parts
from jwst_mosaic_skymatch.offsets.measure import PairOffset

__all__ = ["GradientEquations", "Gradients", "fit_gradients"]

# Probability by chance from which on a gradient is not significant, and stays zero.
LARGEST_PROBABILITY = 0.05
# Pairs that disagree by more than this, in sigma, count by the inverse of their misfit.
MISFIT = 3.0
# Solutions until these weights are settled.
N_SOLUTIONS = 8


@dataclass(frozen=True)
class Gradients:
    """Gradients of the backgrounds of families.

    Attributes
    ----------
    values : ndarray, shape (n_families, 2)
        Gradient along x and y of the grid, MJy/sr per cell.
    common : ndarray, shape (n_families, 2)
        The part that all connected families have in common, of which pairs tell next to
        nothing: it is to stay in the data.
    covariance : ndarray, shape (2 n_families, 2 n_families)
        Covariance of the differences from it, those along x first.
    """

    values: np.ndarray
    common: np.ndarray
    covariance: np.ndarray

    @property
    def own(self) -> np.ndarray:
        """What each family has beyond the common part; zero where it is not significant."""
        return self.values - self.common

    @property
    def errors(self) -> np.ndarray:
        """1-sigma errors of `own`, MJy/sr per cell, (n_families, 2)."""
        return np.sqrt(np.diag(self.covariance)).reshape(2, -1).T

    def changes(self, effects: sparse.sparray) -> Iterator[np.ndarray]:
        """Yield what independent errors make of offsets, some at a time.

        ``effects``, (n_pairs, 2 n_families), is what unit gradients make of them.
        """
        values, vectors = np.linalg.eigh(self.covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        for start in range(0, root.shape[1], BATCH):
            yield effects @ root[:, start : start + BATCH]


@dataclass(frozen=True)
class GradientEquations:
    """What gradients of families make of offsets, and of the slopes of differences.

    Attributes
    ----------
    first, second : ndarray of int, shape (n_pairs,)
        Family of the first, and of the second of each pair.
    effects : tuple of sparse array, shape (n_pairs, 2 n_families)
        Change of each offset, and of the slopes along x and y, for a unit gradient along x, and
        then along y, of each family.
    """

    first: np.ndarray
    second: np.ndarray
    effects: tuple[sparse.csr_array, ...]

    @classmethod
    def of(cls, pairs: Sequence[PairOffset], first: np.ndarray, second: np.ndarray, n: int) -> Self:
        """Find them from pairs and the families of their two members, of n families."""
        known = [pair.trends.planes if pair.trends else None for pair in pairs]
        changes = np.array([np.zeros((3, 4)) if one is None else one for one in known])
        rows = np.repeat(np.arange(len(pairs)), 4)
        columns = np.stack([first, n + first, second, n + second], axis=1).ravel()
        shape = (len(pairs), 2 * n)
        return cls(
            first=first,
            second=second,
            effects=tuple(
                sparse.coo_array((change.ravel(), (rows, columns)), shape=shape).tocsr()
                for change in np.moveaxis(changes.reshape(-1, 3, 4), 1, 0)
            ),
        )

    def part(self, pairs: slice) -> Self:
        """Take some pairs."""
        effects = tuple(effect[pairs] for effect in self.effects)
        return type(self)(self.first[pairs], self.second[pairs], effects)

    def levels(self, solver: OffsetSolver) -> sparse.csr_array:
        """Find what levels make of unit gradients that they follow, (n, 2 n_families)."""
        offsets = self.effects[0]
        parts = [
            sparse.csr_array(solver.levels(offsets[:, start : start + BATCH].toarray()))
            for start in range(0, offsets.shape[1], BATCH)
        ]
        return sparse.hstack(parts, format="csr")

    def corrected(self, pairs: Sequence[PairOffset], gradients: np.ndarray) -> list[PairOffset]:
        """Take gradients of families, (n_families, 2), out of pairs."""
        changes = np.stack([effect @ gradients.T.ravel() for effect in self.effects], axis=1)
        return [_corrected(pair, *change) for pair, change in zip(pairs, changes, strict=True)]


def _corrected(pair: PairOffset, offset: float, *slopes: float) -> PairOffset:
    fit, trends = pair.fit, pair.trends
    if fit is not None:
        change = np.zeros_like(fit.estimate)
        change[0] = offset
        fit = replace(fit, estimate=fit.estimate - change)
    if trends is not None:
        trends = replace(trends, slopes=trends.slopes - np.append(slopes, 0.0))
    return replace(pair, value=pair.value - float(offset), fit=fit, trends=trends)


def fit_gradients(
    n: int,
    inside: Sequence[PairOffset],
    pairs: Sequence[PairOffset],
    structure: BackgroundStructure,
    equations: GradientEquations,
    *,
    weighted: bool = True,
) -> Gradients:
    r"""Fit gradients together with levels.

    Parameters
    ----------
    n : int
        Number of levels.
    inside : sequence of PairOffset
        Pairs that tell of gradients alone: their offsets have become levels already.
    pairs : sequence of PairOffset
        Pairs of levels.
    structure : BackgroundStructure
        What backgrounds have beside levels, in all these pairs; its variance of the slopes of
        families is the prior's.
    equations : GradientEquations
        The families of all these pairs.
    weighted : bool, optional
        See `solve_levels`.

    Returns
    -------
    Gradients
        The gradients.

    Notes
    -----
    Levels b and gradients g make :math:`\sum (d - A b - E g)^2 / v + \sum (s - F g)^T C^{-1} (s -
    F g) + |g|^2 / \sigma^2` least, for offsets d (those at the shifts that all pairs agree on),
    slopes s of differences, and the prior's variance :math:`\sigma^2`. Slopes tell how two
    gradients differ; around loops offsets tell it by a longer lever. But for distortion nothing
    tells the gradient that all connected families have in common: it is set apart as their
    median, since where most have none it is none of these.
    """
    system = _System.of(n, inside, pairs, structure, equations, weighted)
    parts = _parts(n, pairs, equations, len(inside))
    everyone = np.ones(len(parts), dtype=bool)
    values, inverse = system.solve(everyone, np.zeros((len(parts), 2)))
    common = _medians(values, parts)
    covariance = _about_mean(system.covariance(inverse), parts)
    significant = _are_significant(values - common, covariance)
    if not significant.all():
        values, _ = system.solve(significant, common)
    return Gradients(values=values, common=common, covariance=covariance)


@dataclass(frozen=True)
class _System:
    """Equations for n levels and two gradients of each family, in units of their errors."""

    design: sparse.csr_array  # three rows of each pair, (3 n_pairs, n + 2 n_families)
    values: np.ndarray  # (3 n_pairs,)
    ground: np.ndarray  # a level of each part
    n: int
    prior: float

    @classmethod
    def of(
        cls,
        n: int,
        inside: Sequence[PairOffset],
        pairs: Sequence[PairOffset],
        structure: BackgroundStructure,
        equations: GradientEquations,
        weighted: bool,
    ) -> Self:
        between = slice(len(inside), None)
        judged = include_structure(
            pairs, structure.structure_variances[between], structure.trend_variances[between]
        )
        solution = solve_levels(n, judged, weighted=weighted)
        # The fit takes the gradients out of the offsets.
        variances = solution.variances - structure.trend_variances[between]
        first, second = pair_ends(pairs)
        n_families = equations.effects[0].shape[1] // 2
        blocks, values, columns = [], [], []
        ends = zip(equations.first.tolist(), equations.second.tolist(), strict=True)
        for k, (pair, (i, j)) in enumerate(zip([*inside, *pairs], ends, strict=True)):
            planes = pair.trends.planes if pair.trends else None
            rows, value = np.zeros((3, 6)), np.zeros(3)
            of_pair = k - len(inside)
            levels = (0, 0)
            if of_pair >= 0:
                precision = 1.0 / np.sqrt(max(variances[of_pair], 1e-30))
                rows[0, :2] = precision, -precision
                value[0] = precision * solution.offsets[of_pair]
                levels = (int(first[of_pair]), int(second[of_pair]))
                if planes is not None:
                    rows[0, 2:] = precision * planes[0]
            if pair.trends and planes is not None:
                to_errors = np.linalg.inv(np.linalg.cholesky(structure.slope_covariances[k]))
                rows[1:, 2:], value[1:] = to_errors @ planes[1:], to_errors @ pair.trends.slopes[:2]
            blocks.append(rows)
            values.append(value)
            columns.append([*levels, n + i, n + n_families + i, n + j, n + n_families + j])
        size = (3 * len(blocks), n + 2 * n_families)
        numbers = np.repeat(np.arange(size[0]), 6)
        of_columns = np.repeat(np.array(columns), 3, axis=0).ravel()
        parts = connected_parts(n, first, second)
        return cls(
            design=sparse.coo_array(
                (np.concatenate(blocks).ravel(), (numbers, of_columns)), shape=size
            ).tocsr(),
            values=np.concatenate(values),
            ground=np.unique(parts, return_index=True)[1],
            n=n,
            prior=structure.of_families.slope,
        )

    def solve(self, free: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, GroundedInverse]:
        """Solve for the gradients of some families; those of others are what is given."""
        chosen = np.concatenate([np.ones(self.n, dtype=bool), free, free])
        design = self.design.tocsc()[:, chosen].tocsr()
        prior = np.zeros(chosen.sum())
        prior[self.n :] = 1.0 / self.prior
        values = self.values - self.design[:, self.n :] @ base.T.ravel()
        weights = np.ones(len(values))
        for _ in range(N_SOLUTIONS):
            weighted = (design.T @ sparse.diags_array(weights)).tocsr()
            normal = weighted @ design + sparse.diags_array(prior)
            inverse = GroundedInverse(normal, self.ground)
            unknowns = inverse.solve(weighted @ values)
            weights = _weights(values - design @ unknowns)
        gradients = base.copy()
        gradients[free] += unknowns[self.n :].reshape(2, -1).T
        return gradients, inverse

    def covariance(self, inverse: GroundedInverse) -> np.ndarray:
        """Take the covariance of gradients from the inverse of the whole normal matrix."""
        size = self.design.shape[1] - self.n
        columns = []
        for start in range(0, size, BATCH):
            unit = np.eye(self.n + size, min(BATCH, size - start), -(self.n + start))
            columns.append(inverse.solve(unit)[self.n :])
        return np.concatenate([*columns, np.zeros((size, 0))], axis=1)


def _weights(residuals: np.ndarray) -> np.ndarray:
    """Let a pair count less that disagrees, against the scatter of all others."""
    offsets, *slopes = residuals.reshape(-1, 3).T
    weights = []
    for misfits in (np.abs(offsets), np.hypot(*slopes) / np.sqrt(2.0)):
        limit = MISFIT * max(1.0, 1.48 * float(np.median(misfits)))
        weights.append(limit / np.maximum(misfits, limit))
    return np.stack([weights[0], weights[1], weights[1]], axis=1).ravel()


def _parts(
    n: int, pairs: Sequence[PairOffset], equations: GradientEquations, n_inside: int
) -> np.ndarray:
    """Label families by what pairs connect."""
    first, second = pair_ends(pairs)
    families = np.concatenate([equations.first[n_inside:], equations.second[n_inside:]])
    nodes = connected_parts(
        n + equations.effects[0].shape[1] // 2,
        np.concatenate([first, first, second]),
        np.concatenate([second, n + families]),
    )
    return np.unique(nodes[n:], return_inverse=True)[1]


def _medians(gradients: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Find the median over the part that each family is in."""
    medians = np.zeros_like(gradients)
    for part in range(parts.max(initial=-1) + 1):
        medians[parts == part] = np.median(gradients[parts == part], axis=0)
    return medians


def _about_mean(covariance: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Take the covariance about the mean over each part, of each axis."""
    labels = np.concatenate([parts, parts + parts.max(initial=-1) + 1])
    return subtract_means(subtract_means(covariance, labels).T, labels)


def _are_significant(gradients: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Tell which gradients are more than chance."""
    n = len(gradients)
    significant = np.zeros(n, dtype=bool)
    for k in range(n):
        own = covariance[np.ix_([k, n + k], [k, n + k])]
        if np.linalg.cond(own) < 1e12:
            size = gradients[k] @ np.linalg.solve(own, gradients[k])
            significant[k] = chdtrc(2.0, size) < LARGEST_PROBABILITY
    return significant
