"""How large gradients of families most likely are, by slopes of differences and by loops."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from scipy import sparse

from jwst_mosaic_skymatch.levels.inverse import GroundedInverse
from jwst_mosaic_skymatch.levels.solution import Solution, incidence_matrix, pair_ends
from jwst_mosaic_skymatch.levels.trends import BackgroundStructure
from jwst_mosaic_skymatch.offsets.graph import connected_parts
from jwst_mosaic_skymatch.offsets.measure import PairOffset

__all__ = ["likely_slope_variance"]

# Twice the logarithm of the likelihood ratio from which on gradients are more than zero. Of twenty
# mosaics without any none reaches 1.5.
SIGNIFICANCE = 4.0
# An offset that is off by this, in sigma, or by more costs the same.
CUTOFF = 6.0
# Share of offsets, and least number, without the worst of which gradients are measured: spoiled
# ones are none.
SPOILED, LEAST_SPOILED = 0.05, 1
# Solutions until the weights of offsets are settled: first with least absolute deviations.
N_ABSOLUTE, N_SOLUTIONS = 4, 8
# Ratio of the standard deviations that are looked at.
STEP = 1.5
# Beyond what slopes and offsets show, by this factor, none is looked for.
MARGIN = 4.0
# What has no noise is known to rounding, (MJy/sr)^2, and per cell^2 for slopes.
LEAST_VARIANCE = 1e-24


def likely_slope_variance(
    n: int, offsets: Sequence[PairOffset], solution: Solution, structure: BackgroundStructure
) -> float:
    r"""Find the variance of the gradients of families that is most likely.

    Parameters
    ----------
    n : int
        Number of levels.
    offsets : sequence of PairOffset
        Their pairs.
    solution : Solution
        Has offsets at the shifts that all pairs agree on.
    structure : BackgroundStructure
        What backgrounds have beside levels, in these pairs.

    Returns
    -------
    float
        Variance along each axis, (MJy/sr per cell)^2, the mean over its likelihood with a flat
        prior for the logarithm of the standard deviation; zero where it is not significant.

    Notes
    -----
    Offsets d and slopes s of pairs are :math:`d = A b + E g` and :math:`s = F g` but for noise of
    variances V and C, with levels b and gradients g of variance :math:`\sigma^2`. The likelihood
    integrated over both (restricted maximum likelihood, Patterson & Thompson 1971, Biometrika 58,
    545) is

    .. math:: -2 \ln L = n_g \ln \sigma^2 + \ln \det M + \min_{b, g} \left[ \sum \rho\left(
              \frac{d - A b - E g}{\sqrt V}\right) + (s - F g)^T C^{-1} (s - F g)
              + \frac{g^T g}{\sigma^2} \right]

    with the normal matrix M of what is minimized, and the :math:`\rho` of the biweight in place
    of the square. Whether gradients are significant all offsets tell together; how large they are
    is told without the worst, and is zero if nothing else shows any. Slopes of narrow overlaps
    tell little, and loops show what they add up to.
    """
    told = _shown(structure)
    if not told.any():
        return 0.0
    equations = _Equations.of(n, offsets, solution, structure)
    sigmas = _sigmas(offsets, structure, told)
    without = equations.without_gradients().doubled()
    gains = np.array([without - equations.doubled(sigma**2) for sigma in sigmas])
    of_all, without_worst = gains.T
    if of_all.max() < SIGNIFICANCE or without_worst.max() <= 0.0:
        return 0.0
    # Few families tell it badly, and a mean over what is likely contains that.
    likelihoods = np.exp(0.5 * (without_worst - without_worst.max()))
    return float(np.average(sigmas**2, weights=likelihoods))


def _shown(structure: BackgroundStructure) -> np.ndarray:
    """Tell which pairs show gradients of families: those of different ones."""
    squares = structure.family_effects.shares.power(2).sum(axis=1)
    return np.asarray(squares).ravel() > 1e-3


def _sigmas(
    offsets: Sequence[PairOffset], structure: BackgroundStructure, told: np.ndarray
) -> np.ndarray:
    """Choose the standard deviations to look at, from one that hardly changes any pair."""
    x, y, _ = structure.family_effects.by_axis
    lever = np.sqrt(np.asarray((x.power(2) + y.power(2)).sum(axis=1)).ravel())
    noise = np.sqrt([max(offset.noise_variance, LEAST_VARIANCE) for offset in offsets])
    finest = min(
        np.sqrt(np.linalg.eigvalsh(_slope_covariances(structure)[told])).min(),
        1.0 / max((lever / noise).max(), 1e-30),
    )
    largest = max(np.abs(_slopes(offsets)[told]).max(), finest)
    n_steps = np.ceil(np.log(MARGIN**2 * largest / finest) / np.log(STEP))
    return finest / MARGIN * STEP ** np.arange(n_steps + 1)


def _slopes(offsets: Sequence[PairOffset]) -> np.ndarray:
    """Collect slopes along x and y, (n_pairs, 2); zero where there are none."""
    return np.array([o.trends.slopes[:2] if o.trends else np.zeros(2) for o in offsets])


def _slope_covariances(structure: BackgroundStructure) -> np.ndarray:
    """Give the covariances of slopes, (n_pairs, 2, 2), none of them singular."""
    return structure.slope_covariances + LEAST_VARIANCE * np.eye(2)


@dataclass(frozen=True)
class _Equations:
    """Offsets and slopes, in units of their errors, as functions of levels and gradients."""

    offsets: sparse.csr_array  # (n_pairs, n + n_gradients)
    offset_values: np.ndarray  # (n_pairs,)
    slopes: sparse.csr_array  # (2 n_pairs, n + n_gradients)
    slope_values: np.ndarray  # (2 n_pairs,)
    ground: np.ndarray  # a level of each part
    n: int

    @classmethod
    def of(
        cls,
        n: int,
        pairs: Sequence[PairOffset],
        solution: Solution,
        structure: BackgroundStructure,
    ) -> Self:
        families = structure.family_effects
        # Gradients of families are unknowns, and no part of the variances.
        variances = structure.structure_variances + structure.effects.variances(
            structure.of_exposures
        )
        variances += [pair.noise_variance for pair in pairs]
        precision = 1.0 / np.sqrt(np.maximum(variances, LEAST_VARIANCE))
        design = sparse.hstack([incidence_matrix(n, pairs), *families.by_axis[:2]])
        to_errors = np.linalg.inv(np.linalg.cholesky(_slope_covariances(structure)))
        nothing = sparse.csr_array((len(pairs), n))
        rows = [
            sparse.hstack([nothing, *(sparse.diags_array(a) @ families.shares for a in row.T)])
            for row in np.moveaxis(to_errors, 1, 0)
        ]
        parts = connected_parts(n, *pair_ends(pairs))
        return cls(
            offsets=(sparse.diags_array(precision) @ design).tocsr(),
            offset_values=precision * solution.offsets,
            slopes=sparse.vstack(rows).tocsr(),
            slope_values=np.einsum("pab,pb->ap", to_errors, _slopes(pairs)).ravel(),
            ground=np.unique(parts, return_index=True)[1],
            n=n,
        )

    def without_gradients(self) -> Self:
        """Keep the levels alone."""
        return replace(self, offsets=self.offsets[:, : self.n], slopes=self.slopes[:, : self.n])

    def doubled(self, variance: float = 1.0) -> np.ndarray:
        """Twice the negative logarithm of the likelihood, for gradients of this variance.

        By all offsets, and without the worst, (2,).
        """
        prior = np.zeros(self.offsets.shape[1])
        prior[self.n :] = 1.0 / variance
        fixed = self.slopes.T @ self.slopes + sparse.diags_array(prior)
        right = self.slopes.T @ self.slope_values
        weights = np.ones(len(self.offset_values))
        volume = -float(np.sum(np.log(prior[self.n :])))
        for k in range(N_SOLUTIONS):
            weighted = (self.offsets.T @ sparse.diags_array(weights)).tocsr()
            inverse = GroundedInverse(weighted @ self.offsets + fixed, self.ground)
            if k == 0:
                volume += inverse.log_determinant
            unknowns = inverse.solve(weighted @ self.offset_values + right)
            misfits = np.abs(self.offset_values - self.offsets @ unknowns)
            inside = np.maximum(1.0 - (misfits / CUTOFF) ** 2, 0.0)
            weights = 1.0 / np.maximum(misfits, 1.0) if k < N_ABSOLUTE else inside**2 + 1e-6
        others = volume + np.sum((self.slope_values - self.slopes @ unknowns) ** 2)
        others += np.sum(prior * unknowns**2)
        costs = CUTOFF**2 / 3.0 * np.sort(1.0 - inside**3)
        n_spoiled = max(int(SPOILED * len(weights)), LEAST_SPOILED)
        return others + np.array([np.sum(costs), np.sum(costs[:-n_spoiled])])
