"""Variance components of the random effects by restricted maximum likelihood."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.interpolate import CubicSpline

from jwst_mosaic_skymatch.levels.equations import PEDESTAL, Equations
from jwst_mosaic_skymatch.levels.solve import MISFIT, solve

__all__ = ["estimate_variances"]

# Twice the logarithm of the likelihood ratio from which on an effect is part of the model. By
# chance none of the nine effects reached 3 in 139 of 140 mosaics.
LEAST_RATIO = 6.0
# Standard deviations of the search, in units of those that change a measurement by its error: up to
# the largest residual, or to a million errors, of which no pair has measured more.
COARSE, LARGEST = 0.3 * 4.0 ** np.arange(13), 10.0
# Those of the mean over the likelihood, in units of the estimate.
FINE = 1.5 ** np.arange(-4.0, 5.0)
# Steps of the interpolated likelihood: that of many members is narrower than a step of the search.
N_STEPS = 1000
# Prior of the standard deviation of pedestals, MJy/sr: logarithm normal about this value with this
# width. Nothing else constrains the pedestals of components that a single exposure ties.
TYPICAL_PEDESTAL, WIDTH = 0.002, float(np.log(3.0))


class _Estimate(NamedTuple):
    """Variances of an effect: the likeliest one, its deviance, and the mean over the likelihood."""

    likeliest: float
    mean: float
    deviance: float


def estimate_variances(
    equations: Equations,
    effects: Sequence[str],
) -> dict[str, float]:
    """Select random effects and estimate their variances.

    Parameters
    ----------
    equations : Equations
        The equations.
    effects : sequence of str
        Effects that may be part of the model.

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
    chosen = {PEDESTAL: 1.0} if equations.tie_rank else {}
    misfit = np.abs(solve(equations, chosen).residuals).max(initial=1.0)
    coarse = COARSE[: np.searchsorted(COARSE, LARGEST * misfit) + 1]
    if equations.tie_rank:
        sigmas = coarse / _size(equations, PEDESTAL)
        chosen[PEDESTAL] = _estimate(equations, {}, PEDESTAL, sigmas).likeliest
    candidates = {name: size for name in effects if (size := _size(equations, name)) > 0.0}
    while True:
        for name, variance in chosen.items():
            chosen[name] = _estimate(equations, chosen, name, np.sqrt(variance) * FINE).mean
        results = {
            name: _estimate(equations, chosen, name, coarse / size)
            for name, size in candidates.items()
            if name not in chosen
        }
        deviance = solve(equations, chosen).deviance
        gains = {name: deviance - own.deviance for name, own in results.items()}
        joining = [name for name, gain in gains.items() if gain > LEAST_RATIO]
        if not joining:
            return chosen
        # Misfit explains any effect: it joins when no other does.
        best = max(joining, key=lambda name: (name != MISFIT, gains[name]))
        chosen[best] = results[best].likeliest


def _size(equations: Equations, name: str) -> float:
    """Give the largest change of the measurements, in their errors, by a unit effect."""
    if name == MISFIT:  # of each offset
        return float(np.max(1.0 / equations.sigmas, initial=0.0))
    columns = equations.design[: equations.n_measured, equations.columns[name]]
    return float(sparse.linalg.norm(columns, axis=0).max()) if columns.nnz else 0.0


def _estimate(
    equations: Equations, others: Mapping[str, float], name: str, sigmas: np.ndarray
) -> _Estimate:
    """Evaluate the likelihood of a variance on a grid, and take the mean over it.

    Few members leave a variance uncertain, so that the mean differs from the most likely one.
    """
    variances = sigmas**2
    fits = [solve(equations, {**others, name: variance}) for variance in variances.tolist()]
    deviances = np.array([fit.deviance for fit in fits])
    if name == PEDESTAL:
        deviances += (np.log(sigmas / TYPICAL_PEDESTAL) / WIDTH) ** 2
    places = np.log(variances)
    steps = np.linspace(places[0], places[-1], N_STEPS)
    curve = CubicSpline(places, deviances)(steps)
    mean = np.average(np.exp(steps), weights=np.exp(0.5 * (curve.min() - curve)))
    best = deviances.argmin()
    return _Estimate(float(variances[best]), float(mean), float(deviances[best]))
