"""How residuals scatter, in flat and in steep parts of an image."""

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
#: The biweight's cutoff in sigma: 6 median absolute deviations (Beers et al. 1990);
#: efficiency 0.97 on Gaussian noise.
CUTOFF = 6.0 * GAUSSIAN_MAD
# What is left of the distortion makes the shift of two exposures differ from place to
# place by this much, in cells (rms of an axis).
SHIFT_SCATTER = 0.01
# Shares of the values, from flat to steep, in which excess scatter is looked for, the
# number of flat ones to compare with, and the least number of values in one.
SHARES = (0.125,) * 7 + (0.075, 0.035, 0.01, 0.005)
N_FLAT = 4
LEAST_IN_SHARE = 30


@dataclass(frozen=True)
class VarianceFactor:
    """Factor on the variance as a function of the squared gradient.

    Beside what is measured it grows by at least ``slope`` times the squared
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

    def __call__(self, gradient_squared: np.ndarray) -> np.ndarray:  # numpydoc ignore=PR01,RT01
        """Evaluate the factor, at least 1, for squared gradients (float32)."""
        factor = np.float32(1.0) + np.float32(self.slope) * gradient_squared
        if np.any(self.factor > 1.0):
            # Cells flatter than the first share with an excess have none.
            first = self.gradient_squared[max(int(np.argmax(self.factor > 1.0)) - 1, 0)]
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
    """Measure where steep cells scatter more than flat ones.

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
    members = [share for share in shares if len(share) >= LEAST_IN_SHARE]
    if len(members) <= N_FLAT:
        return FLAT
    whitened = residual / np.sqrt(variance)
    scatter = np.array([scale_of(whitened[m]) for m in members]) ** 2
    base = np.median(scatter[:N_FLAT])
    medians = np.array([np.median(gradient_squared[m]) for m in members], float)
    if base == 0.0 or medians[-1] == 0.0:
        return FLAT
    factor = np.maximum.accumulate(np.maximum(scatter / base, 1.0))
    # Within the noise of the medians there is no excess.
    factor[factor < 1.0 + 6.0 / np.sqrt([len(m) for m in members])] = 1.0
    return VarianceFactor(
        gradient_squared=medians,
        factor=factor,
        slope=SHIFT_SCATTER**2 / (base * float(np.median(variance))),
    )


def scale_of(residuals: np.ndarray) -> float:  # numpydoc ignore=PR01,RT01
    """Find the standard deviation of residuals from their median absolute value."""
    middle = residuals.size // 2  # of an even number the upper one, found in half the time
    return float(np.partition(np.abs(residuals), middle)[middle]) / GAUSSIAN_MAD


def biweight(
    residuals: np.ndarray, scale: float | np.float32
) -> np.ndarray:  # numpydoc ignore=PR01,RT01
    """Weigh residuals by the biweight (1 - u^2)^2, u in units of `CUTOFF` standard deviations."""
    u = residuals / (CUTOFF * scale)
    return np.maximum(1.0 - u * u, 0.0) ** 2
