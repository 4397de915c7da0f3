"""Robust regression of differences of two images on the gradient of their mean; their location."""

from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.exposures.pixels import clipped_statistic
from jwst_mosaic_skymatch.tiles.scatter import (
    CUTOFF,
    GRADIENT_NOISE,
    biweight,
    growth_with_gradient,
    scale_of,
)

__all__ = ["OFFSET_STATS", "UNKNOWN", "Regression", "Statistic", "robust_regression"]

#: Options of ``offset_stat``.
OFFSET_STATS = ("biweight", "median")
# Variance of the median over that of the mean for Gaussian noise.
MEDIAN_COST = np.pi / 2
# Response of a coefficient to a shift up to which it is taken for noise.
LEAST_RESPONSE = 0.1
# Divisor for images without gradients.
TINY = 1e-30
#: Variance of the prior of a shift, cells^2: that of a shift on a sky without gradients.
UNKNOWN = 1e6
# A step of this fraction of the errors ends the iteration.
TOLERANCE = 0.03
# Largest factor on a step of reweighted least squares.
LONGEST = 2.0
# Values from which scale and variance factor are measured: 1.4 % on the scale.
N_SAMPLE = 5000
# Least scale in units of the quoted errors: data without noise have none.
LEAST_SCALE = 1e-6


