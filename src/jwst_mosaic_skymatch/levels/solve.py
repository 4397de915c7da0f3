"""Robust solution of the mixed model at given variances, and its covariance."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from jwst_mosaic_skymatch.levels.equations import EFFECTS, Equations

__all__ = ["CUTOFF", "MISFIT", "PEDESTAL", "Fit", "solve"]

#: Residual, in its errors, from which on a row counts nothing.
CUTOFF = 6.0
#: Names of the variances of pedestals of detectors, and of offsets beside their errors: real skies
#: do not close within noise.
PEDESTAL, MISFIT = "pedestal", "misfit"
# Solutions with absolute deviations, and with the biweight.
N_ABSOLUTE, N_BIWEIGHT = 6, 3
# Weight of a row that disagrees with all others: zero would cut the graph.
LEAST_WEIGHT = 1e-6
# Right-hand sides that are solved for at a time.
BATCH = 256


@dataclass(frozen=True)
class Fit:
    """Solution of the model at given variances.

    Attributes
    ----------
    unknowns : ndarray, shape (n_columns,)
        Levels, with one of each component at zero, and predictions of the random effects, which
        are zero where an effect has no variance.
    residuals : ndarray, shape (n_rows,)
        Residuals in their errors.
    weights : ndarray, shape (n_rows,)
        Robust weights, 0 to 1.
    sigmas : ndarray, shape (n_pairs,)
        Errors of the offsets, MJy/sr.
    deviance : float
        Minus twice the logarithm of the restricted likelihood, up to a constant.
    factor : object
        Factorization of the normal matrix of the free columns (`scipy.sparse.linalg.splu`).
    free : ndarray of int
        Columns that are solved for.
    """

    unknowns: np.ndarray
    residuals: np.ndarray
    weights: np.ndarray
    sigmas: np.ndarray
    deviance: float
    factor: object
    free: np.ndarray

    def covariances(self, rows: sparse.csr_array) -> np.ndarray:
        """Compute the variance of linear combinations of the unknowns.

        Parameters
        ----------
        rows : sparse array, shape (k, n_columns)
            The combinations; those of levels sum to zero over each component.

        Returns
        -------
        ndarray, shape (k,)
            Their variances.
        """
        return self.variances_of(rows.tocsc()[:, self.free].tocsr())

    def variances_of(self, rows: sparse.csr_array) -> np.ndarray:
        """Compute the same for combinations of the free unknowns alone.

        Parameters
        ----------
        rows : sparse array, shape (k, n_free)
            The combinations.

        Returns
        -------
        ndarray, shape (k,)
            Their variances.
        """
        variances, rows = np.zeros(rows.shape[0]), rows.tocsr()
        for start in range(0, len(variances), BATCH):
            batch = rows[start : start + BATCH].toarray().T
            variances[start : start + BATCH] = np.sum(batch * self.factor.solve(batch), axis=0)
        return variances


def solve(
    equations: Equations,
    variances: Mapping[str, float],
    widening: float | np.ndarray = 0.0,
    *,
    robust: bool = True,
) -> Fit:
    r"""Solve for levels and random effects.

    Parameters
    ----------
    equations : Equations
        The equations.
    variances : mapping of str to float
        Variance component of each random effect; an effect without one is no part of the model.
    widening : float or ndarray, shape (n_pairs,), optional
        More variance of the offsets, (MJy/sr)^2.
    robust : bool, optional
        Whether to iterate weights; else all rows have unit weight.

    Returns
    -------
    Fit
        The solution.

    Notes
    -----
    Henderson's mixed model equations [1]_, :math:`C (b, u) = (X, U)^T R^{-1} y` with
    :math:`C = (X, U)^T R^{-1} (X, U) + \mathrm{diag}(0, \Theta^{-1})`, iterated with weights of
    rows: first those of least absolute deviations, then the biweight's. The restricted
    likelihood [2]_ is

    .. math:: -2 \ln L = \ln |\Theta| + \ln |C| + \sum \rho(r) + u^T \Theta^{-1} u

    with the :math:`\rho` of the biweight in place of the squares of the residuals r.

    References
    ----------
    .. [1] Henderson 1975, Biometrics 31, 423, doi:10.2307/2529430
    .. [2] Patterson & Thompson 1971, Biometrika 58, 545, doi:10.1093/biomet/58.3.545
    """
    precision, volume = _prior(equations, variances)
    sigmas = np.sqrt(equations.sigmas**2 + variances.get(MISFIT, 0.0) + widening)
    volume += 2.0 * float(np.sum(np.log(sigmas / equations.sigmas)))
    scale = np.ones(len(equations.values))
    scale[equations.offset_rows] = equations.sigmas / sigmas
    values = scale * equations.values
    active = np.isfinite(precision)
    active[_fixed(equations)] = False
    free = np.flatnonzero(active)
    design = (sparse.diags_array(scale) @ equations.design).tocsc()[:, free].tocsr()
    prior = sparse.diags_array(precision[free])
    if variances.get(PEDESTAL):
        prior = prior + _padded(equations.ties / variances[PEDESTAL], len(precision))[free][:, free]
    weights, unknowns = np.ones(len(equations.values)), np.zeros(free.size)
    for k in range(N_ABSOLUTE + N_BIWEIGHT):
        weighted = (design.T @ sparse.diags_array(weights)).tocsr()
        factor = _factorize(weighted @ design + prior)
        if k == 0:
            volume += _log_determinant(factor)
        unknowns = factor.solve(weighted @ values)
        residuals = values - design @ unknowns
        if not robust:
            break
        size = np.abs(residuals)
        inside = np.maximum(1.0 - (size / CUTOFF) ** 2, 0.0)
        weights = 1.0 / np.maximum(size, 1.0) if k < N_ABSOLUTE - 1 else inside**2 + LEAST_WEIGHT
    inside = np.maximum(1.0 - (residuals / CUTOFF) ** 2, 0.0)
    volume += np.sum(CUTOFF**2 / 3.0 * (1.0 - inside**3)) + unknowns @ (prior @ unknowns)
    every = np.zeros(len(precision))
    every[: equations.n_levels] = np.nan_to_num(equations.held)
    every[free] = unknowns
    return Fit(every, residuals, np.minimum(weights, 1.0), sigmas, float(volume), factor, free)


def _fixed(equations: Equations) -> np.ndarray:
    """List the levels that are not solved for: those held, and one of each other component."""
    held = np.isfinite(equations.held)
    first = np.unique(equations.parts, return_index=True)[1]
    anchored = np.isin(equations.parts[first], equations.parts[held])
    return np.concatenate([np.flatnonzero(held), first[~anchored]])


def _prior(equations: Equations, variances: Mapping[str, float]) -> tuple[np.ndarray, float]:
    """Give the prior precision of all columns, infinite for no part of the model, and ln |Theta|."""
    precision = np.zeros(equations.design.shape[1])
    volume = 0.0
    for name in EFFECTS:
        variance = variances.get(name, 0.0)
        own = equations.columns[name]
        precision[own] = 1.0 / variance if variance else np.inf
        volume += (own.stop - own.start) * np.log(variance) if variance else 0.0
    if variances.get(PEDESTAL):
        volume += equations.ties.trace() * np.log(variances[PEDESTAL])
    return precision, volume


def _padded(matrix: sparse.csr_array, n: int) -> sparse.csr_array:
    padded = matrix.tocoo()
    return sparse.coo_array((padded.data, (padded.row, padded.col)), shape=(n, n)).tocsr()


def _factorize(normal: sparse.sparray) -> object:
    return splu(
        normal.tocsc(),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )


def _log_determinant(factor: object) -> float:
    return float(np.sum(np.log(np.abs(factor.U.diagonal()))))
