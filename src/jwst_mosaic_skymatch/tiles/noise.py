"""Noise of an exposure's pixels as a function of their brightness."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

__all__ = ["UNIFORM", "NoiseCurve", "measure_noise"]

# Points of the fit, and pixels that they are medians of. They give 1 % on the variance, at a
# small part of the cost of the million pixels of an exposure.
N_POINTS = 16
N_SAMPLE = 20000


@dataclass(frozen=True)
class NoiseCurve:
    """Variance of a pixel as a function of surface brightness.

    Read noise is the same for all pixels, the variance of photons grows with the
    brightness, that of the flat field with its square. Weights from each pixel's own
    quoted variance would bias levels: a pixel that fluctuates low has a low quoted
    Poisson variance and would get a high weight. The mean relation is free of that.

    Attributes
    ----------
    constant : float
        Variance at ``faintest`` and below, (MJy/sr)^2.
    linear, quadratic : float
        Its growth with the brightness above ``faintest``, and with its square;
        not negative.
    faintest : float
        Brightness of faint pixels, MJy/sr.
    median : float
        Median brightness of the pixels, MJy/sr.
    quoted : bool
        False when the exposure quotes no errors and the curve is only a
        placeholder.
    """

    constant: float
    linear: float = 0.0
    quadratic: float = 0.0
    faintest: float = 0.0
    median: float = 0.0
    quoted: bool = True

    def __call__(self, brightness: np.ndarray | float) -> np.ndarray:
        """Evaluate the curve.

        Parameters
        ----------
        brightness : ndarray of float32, or float
            Surface brightness, MJy/sr.

        Returns
        -------
        ndarray of float32
            Variance, (MJy/sr)^2; NaN where the brightness is NaN.
        """
        light = np.maximum(brightness - self.faintest, 0.0)
        return (self.quadratic * light + self.linear) * light + self.constant

    @property
    def typical(self) -> float:
        """Variance of a pixel at the median brightness, (MJy/sr)^2."""
        return float(self(self.median))


#: For exposures without errors: all pixels alike.
UNIFORM = NoiseCurve(constant=1.0, quoted=False)


def measure_noise(data: np.ndarray, error: np.ndarray | None, good: np.ndarray) -> NoiseCurve:
    """Find the mean relation between brightness and quoted variance.

    Parameters
    ----------
    data : ndarray, shape (ny, nx)
        Surface brightness, MJy/sr.
    error : ndarray, shape (ny, nx), or None
        Quoted 1-sigma errors, MJy/sr.
    good : ndarray of bool, shape (ny, nx)
        Pixels to use.

    Returns
    -------
    NoiseCurve
        A fit to medians of the quoted variance in equal shares of the pixels, sorted
        by brightness; `UNIFORM` without usable errors.
    """
    if error is None:
        return UNIFORM
    # Slices, not index arrays: only these rows are read and converted.
    step = max(int((data.size / N_SAMPLE) ** 0.5), 1)
    sample = (slice(step // 2, None, step),) * 2
    variance = error[sample].astype(float) ** 2
    usable = good[sample] & (variance > 0.0) & (variance < np.inf)
    points = np.stack([data[sample][usable], variance[usable]], axis=1)
    if len(points) < N_POINTS:
        return UNIFORM
    points = points[np.argsort(points[:, 0], kind="stable")]
    x, y = np.transpose([np.median(share, axis=0) for share in np.array_split(points, N_POINTS)])
    # In units of the brightest, so that the three coefficients are of one size.
    unit = (x[-1] - x[0]) or 1.0
    terms = np.vander((x - x[0]) / unit, 3, increasing=True) / y[:, None]
    coefficients = nnls(terms, np.ones(N_POINTS))[0] / unit ** np.arange(3)
    coefficients[0] = max(coefficients[0], 0.5 * y.min())  # a weight must not be infinite
    constant, linear, quadratic = coefficients.tolist()
    return NoiseCurve(constant, linear, quadratic, float(x[0]), float(np.median(x)))
