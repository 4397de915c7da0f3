"""Robust regression of the differences of two images on the gradient of their mean."""

from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.tiles.gradient import GRADIENT_NOISE
from jwst_mosaic_skymatch.tiles.scatter import (
    CUTOFF,
    FLAT,
    VarianceFactor,
    measure_factor,
    scale_of,
)

__all__ = ["Regression", "robust_regression"]

# A step of this fraction of the errors ends an iteration.
TOLERANCE = 0.03
# The same, squared and over the root of the number of values, for a step of Newton's method,
# after which the next would be of the square of its size.
NEWTON_TOLERANCE = 0.2
# Steps with Huber's weights: the start is within a third of the errors after that.
N_HUBER = 6
# Values from which scale and variance factor are measured: 1 % on the scale.
N_SAMPLE = 10000
# Least scale in units of the quoted errors: data without noise have none.
LEAST_SCALE = 1e-12


@dataclass(frozen=True)
class Regression:
    r"""Coefficients of a robust regression, and the terms of its estimating equation.

    Attributes
    ----------
    coefficients : ndarray, shape (m,)
        Intercept first.
    covariance : ndarray, shape (m, m)
        Their covariance by the scatter of the values, which count as independent.
    response : ndarray, shape (m, m)
        Mean coefficients for unit true ones: noise of the regressors attenuates them.
    score, curvature : ndarray of float32, shape (n,)
        :math:`\psi(r) / v` and :math:`\psi'(r) / v` of each value with residual r; the sums over
        any part of the values are a step of Newton's method for a term constant over that part.
    scale : float
        Standard deviation of the residuals in units of the errors of the values.
    excess : tuple of float
        Share of the values above, and below, the cutoff.
    asymmetry : float
        Intercept minus that with half the cutoff. Contamination of one sign with a constant
        density biases the one four times as much as the other.
    """

    coefficients: np.ndarray
    covariance: np.ndarray
    response: np.ndarray
    score: np.ndarray
    curvature: np.ndarray
    scale: float
    excess: tuple[float, float]
    asymmetry: float


