r"""Robust solution of the mixed model at given variances, and its covariance.

Henderson's mixed model equations [1]_, :math:`C (b, u) = (X, U)^T R^{-1} y` with
:math:`C = (X, U)^T R^{-1} (X, U) + \mathrm{diag}(0, \Theta^{-1})`, are iterated with weights of
rows: first those of least absolute deviations, then the biweight's. Measurements and priors are
rows. The restricted likelihood [2]_ is

.. math:: -2 \ln L = \ln |\Theta| + \ln |C| + \sum \rho(r)

with the :math:`\rho` of the biweight in place of the squares of the residuals r of all rows.

References
----------
.. [1] Henderson 1975, Biometrics 31, 423, doi:10.2307/2529430
.. [2] Patterson & Thompson 1971, Biometrika 58, 545, doi:10.1093/biomet/58.3.545
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from jwst_mosaic_skymatch.levels.equations import PEDESTAL, Equations
from jwst_mosaic_skymatch.levels.factorization import Factorization

__all__ = ["CUTOFF", "MISFIT", "Fit", "solve"]

#: Residual, in its errors, from which on a measurement counts nothing.
CUTOFF = 6.0
# Random effect, in its standard deviations, from which on its prior counts nothing: the background
# of one exposure may differ from all others, and its pairs are not wrong for that.
PRIOR_CUTOFF = 10.0
#: Name of the variance of offsets beside their errors: real skies do not close within noise.
MISFIT = "misfit"
# Most solutions with absolute deviations, and with the biweight; a change of no residual by this
# part of its error ends either.
N_ABSOLUTE, N_BIWEIGHT, TOLERANCE = 5, 3, 0.01
# Weight of a row that disagrees with all others: zero would cut the graph.
LEAST_WEIGHT = 1e-6


@dataclass(frozen=True)
class Fit:
    """Solution of the model at given variances.

    Attributes
    ----------
    unknowns : ndarray, shape (n_columns,)
        Levels, with one of each component at zero, and predictions of the random effects, which
        are zero where an effect has no variance.
    residuals : ndarray, shape (n_measured,)
        Residuals in their errors.
    weights : ndarray, shape (n_measured,)
        Robust weights, 0 to 1.
    sigmas : ndarray, shape (n_pairs,)
        Errors of the offsets, MJy/sr.
    deviance : float
        Minus twice the logarithm of the restricted likelihood, up to a constant.
    free : ndarray of int, shape (n_free,)
        Columns that are solved for.
    factor : Factorization
        That of the normal matrix of the free columns.
    """

    unknowns: np.ndarray
    residuals: np.ndarray
    weights: np.ndarray
    sigmas: np.ndarray
    deviance: float
    free: np.ndarray
    factor: Factorization

    def variances(self, rows: sparse.sparray) -> np.ndarray:
        """Compute the variances of linear combinations of the unknowns.

        Parameters
        ----------
        rows : sparse array, shape (k, n_columns)
            The combinations; those of levels sum to zero over each component.

        Returns
        -------
        ndarray, shape (k,)
            Their variances.
        """
        return self.factor.variances(rows.tocsc()[:, self.free])


def solve(
    equations: Equations,
    variances: Mapping[str, float],
    widening: float | np.ndarray = 0.0,
) -> Fit:
    """Solve for levels and random effects.

    Parameters
    ----------
    equations : Equations
        The equations.
    variances : mapping of str to float
        Variance component of each random effect; an effect without one is no part of the model.
    widening : float or ndarray, shape (n_pairs,), optional
        More variance of the offsets, (MJy/sr)^2.

    Returns
    -------
    Fit
        The solution.
    """
    n_measured = equations.n_measured
    sigmas = np.sqrt(equations.sigmas**2 + variances.get(MISFIT, 0.0) + widening)
    roots, deviance = _prior(equations, variances)
    deviance += 2.0 * float(np.sum(np.log(sigmas / equations.sigmas)))
    scale = np.append(np.ones(n_measured), np.nan_to_num(roots))
    scale[: len(sigmas)] = equations.sigmas / sigmas
    free = np.flatnonzero(np.isfinite(roots) & np.isnan(equations.fixed))
    columns = equations.design[:, free]
    columns.data *= scale[columns.indices]
    design, values = columns.tocsr(), scale * equations.values
    cutoffs = np.repeat([CUTOFF, PRIOR_CUTOFF], [n_measured, len(values) - n_measured])

    factor, unknowns, residuals = _weighted_solution(columns, design, values, np.ones(len(values)))
    deviance += factor.log_determinant
    for absolute, most in ((True, N_ABSOLUTE), (False, N_BIWEIGHT)):
        for _ in range(most):
            before, weights = residuals, _robust_weights(residuals, cutoffs, absolute=absolute)
            factor, unknowns, residuals = _weighted_solution(columns, design, values, weights)
            if np.abs(residuals - before).max(initial=0.0) < TOLERANCE:
                break
    weights = _robust_weights(residuals, cutoffs, absolute=False)
    costs = cutoffs**2 / 3.0 * (1.0 - np.maximum(1.0 - (residuals / cutoffs) ** 2, 0.0) ** 3)
    every = np.nan_to_num(equations.fixed)
    every[free] = unknowns
    return Fit(
        unknowns=every,
        residuals=residuals[:n_measured],
        weights=np.minimum(weights[:n_measured], 1.0),
        sigmas=sigmas,
        deviance=float(deviance + np.sum(costs)),
        free=free,
        factor=factor,
    )


def _weighted_solution(
    columns: sparse.csc_array, rows: sparse.csr_array, values: np.ndarray, weights: np.ndarray
) -> tuple[Factorization, np.ndarray, np.ndarray]:
    """Solve by weighted least squares, with the design matrix by columns and by rows."""
    weighted = columns.T
    weighted.data = columns.data * weights[columns.indices]
    factor = Factorization(weighted @ rows)
    unknowns = factor.solve(weighted @ values)
    return factor, unknowns, values - rows @ unknowns


def _robust_weights(residuals: np.ndarray, cutoffs: np.ndarray, *, absolute: bool) -> np.ndarray:
    """Give the weights of absolute deviations, or those of the biweight."""
    if absolute:
        return 1.0 / np.maximum(np.abs(residuals), 1.0)
    return np.maximum(1.0 - (residuals / cutoffs) ** 2, 0.0) ** 2 + LEAST_WEIGHT


def _prior(equations: Equations, variances: Mapping[str, float]) -> tuple[np.ndarray, float]:
    """Give the root of the prior precision of each column, NaN for no unknown, and ln |Theta|."""
    roots, volume = np.full(len(equations.fixed), np.nan), 0.0
    roots[equations.columns[PEDESTAL]] = 0.0
    for name, variance in variances.items():
        if name != MISFIT:
            own = equations.columns[name]
            rank = equations.tie_rank if name == PEDESTAL else own.stop - own.start
            roots[own] = 1.0 / np.sqrt(variance)
            volume += rank * float(np.log(variance))
    return roots, volume
