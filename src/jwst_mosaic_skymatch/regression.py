"""Robust regression of the differences of two images on the image's gradient."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from jwst_mosaic_skymatch.noise import look_up, make_table
from jwst_mosaic_skymatch.statistic import GAUSSIAN_MAD

__all__ = [
    "SHIFT_SCATTER",
    "CellCorrelation",
    "Regression",
    "drizzle_correlation",
    "gradient",
    "robust_regression",
    "scatter_table",
]

# The biweight's cutoff in sigma: 6 median absolute deviations.
CUTOFF = 4.05
# A step of this fraction of the errors ends an iteration.
TOLERANCE = 0.03
# The same for the estimate of Newton's next step, of which little is left where outliers
# on one side balance those on the other.
NEWTON_TOLERANCE = 0.2
# What is left of the distortion makes the displacement of two exposures differ
# from place to place by this much, in cells (rms of an axis).
SHIFT_SCATTER = 0.01
# Shares of the values, from flat to steep, in which excess scatter is looked for, the
# number of flat ones to compare with, and the least number of values in one.
SHARES = (0.125,) * 7 + (0.075, 0.035, 0.01, 0.005)
N_FLAT = 4
LEAST_IN_SHARE = 30
# Variance of the gradient (the stencil in `_slope`) of the mean of two images, over
# that of their difference.
GRADIENT_NOISE = 2 * ((2 / 3) ** 2 + (1 / 12) ** 2) / 4
# Values from which start, scale and excess are found: 1 % on the scale.
N_SAMPLE = 10000
# Cells that are worked on at a time: they stay in a processor's cache, and matrix
# products are too small to be shared among threads, on which rounding would depend.
PIECE = 24576


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


@dataclass(frozen=True)
class CellCorrelation:
    """Correlation of the noise of neighbouring cells.

    Attributes
    ----------
    known : ndarray of bool, shape (ny, nx)
        The cells that have a value; n of them.
    of_mean : float
        Variance of the mean over many cells, over that of independent ones.
    """

    known: np.ndarray
    of_mean: float

    @classmethod
    def none(cls, n):
        """Make n independent cells."""
        return cls(np.ones((1, n), dtype=bool), 1.0)

    def pieces(self):
        """Cut the cells into some rows at a time.

        Yields
        ------
        piece : slice
            Positions among the known cells.
        known : ndarray of bool, shape (n_rows, nx)
            These rows of ``known``.
        """
        ny, nx = self.known.shape
        n_rows = max(PIECE // max(nx, 1), 1)
        ends = np.cumsum(np.count_nonzero(self.known, axis=1)).tolist()
        start = 0
        for row in range(0, ny, n_rows):
            end = ends[min(row + n_rows, ny) - 1]
            if end > start:
                yield slice(start, end), self.known[row : row + n_rows]
            start = end

    def between(self, columns, known):
        """Sum products of columns over cells and their neighbours.

        Parameters
        ----------
        columns : ndarray, shape (m, n)
            Some quantities in the n cells of a piece.
        known : ndarray of bool, shape (n_rows, nx)
            Where these are.

        Returns
        -------
        ndarray, shape (m, m)
            Sum over all pairs of different cells of the product of two
            quantities and the correlation of the two cells. For a constant it
            is ``of_mean`` - 1 times the sum of squares, for what changes from
            cell to cell less.
        """
        if self.of_mean == 1.0:
            return np.zeros((len(columns),) * 2)
        ny, nx = known.shape
        image = np.zeros((len(columns), (ny + 1) * (nx + 1)), dtype=columns.dtype)
        # Rows and columns end in zeros.
        framed = np.zeros((ny, nx + 1), dtype=bool)
        framed[:, :nx] = known
        places = np.flatnonzero(framed)
        for line, column in zip(image, columns, strict=True):
            line[places] = column
        # Noise is shared with the next cell on each of four sides (what is shared with
        # the four at the corners, a tenth of it, is counted there).
        here, right, below = (image[:, k : k + ny * (nx + 1)] for k in (0, 1, nx + 1))
        total = 0.25 * (self.of_mean - 1.0) * (here @ (right + below).T)
        return total + total.T


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
    image = np.ascontiguousarray(image)
    return _slope(image, 1), _slope(image, 0)


def _slope(image, axis):
    # Central differences alone miss a sixth of the slope of a star as narrow as
    # a cell, and so much of its displacement would be left over.
    size = image.shape[axis]
    slope = np.full_like(image, np.nan)
    if size > 4:

        def ahead(k):
            return image[(slice(None),) * axis + (slice(2 + k, size - 2 + k),)]

        inner = (ahead(1) - ahead(-1)) * np.float32(2 / 3)
        inner -= (ahead(2) - ahead(-2)) * np.float32(1 / 12)
        slope[(slice(None),) * axis + (slice(2, size - 2),)] = inner
    hole = np.isnan(image)
    # Beside holes and edges: two neighbours, or one.
    flat = image.ravel()
    missing = np.flatnonzero(np.isnan(slope) & ~hole)
    position = missing // image.shape[1] if axis == 0 else missing % image.shape[1]
    step = image.shape[1] if axis == 0 else 1
    low, high = (
        np.where(inside, flat[np.where(inside, missing + offset, 0)], np.float32(np.nan))
        for inside, offset in ((position > 0, -step), (position < size - 1, step))
    )
    here = flat[missing]
    found = np.float32(0.5) * (high - low)
    for difference in (high - here, here - low):
        found = np.where(np.isnan(found), difference, found)
    slope.ravel()[missing] = np.nan_to_num(found)
    slope[hole] = np.nan
    return slope


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
    plain, bins = _whiten(*some), _Bins.of(steepness[sample])
    found, excess = np.zeros(len(regressors) + 1), _FLAT
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


def scatter_table(residuals, variance, steepness):
    """Measure how residuals scatter.

    Parameters
    ----------
    residuals : ndarray, shape (n,)
        Residuals; outliers among them do not matter.
    variance : ndarray, shape (n,)
        Their relative variance.
    steepness : ndarray, shape (n,)
        Squared gradient of the image.

    Returns
    -------
    ndarray of float32
        Factor on the variance as a function of ``steepness``, for
        `~jwst_mosaic_skymatch.noise.look_up`.
    """
    excess = _Bins.of(steepness).excess(residuals / np.sqrt(variance), variance)
    scatter = np.abs(residuals) / np.sqrt(variance * excess(steepness))
    return excess.table * np.float32((_median(scatter) / GAUSSIAN_MAD) ** 2)


@dataclass(frozen=True)
class _Excess:
    """Factor on the variance as a function of the squared gradient.

    Beside what is measured it grows by at least ``least`` times the squared
    gradient: else the few steepest cells, the cores of stars, would decide on
    the displacement alone.
    """

    steepness: np.ndarray
    factor: np.ndarray
    least: float = 0.0

    def __call__(self, steepness):
        return look_up(self.table, steepness)

    @cached_property
    def table(self):
        """Factors for `look_up`."""
        return make_table(self._exact)

    def _exact(self, steepness):
        factor = 1.0 + self.least * steepness
        if np.any(self.factor > 1.0):
            measured = np.interp(steepness, self.steepness, self.factor)
            # Steeper than the steepest share: as the square of the gradient.
            beyond = np.maximum(steepness / self.steepness[-1], 1.0)
            factor = np.maximum(factor, measured * beyond)
        return np.clip(factor, 1.0, 1e30)  # the table goes to the ends of single precision


_FLAT = _Excess(np.zeros(1), np.ones(1))


@dataclass(frozen=True)
class _Bins:
    """Shares of the values, in the order of the squared gradient."""

    members: tuple[np.ndarray, ...]
    steepness: np.ndarray

    @classmethod
    def of(cls, steepness):
        ends = np.round(np.cumsum(SHARES[:-1]) * (steepness.size - 1)).astype(int)
        share = np.searchsorted(np.sort(steepness)[ends], steepness, side="right")
        members = [np.flatnonzero(share == k) for k in range(len(SHARES))]
        members = tuple(b for b in members if len(b) >= LEAST_IN_SHARE)
        return cls(members, np.array([_median(steepness[b]) for b in members], dtype=float))

    def excess(self, residual, variance):
        """Find where steep cells scatter more than flat ones."""
        if len(self.members) <= N_FLAT:
            return _FLAT
        size = np.abs(residual)
        scatter = (np.array([_median(size[b]) for b in self.members]) / GAUSSIAN_MAD) ** 2
        base = np.median(scatter[:N_FLAT])
        if base == 0.0:
            return _FLAT
        factor = np.maximum.accumulate(np.maximum(scatter / base, 1.0))
        # Within the noise of the medians there is no excess.
        noise = 6.0 / np.sqrt([len(b) for b in self.members])
        factor[factor < 1.0 + noise] = 1.0
        least = SHIFT_SCATTER**2 / (base * float(_median(variance)))
        return _Excess(self.steepness, factor, least)


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


def _huber(values, design, coefficients, tolerance=TOLERANCE):
    """Find coefficients and scale."""
    for _ in range(30):
        residual = _residual(values, design, coefficients)
        size = np.abs(residual)
        scale = float(_median(size)) / GAUSSIAN_MAD
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
        of_gradients, total, columns = 0.0, 0.0, []
        for piece, design, residual, excess, known in data.pieces(coefficients):
            inside, u2 = _biweight_shape(residual, scale)
            psi, slope = inside * inside * residual, _psi_slope(inside, u2)
            psi2 = psi * psi
            bread += _products(design, slope)
            meat += _products(design, psi2)
            gain += _gain(design, psi)
            of_gradients += _sum(slope / excess)
            total += _sum(psi2)
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
    between = sum(data.correlation.between(*piece) for piece in columns)
    meat += total / np.count_nonzero(used) * between
    bread = np.linalg.pinv(bread)
    noise = np.full(m, GRADIENT_NOISE * scale**2 * of_gradients)
    noise[0] = 0.0
    return Regression(coefficients, bread @ meat @ bread, used, np.eye(m) - bread * noise)


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


def _small(step, normal, scale, tolerance=TOLERANCE):
    """Tell whether a step is within a fraction of the errors."""
    return bool(np.all(step**2 * np.diag(normal) <= (tolerance * scale) ** 2))


def _gain(design, weighted):
    return np.array([_sum(weighted * column) for column in design])


def _products(design, weights):
    """Sum the products of all pairs of columns."""
    return (design * weights) @ design.T


def _median(values):
    """Median; the upper one of an even number."""
    middle = values.size // 2
    return np.partition(values, middle)[middle]


def _sum(values):
    # numpy sums pairwise: single precision is ample, and the order of summation
    # does not depend on the number of threads.
    return float(values.sum())
