"""Variance components of the random effects by restricted maximum likelihood."""

from collections.abc import Mapping

import numpy as np
from scipy import sparse

from jwst_mosaic_skymatch.levels.equations import EFFECTS, Equations
from jwst_mosaic_skymatch.levels.solve import MISFIT, PEDESTAL, Fit, solve
from jwst_mosaic_skymatch.tiles.regions import REGIONS

__all__ = ["estimate_variances"]

# Twice the logarithm of the likelihood ratio from which on an effect is part of the model. A gain
# acts on all light, so that a small spurious one makes large errors.
SIGNIFICANCE = {
    "visit gradient": 10.0,
    "exposure gradient": 10.0,
    "gain": 12.0,
    **dict.fromkeys(REGIONS, 12.0),
    MISFIT: 10.0,
}
# Score of an effect, in its standard deviations, from which on its variance is searched.
LEAST_SCORE = 1.5
# Ratio of neighbouring standard deviations in the search, and in the mean over the likelihood.
STEP, FINE_STEP = 4.0, 1.5
# Standard deviations of the search, in units of those that change a measurement by its error: the
# smallest, and the largest for residuals of unit size.
SMALLEST, LARGEST = 0.3, 10.0
# Fine steps to either side over which the mean is taken.
N_FINE = 4


def estimate_variances(
    equations: Equations, effects: tuple[str, ...] = (*EFFECTS, MISFIT)
) -> dict[str, float]:
    """Select random effects and estimate their variances.

    Parameters
    ----------
    equations : Equations
        The equations.
    effects : tuple of str, optional
        Effects that may be part of the model.

    Returns
    -------
    dict of str to float
        Variance of each effect that is significant, and of pedestals where detectors of an
        exposure are tied; the mean over the likelihood, with a flat prior of the logarithm.

    Notes
    -----
    Forward selection: the effect with the largest likelihood ratio joins the model first. The
    robust weights are part of each evaluation: weights from one model applied to another would
    let gradients absorb a spoiled pair.
    """
    chosen: dict[str, float] = {}
    start = solve(equations, {PEDESTAL: 1.0} if equations.ties.nnz else {})
    largest = max(float(np.abs(start.residuals).max(initial=1.0)), 1.0)
    if equations.ties.nnz:
        chosen[PEDESTAL] = _search(equations, chosen, PEDESTAL, largest)[0] ** 2
    candidates = [name for name in effects if _scale(equations, name) > 0.0]
    while candidates:
        fit = solve(equations, chosen)
        plain = solve(equations, chosen, robust=False)
        tried = [name for name in candidates if _score(equations, plain, name) > LEAST_SCORE]
        if not tried:
            break
        results = {name: _search(equations, chosen, name, largest) for name in tried}
        gains = {name: fit.deviance - d - SIGNIFICANCE[name] for name, (_, d) in results.items()}
        best = max(gains, key=lambda name: gains[name])
        if gains[best] <= 0.0:
            break
        chosen[best] = results[best][0] ** 2
        candidates.remove(best)
        for name in chosen:
            chosen[name] = _mean_variance(equations, chosen, name)
    return chosen


def _score(equations: Equations, fit: Fit, name: str) -> float:
    r"""Test whether an effect with a small variance would raise the likelihood.

    With residuals r and the projection P of the model, the derivative of the deviance by the
    variance at zero is :math:`\mathrm{tr}(U^T P U) - |U^T r|^2`.
    """
    scale = np.ones(len(equations.values))
    scale[equations.offset_rows] = equations.sigmas / fit.sigmas
    if name == MISFIT:
        shape = (scale.size, len(fit.sigmas))
        entries = (1.0 / fit.sigmas, (equations.offset_rows, np.arange(shape[1])))
        effect = sparse.coo_array(entries, shape=shape).tocsc()
    else:
        effect = (sparse.diags_array(scale) @ equations.design[:, equations.columns[name]]).tocsc()
    effect = effect[:, np.diff(effect.indptr) > 0]
    if not effect.shape[1]:
        return 0.0
    model = sparse.diags_array(scale) @ equations.design[:, fit.free]
    crossed = (model.T @ effect).tocsr()
    absorbed = fit.variances_of(crossed.T)
    trace = float(effect.power(2).sum() - absorbed.sum())
    size = float(np.sum((effect.T @ fit.residuals) ** 2))
    return (size / trace - 1.0) * np.sqrt(0.5 * effect.shape[1]) if trace > 0.0 else 0.0


def _search(
    equations: Equations, others: Mapping[str, float], name: str, largest: float
) -> tuple[float, float]:
    """Search the standard deviation of an effect, and give it with its deviance."""
    n_steps = int(np.ceil(np.log(LARGEST * largest / SMALLEST) / np.log(STEP)))
    sigmas = SMALLEST / _scale(equations, name) * STEP ** np.arange(n_steps + 1)
    deviances = [solve(equations, {**others, name: sigma**2}).deviance for sigma in sigmas]
    best = int(np.argmin(deviances))
    return float(sigmas[best]), float(deviances[best])


def _scale(equations: Equations, name: str) -> float:
    """Give the inverse of the size of an effect that changes some measurement by its error."""
    if name in (PEDESTAL, MISFIT):
        own = equations.design[:, : equations.n_levels]
    else:
        own = equations.design[:, equations.columns[name]]
    return float(sparse.linalg.norm(own, axis=0).max()) if own.nnz else 0.0


def _mean_variance(equations: Equations, chosen: Mapping[str, float], name: str) -> float:
    """Average the variance of one effect over its likelihood; few members leave it uncertain."""
    sigmas = np.sqrt(chosen[name]) * FINE_STEP ** np.arange(-N_FINE, N_FINE + 1)
    deviances = np.array(
        [solve(equations, {**chosen, name: sigma**2}).deviance for sigma in sigmas]
    )
    likelihoods = np.exp(0.5 * (deviances.min() - deviances))
    return float(np.average(sigmas**2, weights=likelihoods))
