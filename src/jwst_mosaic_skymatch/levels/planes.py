"""Gradients of backgrounds, from how differences change over overlaps and around loops."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from scipy import sparse
from scipy.special import chdtrc

from jwst_mosaic_skymatch.levels.inverse import BATCH, GroundedInverse, subtract_means
from jwst_mosaic_skymatch.levels.operator import OffsetSolver
from jwst_mosaic_skymatch.levels.solution import incidence_matrix, pair_ends, solve_levels
from jwst_mosaic_skymatch.levels.trends import (
    BackgroundStructure,
    include_structure,
)
from jwst_mosaic_skymatch.offsets.graph import connected_parts
from jwst_mosaic_skymatch.offsets.measure import PairOffset
from jwst_mosaic_skymatch.tiles.frame import DetectorFrame

__all__ = ["GradientEquations", "Gradients", "fit_gradients"]

# Probability by chance from which on a gradient is not significant, and stays zero.
LARGEST_PROBABILITY = 2.7e-3
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

    @property
    def root(self) -> np.ndarray:
        """Matrix whose product with its own transpose is ``covariance``."""
        values, vectors = np.linalg.eigh(self.covariance)
        return vectors * np.sqrt(np.maximum(values, 0.0))


@dataclass(frozen=True)
class GradientEquations:
    """What gradients of families make of offsets, and of the slopes of differences.

    Attributes
    ----------
    offsets : sparse array, shape (n_pairs, 2 n_families)
        Change of each offset for a unit gradient along x, and then along y, of each family.
    slopes : tuple of sparse array, shape (n_pairs, 2 n_families)
        The same of the slope along x, and along y, of each difference.
    """

    offsets: sparse.csr_array
    slopes: tuple[sparse.csr_array, sparse.csr_array]

    @classmethod
    def of(
        cls,
        shares: sparse.sparray,
        pairs: Sequence[PairOffset],
        frames: Sequence[DetectorFrame | None],
        membership: sparse.sparray,
    ) -> Self:
        """Find them from the shares of exposures in offsets, and who is in which family."""
        shares = shares.tocsc()
        changes = np.zeros((3, 2, shares.nnz))  # value and slopes, by gradient along x and y
        for k, frame in enumerate(frames):
            own = slice(*shares.indptr[k : k + 2])
            if frame is not None and own.stop > own.start:
                changes[..., own] = _planes([pairs[p] for p in shares.indices[own]], frame)

        def part(change: np.ndarray) -> sparse.csr_array:
            both = []
            for along in change:
                changed = shares.copy()
                changed.data = shares.data * along
                both.append(changed @ membership)
            return sparse.hstack(both, format="csr")

        value, along_x, along_y = (part(change) for change in changes)
        return cls(offsets=value, slopes=(along_x, along_y))

    def part(self, rows: slice) -> Self:
        """Take some pairs."""
        slopes = (self.slopes[0][rows], self.slopes[1][rows])
        return replace(self, offsets=self.offsets[rows], slopes=slopes)

    def less(self, carried: sparse.sparray) -> Self:
        """Subtract from the changes of offsets what those of other levels make of them."""
        return replace(self, offsets=(self.offsets - carried).tocsr())

    def levels(self, solver: OffsetSolver) -> sparse.csr_array:
        """Find what unit gradients would make of levels by these offsets, (n, 2 n_families)."""
        parts = [
            sparse.csr_array(solver.levels(self.offsets[:, start : start + BATCH].toarray()))
            for start in range(0, self.offsets.shape[1], BATCH)
        ]
        return sparse.hstack(parts, format="csr")

    def corrected(self, pairs: Sequence[PairOffset], gradients: np.ndarray) -> list[PairOffset]:
        """Take gradients of families, (n_families, 2), out of pairs."""
        values = gradients.T.ravel()
        of_offsets = (self.offsets @ values).tolist()
        of_slopes = np.stack([part @ values for part in self.slopes], axis=1)
        return [
            _corrected(pair, offset, slopes)
            for pair, offset, slopes in zip(pairs, of_offsets, of_slopes, strict=True)
        ]

    def columns(self, gradients: Gradients) -> Iterator[np.ndarray]:
        """Yield changes of all offsets by errors of gradients, some at a time."""
        root = gradients.root
        for start in range(0, root.shape[1], BATCH):
            yield self.offsets @ root[:, start : start + BATCH]


def _planes(pairs: Sequence[PairOffset], frame: DetectorFrame) -> np.ndarray:
    """What unit gradients make of value and slopes of pairs, (3, 2, n_pairs); 0 if not known."""
    samples = [pair.trends.sample if pair.trends else None for pair in pairs]
    known = [sample for sample in samples if sample]
    found = np.zeros((3, 2, len(pairs)))
    if not known:
        return found
    ends = np.cumsum([sample.places.shape[1] for sample in known])[:-1]
    places = frame.places(*np.concatenate([sample.places for sample in known], axis=1))
    of_pairs = iter(np.split(places, ends, axis=1))
    for k, sample in enumerate(samples):
        if sample:
            found[..., k] = sample.to_trends @ next(of_pairs).T
    return found


def _corrected(pair: PairOffset, offset: float, slopes: np.ndarray) -> PairOffset:
    fit, trends = pair.fit, pair.trends
    if fit is not None:
        change = np.zeros_like(fit.estimate)
        change[0] = offset
        fit = replace(fit, estimate=fit.estimate - change)
    if trends is not None:
        trends = replace(trends, slopes=trends.slopes - np.append(slopes, 0.0))
    return replace(pair, value=pair.value - offset, fit=fit, trends=trends)


def fit_gradients(
    n: int,
    pairs: Sequence[PairOffset],
    structure: BackgroundStructure,
    equations: GradientEquations,
    *,
    n_inside: int = 0,
    weighted: bool = True,
) -> Gradients:
    r"""Fit gradients together with levels.

    Parameters
    ----------
    n : int
        Number of levels.
    pairs : sequence of PairOffset
        The pairs.
    structure : BackgroundStructure
        What backgrounds have beside levels, for these pairs; its variance of the slopes of
        families is the prior's.
    equations : GradientEquations
        What gradients make of offsets and slopes.
    n_inside : int, optional
        Number of pairs, the first ones, of which only the slopes count: their offsets have
        become levels already.
    weighted : bool, optional
        See `solve_levels`.

    Returns
    -------
    Gradients
        The gradients.

    Notes
    -----
    Levels b and gradients g make :math:`\sum (d - A b - E g)^2 / v + \sum (s - F g)^T C^{-1}
    (s - F g) + |g|^2 / \sigma^2` least, for offsets d with variance v, slopes s with covariance C,
    and the prior's variance :math:`\sigma^2`. The offsets are those at the shifts that all pairs
    agree on. Slopes tell how the gradients of two images differ; around loops offsets tell it by a
    longer lever. But for distortion no pair tells the gradient that all connected families have in
    common: it is set apart as their median, since where most have none it is none of these.
    """
    system = _System.of(n, pairs, structure, equations, n_inside, weighted)
    parts = _parts(n, pairs[n_inside:], equations.part(slice(n_inside, None)))
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

    design: sparse.csr_array  # (n_rows, n + 2 n_families): offsets, then slopes along two axes
    values: np.ndarray  # (n_rows,)
    ground: np.ndarray  # a level of each part
    n: int
    n_pairs: int  # of which the slopes count
    prior: float

    @classmethod
    def of(
        cls,
        n: int,
        pairs: Sequence[PairOffset],
        structure: BackgroundStructure,
        equations: GradientEquations,
        n_inside: int,
        weighted: bool,
    ) -> Self:
        between = slice(n_inside, None)
        trends = structure.trend_variances[between]
        judged = include_structure(pairs[between], structure.structure_variances[between], trends)
        solution = solve_levels(n, judged, weighted=weighted)
        incidence = incidence_matrix(n, judged)
        # The fit takes the gradients out of the offsets.
        variances = np.maximum(solution.variances - trends, 1e-30)
        precision = sparse.diags_array(1.0 / np.sqrt(variances))
        to_errors = np.linalg.cholesky(np.linalg.inv(structure.slope_covariances))
        to_errors = np.swapaxes(to_errors, 1, 2)
        slopes = np.array([p.trends.slopes[:2] if p.trends else np.zeros(2) for p in pairs])
        rows = [sparse.hstack([precision @ incidence, precision @ equations.offsets[between]])]
        nothing = sparse.coo_array((len(pairs), n))
        for axis in (0, 1):
            along_x, along_y = (
                sparse.diags_array(to_errors[:, axis, slope]) @ part
                for slope, part in enumerate(equations.slopes)
            )
            rows.append(sparse.hstack([nothing, along_x + along_y]))
        parts = connected_parts(n, *pair_ends(judged))
        return cls(
            design=sparse.vstack(rows, format="csr"),
            values=np.concatenate(
                [precision @ solution.offsets, *np.einsum("pab,pb->ap", to_errors, slopes)]
            ),
            ground=np.unique(parts, return_index=True)[1],
            n=n,
            n_pairs=len(pairs),
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
            weights = _weights(values - design @ unknowns, self.n_pairs)
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


def _weights(residuals: np.ndarray, n_pairs: int) -> np.ndarray:
    """Let offset, and slopes, of a pair count less that disagrees, against all others' scatter."""
    of_offsets = np.abs(residuals[: residuals.size - 2 * n_pairs])
    of_slopes = np.hypot(*residuals[of_offsets.size :].reshape(2, -1)) / np.sqrt(2.0)
    weights = []
    for misfits in (of_offsets, of_slopes):
        limit = MISFIT * np.maximum(1.0, 1.48 * np.median(misfits))
        weights.append(limit / np.maximum(misfits, limit))
    return np.concatenate([weights[0], weights[1], weights[1]])


def _parts(n: int, pairs: Sequence[PairOffset], equations: GradientEquations) -> np.ndarray:
    """Label families by what pairs connect."""
    n_families = equations.offsets.shape[1] // 2
    first, second = pair_ends(pairs)
    touched = abs(equations.slopes[0]) + abs(equations.slopes[1]) + abs(equations.offsets)
    pair, column = touched.nonzero()
    nodes = connected_parts(
        n + n_families,
        np.concatenate([first, first[pair]]),
        np.concatenate([second, n + column % n_families]),
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
