"""Robust regression of the differences of two images on the image's gradient."""

from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.correlation import CellCorrelation
from jwst_mosaic_skymatch.gradient import GRADIENT_NOISE
from jwst_mosaic_skymatch.noise import look_up
from jwst_mosaic_skymatch.scatter import FLAT, Shares, upper_median
from jwst_mosaic_skymatch.statistic import GAUSSIAN_MAD

__all__ = ["CUTOFF", "Regression", "robust_regression"]

# The biweight's cutoff in sigma: 6 median absolute deviations.
CUTOFF = 4.05
# A step of this fraction of the errors ends an iteration.
TOLERANCE = 0.03
# The same for the estimate of Newton's next step, of which little is left where outliers
# on one side balance those on the other.
NEWTON_TOLERANCE = 0.2
# Values from which start, scale and excess are found: 1 % on the scale.
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
    """

    coefficients: np.ndarray
    covariance: np.ndarray
    used: np.ndarray
    response: np.ndarray


def robust_regression(values, regressors, variance, steepness, correlation=None):
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
    that of an M-estimator, :math:`M^{-1} (\sum \psi^2 x x^T / v) M^{-1}` with
    :math:`M = \sum \psi' x x^T / v`; the sum in the middle also runs over pairs
    of correlated values. The gradients have noise of their own,
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
    level = np.median(values[sample])
    values = values - level
    some = values[sample], regressors[:, sample], variance[sample]
    plain, bins = _whiten(*some), Shares.of(steepness[sample])
    found, excess = np.zeros(len(regressors) + 1), FLAT
    for tolerance in (0.3, 0.3, TOLERANCE):
        whitened = _whiten(*some[:2], some[2] * excess(steepness[sample]))
        found, scale = _huber(*whitened, found, tolerance)
        if tolerance > TOLERANCE:
            excess = bins.excess(_residual(*plain, found), some[2])
    correlation = correlation or CellCorrelation.none(values.size)
    data = _Data(values, regressors, variance, steepness, excess.table, correlation)
    if scale == 0.0:  # more than half of the values are fitted exactly
        nothing = np.zeros((len(found),) * 2)
        fit = Regression(found, nothing, data.exact(found), np.eye(len(found)))
    else:
        fit = _biweight(data, found, scale)
    fit.coefficients[0] += level
    return fit


def _whiten(values, regressors, variance):
    """Divide values and all columns, the constant first, by the expected scatter."""
    precision = 1.0 / np.sqrt(variance)
    design = np.empty((len(regressors) + 1, values.size), dtype=values.dtype)
    design[0] = precision
    np.multiply(regressors, precision, out=design[1:])
    return values * precision, design


def _residual(values, design, coefficients):
    residual = values.copy()
    for column, coefficient in zip(design, coefficients, strict=True):
        residual -= column * values.dtype.type(coefficient)
    return residual


def _huber(values, design, coefficients, tolerance):
    """Find coefficients and scale."""
    for _ in range(30):
        residual = _residual(values, design, coefficients)
        size = np.abs(residual)
        scale = float(upper_median(size)) / GAUSSIAN_MAD
        if scale == 0.0:
            break
        weights = np.float32(1.5 * scale) / np.maximum(size, np.float32(1.5 * scale))
        normal = _products(design, weights)
        step = _solve(normal, _gain(design, weights * residual))
        coefficients = coefficients + step
        if _small(step, normal, scale, tolerance):
            break
    return coefficients, scale


@dataclass(frozen=True)
class _Data:
    """What is fitted, gone through in pieces that fit a processor's cache."""

    values: np.ndarray
    regressors: np.ndarray
    variance: np.ndarray
    steepness: np.ndarray
    table: np.ndarray  # of the excess variance
    correlation: CellCorrelation

    def pieces(self, coefficients):
        """Yield position, whitened design, residuals, excess, and places in the grid."""
        for piece, known in self.correlation.pieces():
            excess = look_up(self.table, self.steepness[piece])
            values, design = _whiten(
                self.values[piece], self.regressors[:, piece], self.variance[piece] * excess
            )
            yield piece, design, _residual(values, design, coefficients), excess, known

    def normal_matrix(self, coefficients, scale):
        """Normal matrix with the biweight's weights."""
        return sum(
            _products(design, _biweight_shape(residual, scale)[0] ** 2)
            for _, design, residual, *_ in self.pieces(coefficients)
        )

    def exact(self, coefficients):
        """Tell which values are met exactly."""
        return np.concatenate([r == 0 for _, _, r, *_ in self.pieces(coefficients)])