@dataclass(frozen=True)
class Regression:
    r"""Coefficients of a robust regression, and the residuals that they leave.

    Attributes
    ----------
    coefficients : ndarray, shape (m,)
        Intercept first.
    shift : ndarray, shape (m - 1,)
        Shift of the image, cells: minus the other coefficients, without their attenuation by noise.
        Zero, with the variance `UNKNOWN` of its prior, where the gradient does not constrain it.
    covariance : ndarray, shape (m, m)
        Covariance of intercept and shift by the scatter of the values, which count as independent:
        the inverse of the information that no other regression shares.
    alone : float
        Variance of the intercept by the noise of the values alone, over that in ``covariance``.
    scale : float
        Standard deviation of the residuals in units of the errors of the values.
    residuals, precision : ndarray of float32, shape (n,)
        Residual of each value in its standard deviation, and the inverse of that.
    parts : ndarray of float32, shape (n,)
        Part of the information of each value that no other regression shares.
    """

    coefficients: np.ndarray
    shift: np.ndarray
    covariance: np.ndarray
    alone: float
    scale: float
    residuals: np.ndarray
    precision: np.ndarray
    parts: np.ndarray

    def newton_terms(self, narrowing: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        r"""Compute the terms of a step of Newton's method.

        Parameters
        ----------
        narrowing : float, optional
            Factor by which the cutoff is smaller.

        Returns
        -------
        score, curvature : ndarray of float32, shape (n,)
            :math:`p \psi(r) / v` and :math:`p \psi'(r) / v` of each value with residual r, variance
            v and part p. Their sums over some of the values are a step for their constant.
        """
        weight, scaled = biweight(narrowing * self.residuals), self.parts * self.precision
        return scaled * weight * self.residuals, scaled * self.precision * _psi_slope(weight)

    @property
    def excess(self) -> float:
        """Share of the values above the cutoff, minus that below."""
        return float(np.mean(np.sign(self.residuals) * (np.abs(self.residuals) > CUTOFF)))

    @property
    def asymmetry(self) -> float:
        """Intercept minus one step of Newton's method from it with half the cutoff.

        The bias by contamination of one sign is 1.4 to 4 times as large.
        """
        score, curvature = self.newton_terms(narrowing=2.0)
        return -float(np.sum(score) / np.sum(curvature))


def robust_regression(
    values: np.ndarray, gradient: np.ndarray, variance: np.ndarray, parts: np.ndarray
) -> Regression:
    r"""Regress values that scatter about zero, with no weight for outliers.

    Parameters
    ----------
    values : ndarray of float32, shape (n,)
        Dependent variable; its median is within a standard deviation of zero.
    gradient : ndarray of float32, shape (m, n)
        Regressors beside a constant. Variance that grows with their square is measured and added.
    variance : ndarray of float32, shape (n,)
        Relative variance of the values.
    parts : ndarray of float32, shape (n,)
        Part of the information of each value that no other regression shares, 0 to 1.

    Returns
    -------
    Regression
        Coefficients, shift, and their covariance.

    Notes
    -----
    An M-estimate with the biweight; values count by their parts p. With the Hessian
    :math:`H = \sum p \psi' x x^T / v` its covariance is :math:`H^{-1} (\sum p \psi^2 x x^T / v)
    H^{-1}`. Noise of gradients adds N to H; along axis k the response to a shift is
    :math:`1 - N / H_{kk}` [1]_.

    References
    ----------
    .. [1] Fuller 1987, Measurement Error Models, Wiley, section 2.2
    """
    stride = max(values.size // N_SAMPLE, 1)
    squared = np.sum(gradient**2, axis=0)
    growth = growth_with_gradient(*(v[::stride] for v in (values, variance, squared)))
    factors = 1.0 + np.float32(growth) * squared
    precision = 1.0 / np.sqrt(variance * factors)
    scale = max(scale_of((values * precision)[::stride]), LEAST_SCALE)
    precision /= np.float32(scale)
    design = np.concatenate([precision[None], gradient * precision])
    coefficients, residuals, weight = _reweighted(values * precision, design, parts)
    psi_slope = parts * _psi_slope(weight)
    hessian = _products(design, psi_slope)
    inverse = np.linalg.pinv(hessian)
    covariance = inverse @ _products(design, parts * (weight * residuals) ** 2) @ inverse
    to_shift, unknown = _response(hessian, GRADIENT_NOISE * np.sum(psi_slope / factors))
    covariance *= np.outer(to_shift, to_shift)
    covariance[1:, 1:] += np.diag(UNKNOWN * unknown)
    return Regression(
        coefficients=coefficients,
        shift=(to_shift * coefficients)[1:],
        covariance=covariance,
        alone=float(inverse[0] @ _products(design, parts * psi_slope) @ inverse[0] / inverse[0, 0]),
        scale=scale,
        residuals=residuals,
        precision=precision,
        parts=parts,
    )


@dataclass(frozen=True)
class Statistic:
    """The statistic chosen by ``offset_stat`` and the parameters that go with it.

    Parameters
    ----------
    name : str
        The statistic, one of `OFFSET_STATS`. The median is jwst's own, after clipping.
    nclip : int
        Number of clipping iterations (not used by 'biweight', which gives
        outliers no weight by itself).
    lsigma, usigma : float
        Lower and upper clipping limit in sigma (not used by 'biweight').
    """

    name: str = "biweight"
    nclip: int = 5
    lsigma: float = 4.0
    usigma: float = 4.0

    def locate(
        self, values: np.ndarray, regressors: np.ndarray, fit: Regression
    ) -> tuple[float, float]:
        """Take the location of values that a robust regression has been fitted to.

        Parameters
        ----------
        values : ndarray of float32, shape (n,)
            The values.
        regressors : ndarray of float32, shape (m, n)
            The regressors.
        fit : Regression
            The regression; its intercept is the location by the biweight.

        Returns
        -------
        value : float
            The location; NaN where clipping leaves no value.
        variance : float
            Its variance for independent values, as in ``fit``.
        """
        if self.name == "biweight":
            return fit.coefficients[0], fit.covariance[0, 0]
        values = values - fit.coefficients[1:].astype(np.float32) @ regressors
        value, n_used = clipped_statistic(
            values, self.name, nclip=self.nclip, lsigma=self.lsigma, usigma=self.usigma
        )
        scatter = MEDIAN_COST * scale_of(values - np.median(values)) ** 2
        return value, scatter / (max(n_used, 1) * fit.alone)


def _reweighted(
    values: np.ndarray, design: np.ndarray, parts: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Solve by reweighted least squares: coefficients, residuals of unit variance, weights.

    Holland & Welsch 1977, Communications in Statistics A6, 813, doi:10.1080/03610927708827533.
    """
    coefficients = np.zeros(len(design))
    for _ in range(30):
        residual = values - coefficients.astype(np.float32) @ design
        weight = biweight(residual)
        counted = parts * weight
        normal = _products(design, counted)
        # The pseudo-inverse keeps the coefficient of a regressor at zero that is zero everywhere.
        step = np.linalg.pinv(normal) @ (design @ (counted * residual))
        # Longer by the ratio of the two normal matrices, as in Newton's method: half the steps.
        step *= min(weight.sum() / max(_psi_slope(weight).sum(), 1e-9), LONGEST)
        coefficients = coefficients + step
        if step @ normal @ step <= TOLERANCE**2:
            break
    return coefficients, residual, weight


def _response(hessian: np.ndarray, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Give factors from coefficients to shifts, and mark coefficients that are noise.

    Noise of the gradients, part of the Hessian, makes their coefficients too small.
    """
    response = 1.0 - noise / np.maximum(np.diag(hessian)[1:], TINY)
    unknown = response < LEAST_RESPONSE
    return np.append(1.0, np.where(unknown, 0.0, -1.0 / response)), unknown


def _psi_slope(weight: np.ndarray) -> np.ndarray:
    """Differentiate psi, which is weight (1 - u^2)^2 times u: (1 - u^2) (1 - 5 u^2)."""
    return 5.0 * weight - 4.0 * np.sqrt(weight)


def _products(design: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Sum weighted products of all pairs of rows; for so few, faster than a matrix product."""
    return np.einsum("an,bn->ab", design * weight, design).astype(float)
