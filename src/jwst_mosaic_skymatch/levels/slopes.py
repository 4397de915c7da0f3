"""Gradients of the backgrounds of visits, from what pairs show of them."""

from collections.abc import Sequence
from typing import cast

import numpy as np
from scipy import sparse

from jwst_mosaic_skymatch.levels.results import FamilySlopes, PairResult
from jwst_mosaic_skymatch.levels.trends import family_matrix
from jwst_mosaic_skymatch.offsets.trends import Trends

__all__ = ["family_slopes"]

# More families than this make no matrix that is solved in passing.
MOST_FAMILIES = 3000
# Misfit of a pair, in its errors, from which on it counts less, as the square.
CUTOFF = 3.0
N_ITERATIONS = 30


def family_slopes(
    pairs: Sequence[PairResult], shares: sparse.sparray, families: Sequence[str]
) -> FamilySlopes:
    r"""Estimate the gradient of each family.

    Parameters
    ----------
    pairs : sequence of PairResult
        All pairs.
    shares : sparse array, shape (n_pairs, n)
        Share of each exposure in each offset; negative on the second side.
    families : sequence of str
        Name that exposures share whose backgrounds may have one gradient; n of them.

    Returns
    -------
    FamilySlopes
        The gradients.

    Notes
    -----
    A pair shows the difference of two gradients, :math:`s = g_i - g_j`, with the covariance of
    its `~jwst_mosaic_skymatch.offsets.trends.Trends`. Least squares give all :math:`g` but for
    what they have in common, which is set so that the median is zero: one visit with a gradient
    among many is then that visit, and not all others. A spoiled overlap looks like a gradient, so
    that pairs which misfit count less, and those that the levels have left out count nothing. The
    two axes are solved for by themselves.
    """
    names = np.unique(list(families))
    of_family = (shares @ family_matrix(families)).tocsr()
    # What a family shares drops out of pairs of its own.
    crossing = abs(of_family).sum(axis=1) > 1e-3
    told = [k for k, pair in enumerate(pairs) if crossing[k] and pair.used and pair.offset.trends]
    unknown = np.full((names.size, 2), np.nan)
    if not told or names.size > MOST_FAMILIES:
        return FamilySlopes(tuple(names.tolist()), unknown, unknown)
    design = of_family[told].toarray()
    measured, variances = _measured([pairs[k] for k in told])
    found = [_fit(design, measured[:, axis], variances[:, axis]) for axis in (0, 1)]
    slopes, errors = (np.stack(part, axis=1) for part in zip(*found, strict=True))
    untold = ~np.any(design, axis=0)
    slopes[untold] = errors[untold] = np.nan
    return FamilySlopes(tuple(names.tolist()), slopes - np.nanmedian(slopes, axis=0), errors)


def _measured(pairs: Sequence[PairResult]) -> tuple[np.ndarray, np.ndarray]:
    """Collect slopes of pairs and their variances, (n, 2) each."""
    slopes, variances = [], []
    for pair in pairs:
        trends = cast(Trends, pair.offset.trends)
        noise = max(pair.offset.noise_variance, 1e-30)
        # What else disagrees in an overlap makes slopes less certain as it does the offset.
        factor = 1.0 + trends.excess(noise, with_trends=False) / noise
        slopes.append(trends.slopes[:2])
        variances.append(factor * np.diag(trends.covariance)[:2])
    return np.array(slopes), np.maximum(variances, 1e-30)


def _fit(
    design: np.ndarray, measured: np.ndarray, variances: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Solve for the gradients along one axis, with errors; zero mean over each component."""

    def solve(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        weighted = weights / variances
        inverse = np.linalg.pinv(design.T @ (design * weighted[:, None]), rcond=1e-9)
        slopes = inverse @ (design.T @ (weighted * measured))
        return slopes, inverse, np.abs(measured - design @ slopes) / np.sqrt(variances)

    weights = np.ones(measured.size)
    for _ in range(N_ITERATIONS):  # least absolute deviations, which one bad pair does not move
        _, _, misfits = solve(weights)
        weights = 1.0 / np.maximum(misfits, 1.0)
    # Where all misfit, the errors are too small, and no pair is worse than the others.
    scale = max(float(np.median(misfits)), 1.0)
    slopes, inverse, _ = solve(1.0 / np.maximum(misfits / (CUTOFF * scale), 1.0) ** 2)
    return slopes, scale * np.sqrt(np.maximum(np.diag(inverse), 0.0))
