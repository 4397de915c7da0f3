"""Robust regression of the differences of two images on the image's gradient."""

from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.offsets.correlation import CellCorrelation
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
# The same, squared and over the root of the number of values, where Newton's method takes it:
# of its next step little would be left.
NEWTON_TOLERANCE = 0.2
# Values from which start, scale and variance factor are found: 1 % on the scale.
N_SAMPLE = 10000


@dataclass(frozen=True)
class Regression:
    """Coefficients of a robust regression.

    Attributes
    ----------
    coefficients : ndarray, shape (m,)
        Intercept first.
    covariance : ndarray, shape (m, m)
        Their covariance, for the scatter that the values show.
    used : ndarray of bool, shape (n,)
        Which values have any weight.
    response : ndarray, shape (m, m)
        Mean coefficients for true ones: coefficients of regressors with noise
        come out too small.
    residuals : ndarray of float32, shape (n,)
        What is left of the values.
    weights : ndarray of float32, shape (n,)
        What each of them counts, an inverse variance; 0 for outliers.
    """

    coefficients: np.ndarray
    covariance: np.ndarray
    used: np.ndarray
    response: np.ndarray
    residuals: np.ndarray
    weights: np.ndarray


def robust_regression(
    values: np.ndarray,
    regressors: np.ndarray,
    variance: np.ndarray,
    gradient_squared: np.ndarray,
    correlation: CellCorrelation | None = None,
) -> Regression:
    r"""Fit a line through the differences, giving outliers no weight.

    Parameters
    ----------
    values : ndarray of float32, shape (n,)
        What to fit.
    regressors : ndarray of float32, shape (m, n)
        What to fit it with beside a constant; m may be 0.
    variance : ndarray of float32, shape (n,)
        Relative variance of the values.
    gradient_squared : ndarray of float32, shape (n,)
        Squared gradient of the image; variance that grows with it
        (misalignment in detail, undersampled stars) is measured and added.
    correlation : CellCorrelation, optional
        Correlation of the values' noise, and where they are; by default they
        are independent.

    Returns
    -------
    Regression
        Coefficients, that of the constant first, and covariance.

    Notes
    -----
    Weighted least squares, iterated first with Huber's weights from a median
    start while the scale is found, then with the biweight's at fixed scale [1]_.
    The first part needs no more than a sample of the values. The covariance is
    that of an M-estimator, :math:`H^{-1} (\sum \psi^2 x x^T / v) H^{-1}` with
    the Hessian :math:`H = \sum \psi' x x^T / v`; the sum in the middle also runs
    over pairs of correlated values. The gradients have noise of their own,
    which adds N to the diagonal of H; the response is
    :math:`R = H^{-1} (H - N)` [2]_.

    References
    ----------
    .. [1] Holland & Welsch 1977, Communications in Statistics A6, 813,
       doi:10.1080/03610927708827533
    .. [2] Fuller 1987, Measurement Error Models, Wiley, section 2.2
    """
    correlation = correlation or CellCorrelation.none(values.size)
    sample = np.s_[:: max(values.size // N_SAMPLE, 1)]
    # The regressors are small numbers beside the values; a common level that is
    # taken out first leaves nothing for single precision to lose.
    level = np.median(values[sample])
    values = values - level
    start, scale, variance_factor = _start(
        values[sample], regressors[:, sample], variance[sample], gradient_squared[sample]
    )
    factor = variance_factor(gradient_squared)
    whitened, design = _whiten(values, regressors, variance * factor)
    if scale == 0.0:  # more than half of the values are fitted exactly
        residual = _residual(whitened, design, start)
        shown = design.any(axis=1)  # a regressor that is zero everywhere has no coefficient
        fit = Regression(
            coefficients=start,
            covariance=np.zeros((len(start),) * 2),
            used=residual == 0,
            response=np.diag(shown.astype(float)),
            residuals=residual / design[0],
            weights=np.where(residual == 0, np.square(design[0]), 0),
        )
    else:
        fit = _biweight_regression(whitened, design, factor, start, scale, correlation)
    fit.coefficients[0] += level
    return fit


def _start(
    values: np.ndarray, regressors: np.ndarray, variance: np.ndarray, gradient_squared: np.ndarray
) -> tuple[np.ndarray, float, VarianceFactor]:
    """Find coefficients, scale and variance factor from some of the values."""
    coefficients, factor = np.zeros(len(regressors) + 1), FLAT
    unweighted = np.concatenate([np.ones_like(values)[None], regressors])
    for _ in range(2):
        whitened = _whiten(values, regressors, variance * factor(gradient_squared))
        coefficients = _huber_regression(*whitened, coefficients)
        residual = _residual(values, unweighted, coefficients)
        factor = measure_factor(residual, variance, gradient_squared)
    whitened = _whiten(values, regressors, variance * factor(gradient_squared))
    return coefficients, scale_of(_residual(*whitened, coefficients)), factor


def _whiten(
    values: np.ndarray, regressors: np.ndarray, variance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Divide values and all columns, the constant first, by the expected scatter."""
    precision = 1.0 / np.sqrt(variance)
    design = np.empty((len(regressors) + 1, values.size), dtype=values.dtype)
    design[0] = precision
    np.multiply(regressors, precision, out=design[1:])
    return values * precision, design


def _residual(values: np.ndarray, design: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    return values - coefficients.astype(values.dtype) @ design


def _huber_regression(
    values: np.ndarray, design: np.ndarray, coefficients: np.ndarray
) -> np.ndarray:
    """Iterate Huber's weights to a third of the errors."""
    for _ in range(30):
        residual = _residual(values, design, coefficients)
        scale = scale_of(residual)
        if scale == 0.0:
            break
        weights = 1.5 * scale / np.maximum(np.abs(residual), 1.5 * scale)
        normal = _products(design * weights, design)
        step = _solve(normal, (design * weights) @ residual)
        coefficients = coefficients + step
        if step @ normal @ step <= (0.3 * scale) ** 2:
            break
    return coefficients


def _biweight_regression(
    values: np.ndarray,
    design: np.ndarray,
    factor: np.ndarray,
    coefficients: np.ndarray,
    scale: float,
    correlation: CellCorrelation,
) -> Regression:
    """Iterate the biweight at fixed scale, from a start within a few sigma."""
    for _ in range(30):
        residual = _residual(values, design, coefficients)
        inside = np.square(residual / np.float32(CUTOFF * scale))
        np.subtract(np.float32(1.0), inside, out=inside)
        np.maximum(inside, np.float32(0.0), out=inside)
        psi = design * (np.square(inside) * residual)
        # With u^2 = 1 - inside: psi' = (1 - u^2) (1 - 5 u^2).
        psi_slope = inside * (np.float32(5.0) * inside - np.float32(4.0))
        hessian, psi_products = _products(design * psi_slope, design), _products(psi, psi)
        # Newton's step, or that of reweighting where the Hessian is not safely positive.
        newton = np.all(np.diag(hessian) * scale**2 > 0.3 * np.diag(psi_products))
        normal = hessian if newton else _products(design * np.square(inside), design)
        step = _solve(normal, psi.sum(axis=1, dtype=float))
        coefficients = coefficients + step
        size_squared = step @ normal @ step / scale**2  # in units of the errors
        # Newton's next step would be to this one as this one to the scatter of a value.
        if size_squared <= max(TOLERANCE**2, newton * NEWTON_TOLERANCE * np.sqrt(values.size)):
            break
    inverse = np.linalg.pinv(hessian)
    gradient_noise = np.full(len(design), float((psi_slope / factor).sum()))
    gradient_noise *= GRADIENT_NOISE * scale**2
    gradient_noise[0] = 0.0
    used = inside > 0.0
    psi_products = _with_neighbours(psi_products, design * used, correlation)
    return Regression(
        coefficients=coefficients,
        covariance=inverse @ psi_products @ inverse,
        used=used,
        response=np.eye(len(design)) - inverse * gradient_noise,
        residuals=residual / design[0],
        weights=np.square(design[0] * inside),
    )


def _with_neighbours(
    products: np.ndarray, design: np.ndarray, correlation: CellCorrelation
) -> np.ndarray:
    """Add to a sum over cells that over pairs of neighbours.

    Both sums without the residuals tell by what factors the one grows by the other.
    They are applied in the base where the first is the unit matrix, so that the result
    is positive although steep cells may scatter less than expected.
    """
    if correlation.of_mean == 1.0:
        return products
    alone, between = correlation.products(design)
    try:
        base, root = np.linalg.cholesky(alone), np.linalg.cholesky(products)
    except np.linalg.LinAlgError:  # a regressor is zero everywhere
        return products * correlation.of_mean
    root = root @ np.linalg.inv(base)
    return root @ (alone + between) @ root.T


def _solve(normal: np.ndarray, score: np.ndarray) -> np.ndarray:
    # So little more on the diagonal keeps a regressor at zero that is zero everywhere.
    ridge = 1e-14 * np.max(np.diag(normal)) + np.finfo(float).tiny
    return np.linalg.solve(normal + ridge * np.eye(len(normal)), score)


def _products(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Sum the products of all pairs of columns; for so few faster than a matrix product."""
    return np.einsum("an,bn->ab", first, second).astype(float)
