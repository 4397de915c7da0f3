"""Variance components of the random effects by restricted maximum likelihood."""

from collections.abc import Mapping

import numpy as np
from scipy import sparse

from jwst_mosaic_skymatch.levels.equations import EFFECTS, PEDESTAL, Equations
from jwst_mosaic_skymatch.levels.matrices import sparse_matrix
from jwst_mosaic_skymatch.levels.solve import MISFIT, Fit, solve
from jwst_mosaic_skymatch.tiles.frame import REGIONS

__all__ = ["estimate_variances"]

# Twice the logarithm of the likelihood ratio from which on an effect is part of the model. A gain
# acts on all light, so that a small spurious one makes large errors.
SIGNIFICANCE = {
    "visit gradient": 6.0,
    "exposure gradient": 6.0,
    "gain": 12.0,
    **dict.fromkeys(REGIONS, 12.0),
    MISFIT: 6.0,
}
# The same beyond that if backgrounds have stripes, whose slopes pass for gradients.
STRIPES = 4.0
# Score of an effect, in its standard deviations, from which on its variance is searched.
LEAST_SCORE = 1.5
# Ratio of neighbouring standard deviations in the search, and in the mean over the likelihood.
STEP, FINE_STEP = 4.0, 1.5
# Standard deviations of the search, in units of those that change a measurement by its error: the
# smallest, and the largest for residuals of unit size.
SMALLEST, LARGEST = 0.3, 10.0
# Largest residual that the search takes into account: nothing measures a millionth of its size.
LARGEST_MISFIT = 1e6
# Fine steps to either side over which the mean is taken.
N_FINE = 4
# Prior of the standard deviation of pedestals, MJy/sr: logarithm normal about this value with this
# width. Nothing else constrains the pedestals of components that a single exposure ties.
TYPICAL_PEDESTAL, WIDTH = 0.002, float(np.log(3.0))


def estimate_variances(
    equations: Equations,
    effects: tuple[str, ...] = (*EFFECTS, MISFIT),
    striped: bool = False,
) -> dict[str, float]:
    """Select random effects and estimate their variances.

    Parameters
    ----------
    equations : Equations
        The equations.
    effects : tuple of str, optional
        Effects that may be part of the model.
    striped : bool, optional
        Whether most pairs have structure beside noise.

    Returns
    -------
    dict of str to float
        Variance of each significant effect, and of pedestals where detectors of an exposure are
        tied. It is the mean over the likelihood, with a flat prior of the logarithm.

    Notes
    -----
    Forward selection: the effect with the largest likelihood ratio joins the model first. The
    robust weights are part of each evaluation: weights from one model applied to another would
    let gradients absorb a spoiled pair.
    """
    beyond = STRIPES if striped else 0.0
    chosen = {PEDESTAL: 1.0} if equations.tie_rank else {}
    residuals = solve(equations, chosen).residuals
    largest = min(max(float(np.abs(residuals).max(initial=1.0)), 1.0), LARGEST_MISFIT)
    if equations.tie_rank:
        chosen[PEDESTAL] = _search(equations, {}, PEDESTAL, largest)[0]
        chosen[PEDESTAL] = _mean_variance(equations, chosen, PEDESTAL)
    candidates = [name for name in effects if _scale(equations, name) > 0.0]
    while candidates:
        plain = solve(equations, chosen, robust=False)
        tried = [name for name in candidates if _score(equations, plain, name) > LEAST_SCORE]
        if not tried:
            break
        deviance = solve(equations, chosen).deviance
        results = {name: _search(equations, chosen, name, largest) for name in tried}
        gains = {
            name: deviance - d - SIGNIFICANCE[name] - beyond for name, (_, d) in results.items()
        }
        # Misfit explains any effect: it joins when no other does.
        best = max(gains, key=lambda name: (gains[name] > 0.0 and name != MISFIT, gains[name]))
        if gains[best] <= 0.0:
            break
        chosen[best] = results[best][0]
        candidates.remove(best)
        for name in chosen:
            chosen[name] = _mean_variance(equations, chosen, name)
    return chosen


def _score(equations: Equations, fit: Fit, name: str) -> float:
    r"""Test whether an effect with a small variance would raise the likelihood.

    With residuals r and the projection P of the model, the derivative of the deviance by the
    variance at zero is :math:`\mathrm{tr}(U^T P U) - |U^T r|^2`.
    """
    n_pairs, n_measured = len(fit.sigmas), equations.n_measured
    if name == MISFIT:
        shape, rows = (n_measured, n_pairs), equations.offset_rows
        effect = sparse_matrix(shape, rows, np.arange(n_pairs), 1.0 / fit.sigmas)
    else:
        scale = np.ones(n_measured)
        scale[equations.offset_rows] = equations.sigmas / fit.sigmas
        effect = sparse.diags_array(scale) @ equations.measured(name)
    effect = effect[:, np.flatnonzero(abs(effect).sum(axis=0))]
    absorbed = fit.factor.variances(effect.T @ fit.design).sum()
    trace = float(effect.power(2).sum() - absorbed)
    size = float(np.sum((effect.T @ fit.residuals) ** 2))
    return (size / trace - 1.0) * np.sqrt(0.5 * effect.shape[1]) if trace > 0.0 else 0.0


def _search(
    equations: Equations, others: Mapping[str, float], name: str, largest: float
) -> tuple[float, float]:
    """Search the variance of an effect, and give it with its deviance."""
    n_steps = int(np.ceil(np.log(LARGEST * largest / SMALLEST) / np.log(STEP)))
    sigmas = SMALLEST / _scale(equations, name) * STEP ** np.arange(n_steps + 1)
    deviances = _deviances(equations, others, name, sigmas**2)
    best = int(np.argmin(deviances))
    return float(sigmas[best] ** 2), float(deviances[best])


def _deviances(
    equations: Equations, others: Mapping[str, float], name: str, variances: np.ndarray
) -> np.ndarray:
    """Evaluate the deviance at some variances of an effect, with the prior of pedestals."""
    deviances = [solve(equations, {**others, name: float(v)}).deviance for v in variances]
    prior = (0.5 * np.log(variances / TYPICAL_PEDESTAL**2) / WIDTH) ** 2
    return np.array(deviances) + (prior if name == PEDESTAL else 0.0)


def _scale(equations: Equations, name: str) -> float:
    """Give the inverse of the size of an effect that changes some measurement by its error."""
    own = equations.measured(PEDESTAL if name == MISFIT else name)
    return float(sparse.linalg.norm(own, axis=0).max()) if own.nnz else 0.0


def _mean_variance(equations: Equations, chosen: Mapping[str, float], name: str) -> float:
    """Average the variance of one effect over its likelihood; few members leave it uncertain."""
    variances = chosen[name] * FINE_STEP ** (2.0 * np.arange(-N_FINE, N_FINE + 1))
    deviances = _deviances(equations, chosen, name, variances)
    return float(np.average(variances, weights=np.exp(0.5 * (deviances.min() - deviances))))