def robust_regression(
    values: np.ndarray,
    regressors: np.ndarray,
    variance: np.ndarray,
    gradient_squared: np.ndarray,
) -> Regression:
    r"""Regress values that scatter about zero, with no weight for outliers.

    Parameters
    ----------
    values : ndarray of float32, shape (n,)
        Dependent variable; its median is within a few standard deviations of zero.
    regressors : ndarray of float32, shape (m, n)
        Regressors beside a constant; m may be 0.
    variance : ndarray of float32, shape (n,)
        Relative variance of the values.
    gradient_squared : ndarray of float32, shape (n,)
        Squared gradient of the image; variance that grows with it (misalignment in detail,
        undersampled stars) is measured and added.

    Returns
    -------
    Regression
        Coefficients, that of the constant first, and their covariance.

    Notes
    -----
    An M-estimate with Huber's weights, from which scale and variance factor follow, starts one
    with the biweight at that scale, by Newton's method [1]_. Its
    covariance is :math:`H^{-1} (\sum \psi^2 x x^T / v) H^{-1}` with the Hessian
    :math:`H = \sum \psi' x x^T / v`. The gradients have noise of their own, which adds N to the
    diagonal of H; the response is :math:`R = H^{-1} (H - N)` [2]_.

    References
    ----------
    .. [1] Holland & Welsch 1977, Communications in Statistics A6, 813,
       doi:10.1080/03610927708827533
    .. [2] Fuller 1987, Measurement Error Models, Wiley, section 2.2
    """
    sample = np.s_[:: max(values.size // N_SAMPLE, 1)]
    coefficients, factor = _start(
        values[sample], regressors[:, sample], variance[sample], gradient_squared[sample]
    )
    factors = factor(gradient_squared)
    precision = 1.0 / np.sqrt(variance * factors)
    whitened, design = values * precision, _design(regressors, precision)
    residual = whitened[sample] - coefficients.astype(np.float32) @ design[:, sample]
    scale = max(scale_of(residual), LEAST_SCALE)
    for _ in range(30):
        residual = whitened - coefficients.astype(np.float32) @ design
        inside = np.square(residual / np.float32(CUTOFF * scale))
        np.subtract(np.float32(1.0), inside, out=inside)
        np.maximum(inside, np.float32(0.0), out=inside)
        weight = np.square(inside)
        psi = weight * residual
        # With u^2 = 1 - inside: psi' = (1 - u^2) (1 - 5 u^2).
        psi_slope = inside * (np.float32(5.0) * inside - np.float32(4.0))
        hessian, psi_products = _products(design * psi_slope, design), _products(design * psi)
        # Newton's step, or that of reweighting where the Hessian is not safely positive.
        newton = np.all(np.diag(hessian) * scale**2 > 0.3 * np.diag(psi_products))
        normal = hessian if newton else _products(design * weight, design)
        step = _solve(normal, (design @ psi).astype(float))
        coefficients = coefficients + step
        size_squared = step @ normal @ step / scale**2  # in units of the errors
        if size_squared <= max(TOLERANCE**2, newton * NEWTON_TOLERANCE * np.sqrt(values.size)):
            break
    inverse = np.linalg.pinv(hessian)
    gradient_noise = np.full(len(design), float((psi_slope / factors).sum()))
    gradient_noise *= GRADIENT_NOISE * scale**2
    gradient_noise[0] = 0.0
    # One step of Newton's method towards the intercept with half the cutoff.
    half = np.maximum(
        np.float32(1.0) - np.float32(4.0) * (np.float32(1.0) - inside), np.float32(0.0)
    )
    half_slope = half * (np.float32(5.0) * half - np.float32(4.0)) * np.square(precision)
    asymmetry = -float((np.square(half) * residual * precision).sum()) / float(half_slope.sum())
    outside = residual[inside == 0.0]
    above = np.count_nonzero(outside > 0)
    return Regression(
        coefficients=coefficients,
        covariance=inverse @ psi_products @ inverse,
        response=np.eye(len(design)) - inverse * gradient_noise,
        score=psi * precision,
        curvature=psi_slope * np.square(precision),
        scale=float(scale),
        excess=(above / values.size, (outside.size - above) / values.size),
        asymmetry=asymmetry,
    )


def _start(
    values: np.ndarray, regressors: np.ndarray, variance: np.ndarray, gradient_squared: np.ndarray
) -> tuple[np.ndarray, VarianceFactor]:
    """Estimate coefficients and variance factor with Huber's weights, from some of the values."""
    factor = FLAT
    for _ in range(2):
        precision = 1.0 / np.sqrt(variance * factor(gradient_squared))
        design = _design(regressors, precision)
        coefficients = np.zeros(len(design))
        coefficients[0] = np.median(values)
        for _ in range(N_HUBER):
            residual = values * precision - coefficients.astype(np.float32) @ design
            scale = max(1.5 * scale_of(residual), LEAST_SCALE)
            weighted = design * (scale / np.maximum(np.abs(residual), scale))
            coefficients += _solve(_products(weighted, design), (weighted @ residual).astype(float))
        residual = values - (coefficients.astype(np.float32) @ design) / precision
        factor = measure_factor(residual, variance, gradient_squared)
    return coefficients, factor


def _design(regressors: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """Divide all columns, the constant first, by the errors of the values."""
    return np.concatenate([precision[None], regressors * precision])


def _solve(normal: np.ndarray, score: np.ndarray) -> np.ndarray:
    # So little more on the diagonal keeps a regressor at zero that is zero everywhere.
    ridge = 1e-14 * np.max(np.diag(normal)) + np.finfo(float).tiny
    return np.linalg.solve(normal + ridge * np.eye(len(normal)), score)


def _products(first: np.ndarray, second: np.ndarray | None = None) -> np.ndarray:
    """Sum the products of all pairs of rows; for so few rows faster than a matrix product."""
    return np.einsum("an,bn->ab", first, first if second is None else second).astype(float)
