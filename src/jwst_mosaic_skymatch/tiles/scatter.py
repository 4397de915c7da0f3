"""Scatter of residuals, in flat and in steep parts of an image."""

from dataclasses import dataclass

import numpy as np

__all__ = [
    "CUTOFF",
    "FLAT",
    "GAUSSIAN_MAD",
    "SHIFT_SCATTER",
    "VarianceFactor",
    "biweight",
    "measure_factor",
    "scale_of",
]

#: Median absolute deviation of a Gaussian of unit variance.
GAUSSIAN_MAD = 0.6744897501960817
#: Cutoff of the biweight in standard deviations: efficiency 0.95 on Gaussian noise. With 4.05, six
#: median absolute deviations, it is 0.91, and errors of levels on a blank sky are 1.4 % larger.
CUTOFF = 4.685
#: Scatter over the field of the shift of two exposures, from errors of the distortion, in
#: cells (rms of an axis).
SHIFT_SCATTER = 0.01
# Shares of the values, from flat to steep, that are tested for excess scatter; the number of
# flat shares that define the normal scatter; and the least number of values in a share.
SHARES = (0.125,) * 7 + (0.075, 0.035, 0.01, 0.005)
N_FLAT = 4
LEAST_IN_SHARE = 30


@dataclass(frozen=True)
class VarianceFactor:
    """Factor on the variance as a function of the squared gradient.

    Beside the measured excess, it grows by at least ``slope`` times the squared
    gradient: else the few steepest cells, the cores of stars, would decide on
    the shift alone.

    Attributes
    ----------
    gradient_squared : ndarray, shape (m,)
        Squared gradients, ascending.
    factor : ndarray, shape (m,)
        Factor measured there.
    slope : float
        Least growth of the factor for each unit of the squared gradient.
    """

    gradient_squared: np.ndarray
    factor: np.ndarray
    slope: float = 0.0

    def __call__(self, gradient_squared: np.ndarray) -> np.ndarray:
        """Evaluate the factor.

        Parameters
        ----------
        gradient_squared : ndarray of float32
            Squared gradients, without NaN.

        Returns
        -------
        ndarray of float32
            The factor, at least 1.
        """
        factor = 1.0 + self.slope * gradient_squared
        excess = np.flatnonzero(self.factor > 1.0)
        if excess.size:
            # Cells flatter than the first share with an excess have none.
            first = self.gradient_squared[max(excess[0] - 1, 0)]
            steep = np.flatnonzero(gradient_squared > first)
            values = gradient_squared[steep]
            measured = np.interp(values, self.gradient_squared, self.factor)
            # Steeper than the steepest share: as the square of the gradient.
            measured *= np.maximum(values / self.gradient_squared[-1], 1.0)
            factor[steep] = np.maximum(factor[steep], measured)
        return factor


#: No excess anywhere.
FLAT = VarianceFactor(gradient_squared=np.zeros(1), factor=np.ones(1))


def measure_factor(
    residual: np.ndarray, variance: np.ndarray, gradient_squared: np.ndarray
) -> VarianceFactor:
    """Measure the excess scatter of steep cells over flat ones.

    Parameters
    ----------
    residual : ndarray, shape (n,)
        Residuals; outliers among them do not matter.
    variance : ndarray, shape (n,)
        Their expected relative variance.
    gradient_squared : ndarray, shape (n,)
        Squared gradient of the image.

    Returns
    -------
    VarianceFactor
        The factor on the variance; `FLAT` if all scatter alike.
    """
    ends = np.round(np.cumsum(SHARES[:-1]) * gradient_squared.size).astype(int)
    shares = np.split(np.argsort(gradient_squared), ends)
    shares = [share for share in shares if share.size >= LEAST_IN_SHARE]
    if len(shares) <= N_FLAT:
        return FLAT
    whitened = residual / np.sqrt(variance)
    scatter, medians, sizes = np.transpose(
        [(scale_of(whitened[s]) ** 2, np.median(gradient_squared[s]), s.size) for s in shares]
    )
    base = np.median(scatter[:N_FLAT])
    if base == 0.0 or medians[-1] == 0.0:
        return FLAT
    factor = np.maximum.accumulate(np.maximum(scatter / base, 1.0))
    # Within the noise of the medians there is no excess.
    factor[factor < 1.0 + 6.0 / np.sqrt(sizes)] = 1.0
    slope = SHIFT_SCATTER**2 / float(base * np.median(variance))
    return VarianceFactor(gradient_squared=medians, factor=factor, slope=slope)


def scale_of(residuals: np.ndarray) -> float:
    """Estimate a standard deviation by the median absolute value.

    Parameters
    ----------
    residuals : ndarray, shape (n,)
        Residuals about zero, at least one, without NaN.

    Returns
    -------
    float
        Standard deviation of a Gaussian with that median; of an even number of values, the
        upper of the two in the middle is taken, in half the time.
    """
    middle = residuals.size // 2
    return float(np.partition(np.abs(residuals), middle)[middle]) / GAUSSIAN_MAD


def biweight(residuals: np.ndarray, scale: float | np.float32) -> np.ndarray:
    """Weight residuals by the biweight.

    Parameters
    ----------
    residuals : ndarray
        Residuals.
    scale : float
        Their standard deviation.

    Returns
    -------
    ndarray
        Weights :math:`(1 - u^2)^2`, with u in units of `CUTOFF` standard deviations; zero
        from u = 1 on.
    """
    u = residuals / (CUTOFF * scale)
    return np.maximum(1.0 - u * u, 0.0) ** 2
