"""Robust regression of the differences of two images on the image's gradient."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Regression", "drizzle_correlation", "gradient", "robust_regression"]

# The biweight's cutoff in sigma: 6 median absolute deviations.
CUTOFF = 4.05
GAUSSIAN_MAD = 0.6744897501960817
# Bins of the gradient in which excess scatter is looked for.
N_BINS = 8
# Variance of the gradient (the stencil in `_slope`) of the mean of two images, over
# that of their difference.
GRADIENT_NOISE = 2 * ((2 / 3) ** 2 + (1 / 12) ** 2) / 4
# Values from which start, scale and excess are found: 1 % on the scale.
N_SAMPLE = 15000


@dataclass(frozen=True)
class Regression:
    """Coefficients of a robust regression.

    Attributes
    ----------
    coefficients : ndarray, shape (m,)
        Intercept first.
    covariance : ndarray, shape (m, m)
        Their covariance if the values were independent with the scatter that
        they show.
    used : ndarray of bool, shape (n,)
        Which values have any weight.
    response : ndarray, shape (m, m)
        Mean coefficients for true ones: coefficients of regressors with noise
        come out too small.
    """

    coefficients: np.ndarray
    covariance: np.ndarray
    used: np.ndarray
    response: np.ndarray


def drizzle_correlation(pixels_per_cell):
    r"""Find by how much drizzle hides the variance of a mean.

    Parameters
    ----------
    pixels_per_cell : float
        Number of native pixels in the area of a cell.

    Returns
    -------
    float
        Variance of the mean over many cells, over that of independent cells
        with the same scatter.

    Notes
    -----
    A pixel is shared by the cells that it overlaps. With square pixels and
    cells, r pixels long, at random phase, the overlaps f along one axis have
    :math:`\sum f = r` and :math:`\langle\sum f^2\rangle = r - 1/3` (r >= 1) or
    :math:`r^2 - r^3/3` (r < 1); the ratio is
    :math:`(\sum f / \sum f^2)^2` for both axes together [1]_.

    References
    ----------
    .. [1] Fruchter & Hook 2002, PASP 114, 144, doi:10.1086/338393, section 7
    """
    r = np.sqrt(pixels_per_cell)
    squares = r - 1.0 / 3.0 if r >= 1 else r**2 - r**3 / 3.0
    return float((r / squares) ** 2)


def gradient(image):
    """Differentiate an image that has holes.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        The image; NaN where unknown.

    Returns
    -------
    along_x, along_y : ndarray, shape (ny, nx)
        Change per cell, to fourth order; central or one-sided differences
        beside a hole, zero where both neighbours are unknown; NaN where the
        image is.
    """
    hole = np.isnan(image)
    slopes = _slope(image, 1), _slope(image, 0)
    for slope in slopes:
        slope[hole] = np.nan
    return slopes


def _slope(image, axis):
    # Central differences alone miss a sixth of the slope of a star as narrow as
    # a cell, and so much of its displacement would be left over.
    padding = [(2, 2) if k == axis else (0, 0) for k in (0, 1)]
    padded = np.pad(image, padding, constant_values=np.nan)
    size = image.shape[axis]
    far_low, low, high, far_high = (
        padded[(slice(None),) * axis + (slice(2 + k, 2 + k + size),)] for k in (-2, -1, 1, 2)
    )
    slope = (high - low) * np.float32(2 / 3) - (far_high - far_low) * np.float32(1 / 12)
    for ahead, behind, length in ((high, low, 2), (high, image, 1), (image, low, 1)):
        missing = np.isnan(slope)
        slope[missing] = (ahead[missing] - behind[missing]) / length
    return np.nan_to_num(slope, copy=False)


def robust_regression(values, regressors, variance, steepness):
    r"""Fit a line through the differences, giving outliers no weight.

    Parameters
    ----------
    values : ndarray, shape (n,)
        What to fit.
    regressors : ndarray, shape (m, n)
        What to fit it with beside a constant; m may be 0.
    variance : ndarray, shape (n,)
        Relative variance of the values.
    steepness : ndarray, shape (n,)
        Squared gradient of the image; variance that grows with it
        (misalignment in detail, undersampled stars) is measured and added.

    Returns
    -------
    Regression
        Coefficients, that of the constant first, and covariance.

    Notes
    -----
    Weighted least squares, iterated first with Huber's weights from a median
    start while the scale is found, then with the biweight's at fixed scale [1]_.
    The first part needs no more than a sample of the values. The covariance is
    that of an M-estimator, :math:`M^{-1} (\sum \psi^2 x x^T / v) M^{-1}` with
    :math:`M = \sum \psi' x x^T / v`. The gradients have noise of their own,
    which adds N to the diagonal of M; the response is :math:`M^{-1} (M - N)`
    [2]_.

    References
    ----------
    .. [1] Holland & Welsch 1977, Communications in Statistics A6, 813,
       doi:10.1080/03610927708827533
    .. [2] Fuller 1987, Measurement Error Models, Wiley, section 2.2
    """
    sample = np.s_[:: max(values.size // N_SAMPLE, 1)]
    # The regressors are small numbers beside the values; a common level that is
    # taken out first leaves nothing for single precision to lose.
    start = float(np.median(values[sample]))
    start = np.array([start] + [0.0] * len(regressors))
    excess = _FLAT
    some = values[sample], regressors[:, sample], variance[sample]
    for _ in range(2):
        start, scale = _huber(some[0], some[1], some[2] * excess(steepness[sample]), start)
        excess = _measure_excess(_residual(*some, start), steepness[sample], excess)
    excess = excess(steepness)
    variance = variance * excess
    coefficients = _biweight(values, regressors, variance, start, scale)
    residual = _residual(values, regressors, variance, coefficients)
    if scale == 0.0:  # more than half of the values are fitted exactly
        m = len(coefficients)
        return Regression(coefficients, np.zeros((m, m)), residual == 0.0, np.eye(m))
    return _with_covariance(coefficients, regressors, variance, residual, scale, excess)


@dataclass(frozen=True)
class _Excess:
    """Factor on the variance as a function of the squared gradient."""

    steepness: np.ndarray
    factor: np.ndarray

    def __call__(self, steepness):
        if not np.any(self.factor > 1.0):
            return np.float32(1.0)
        return np.interp(steepness, self.steepness, self.factor).astype(np.float32)


_FLAT = _Excess(np.zeros(1), np.ones(1))


def _measure_excess(residual, steepness, known):
    """Find where steep cells scatter more than flat ones."""
    per_bin = residual.size // N_BINS
    if per_bin < 30:
        return known
    bins = np.array_split(np.argsort(steepness, kind="stable"), N_BINS)
    ratio = np.abs(residual)
    scatter = np.array([np.median(ratio[b]) for b in bins]) ** 2
    base = np.median(scatter[: N_BINS // 2])
    if base == 0.0:
        return known
    factor = np.maximum.accumulate(np.maximum(scatter / base, 1.0))
    # Within the noise of the medians there is no excess.
    factor[factor < 1.0 + 6.0 / np.sqrt(per_bin)] = 1.0
    return _Excess(np.array([np.median(steepness[b]) for b in bins], dtype=float), factor)


def _residual(values, regressors, variance, coefficients):
    """Residual in units of the expected scatter."""
    residual = values - values.dtype.type(coefficients[0])
    for column, coefficient in zip(regressors, coefficients[1:], strict=True):
        residual -= column * values.dtype.type(coefficient)
    residual /= np.sqrt(variance)
    return residual


def _scale(residual):
    return float(np.median(np.abs(residual))) / GAUSSIAN_MAD


def _huber(values, regressors, variance, coefficients):
    """Find coefficients and scale."""
    for _ in range(30):
        residual = _residual(values, regressors, variance, coefficients)
        scale = _scale(residual)
        if scale == 0.0:
            break
        weights = 1.5 / np.maximum(np.abs(residual) / scale, 1.5)
        step, small = _newton(regressors, variance, weights, residual, scale)
        coefficients = coefficients + step
        if small:
            break
    return coefficients, scale


def _biweight(values, regressors, variance, coefficients, scale):
    """Iterate the biweight at fixed scale."""
    for _ in range(30 if scale > 0.0 else 0):
        residual = _residual(values, regressors, variance, coefficients)
        weights = np.maximum(1.0 - (residual / np.float32(CUTOFF * scale)) ** 2, 0.0) ** 2
        step, small = _newton(regressors, variance, weights, residual, scale)
        coefficients = coefficients + step
        if small:
            break
    return coefficients


def _newton(regressors, variance, weights, residual, scale):
    """Find the next step, and tell whether it is within a thirtieth of the errors."""
    normal = _products(regressors, weights / variance)
    weighted = weights * residual / np.sqrt(variance)
    gain = np.array([_sum(weighted), *(_sum(weighted * column) for column in regressors)])
    step = np.linalg.lstsq(normal, gain, rcond=1e-12)[0]
    return step, bool(np.all(step**2 * np.diag(normal) <= (0.03 * scale) ** 2))


def _products(regressors, weights):
    """Sum the products of all pairs of columns, the constant first."""
    m = len(regressors) + 1
    products = np.empty((m, m))
    for i in range(m):
        weighted = weights if i == 0 else weights * regressors[i - 1]
        for j in range(i, m):
            term = weighted if j == 0 else weighted * regressors[j - 1]
            products[i, j] = products[j, i] = _sum(term)
    return products


def _sum(values):
    return values.sum(dtype=np.float64)


def _with_covariance(coefficients, regressors, variance, residual, scale, excess):
    u2 = (residual / np.float32(CUTOFF * scale)) ** 2
    inside = np.maximum(1.0 - u2, 0.0)
    psi2 = residual**2 * inside**4
    slope = inside * (1.0 - 5.0 * u2)
    bread = np.linalg.pinv(_products(regressors, slope / variance))
    meat = _products(regressors, psi2 / variance)
    noise = np.full(len(coefficients), GRADIENT_NOISE * scale**2 * _sum(slope / excess))
    noise[0] = 0.0
    response = np.eye(len(noise)) - bread * noise
    return Regression(coefficients, bread @ meat @ bread, inside > 0.0, response)