def _biweight(data, coefficients, scale):
    """Iterate the biweight at fixed scale, from a start within a few sigma."""
    m, n = len(coefficients), data.values.size
    used = np.empty(n, dtype=bool)
    for _ in range(30):
        bread, meat, gain = np.zeros((m, m)), np.zeros((m, m)), np.zeros(m)
        of_gradients, columns = 0.0, []
        for piece, design, residual, excess, known in data.pieces(coefficients):
            inside, u2 = _biweight_shape(residual, scale)
            psi, slope = inside * inside * residual, _psi_slope(inside, u2)
            bread += _products(design, slope)
            meat += _products(design, psi * psi)
            gain += _gain(design, psi)
            of_gradients += _sum(slope / excess)
            np.greater(inside, 0.0, out=used[piece])
            design *= used[piece]
            columns.append((design, known))
        # Newton's matrix, or that of reweighting if it is not safely positive.
        newton = np.all(np.diag(bread) * scale**2 > 0.3 * np.diag(meat))
        normal = bread if newton else data.normal_matrix(coefficients, scale)
        step = _solve(normal, gain)
        coefficients = coefficients + step
        size2 = step @ normal @ step / scale**2  # in units of the errors
        # Newton's next step would be to this one as this one to the scatter of a value.
        if size2 <= TOLERANCE**2 or (newton and size2 <= NEWTON_TOLERANCE * np.sqrt(n)):
            break
    alone = sum(design @ design.T for design, _ in columns)
    between = sum(data.correlation.between(*piece) for piece in columns)
    meat = _with_neighbours(meat, alone, between, data.correlation.of_mean)
    bread = np.linalg.pinv(bread)
    noise = np.full(m, GRADIENT_NOISE * scale**2 * of_gradients)
    noise[0] = 0.0
    return Regression(coefficients, bread @ meat @ bread, used, np.eye(m) - bread * noise)


def _with_neighbours(meat, alone, between, of_mean):
    """Add to the sum over cells that over pairs of neighbours.

    ``alone`` and ``between`` are these two without the residuals. In the base where
    the first is the unit matrix, the second says by what factors the sum grows; so the
    result is positive although steep cells may scatter less than expected.
    """
    try:
        base, root = np.linalg.cholesky(alone), np.linalg.cholesky(meat)
    except np.linalg.LinAlgError:  # a regressor is zero everywhere
        return meat * of_mean
    root = root @ np.linalg.inv(base)
    return root @ (alone + between) @ root.T


def _biweight_shape(residual, scale):
    """Give 1 - u^2 (0 outside) and u^2, u in units of the cutoff."""
    u2 = residual * np.float32(1.0 / (CUTOFF * scale))
    np.square(u2, out=u2)
    inside = np.float32(1.0) - u2
    np.maximum(inside, np.float32(0.0), out=inside)
    return inside, u2


def _psi_slope(inside, u2):
    slope = u2 * np.float32(-5.0)
    slope += np.float32(1.0)
    slope *= inside
    return slope


def _solve(normal, gain):
    return np.linalg.lstsq(normal, gain, rcond=1e-12)[0]


def _small(step, normal, scale, tolerance):
    """Tell whether a step is within a fraction of the errors."""
    return bool(np.all(step**2 * np.diag(normal) <= (tolerance * scale) ** 2))


def _gain(design, weighted):
    return np.array([_sum(weighted * column) for column in design])


def _products(design, weights):
    """Sum the products of all pairs of columns."""
    return (design * weights) @ design.T


def _sum(values):
    # numpy sums pairwise: single precision is ample, and the order of summation
    # does not depend on the number of threads.
    return float(values.sum())
