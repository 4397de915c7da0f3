"""Noise of an exposure's pixels as a function of their brightness."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

__all__ = ["UNIFORM", "NoiseCurve", "measure_noise"]

# Points to which it is fitted, and pixels from which they are taken: enough for 1 % on
# the variance, and few beside the million pixels of an exposure.
N_POINTS = 16
N_SAMPLE = 20000


@dataclass(frozen=True)
class NoiseCurve:
    """Variance of a pixel as a function of surface brightness.

    Read noise is the same for all pixels, the variance of photons grows with the
    brightness, that of the flat field with its square. Weighting by each pixel's own
    quoted variance would bias levels: a pixel that fluctuates low is quoted a low
    Poisson variance and would get a high weight. The mean relation does not know the
    fluctuation.

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

    def __call__(
        self, brightness: np.ndarray | np.float32
    ) -> np.ndarray:  # numpydoc ignore=PR01,RT01
        """Give the variance, (MJy/sr)^2, at some brightness, MJy/sr, as float32."""
        light = np.maximum(brightness - np.float32(self.faintest), np.float32(0.0))
        variance = np.float32(self.quadratic) * light
        variance += np.float32(self.linear)
        variance *= light
        variance += np.float32(self.constant)
        return variance

    @property
    def typical(self) -> float:
        """Variance of a pixel at the median brightness, (MJy/sr)^2."""
        return float(self(np.float32(self.median)))


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
        by brightness; `UNIFORM` when no usable error is quoted.
    """
    if error is None or np.shape(error) != np.shape(data):
        return UNIFORM
    # Slices, not index arrays: only these rows are read and converted.
    step = max(int(np.sqrt(data.size / N_SAMPLE)), 1)
    sample = np.s_[step // 2 :: step, step // 2 :: step]
    brightness = np.asarray(data[sample], dtype=float)
    variance = np.asarray(error[sample], dtype=float) ** 2
    usable = good[sample] & np.isfinite(variance) & (variance > 0)
    if np.count_nonzero(usable) < N_POINTS:
        return UNIFORM
    brightness, variance = brightness[usable], variance[usable]
    shares = np.array_split(np.argsort(brightness, kind="stable"), N_POINTS)
    x, y = (np.array([np.median(v[share]) for share in shares]) for v in (brightness, variance))
    # In units of the brightest, so that the three coefficients are of one size.
    unit = (x[-1] - x[0]) or 1.0
    columns = ((x - x[0]) / unit)[:, None] ** [0, 1, 2] / y[:, None]
    coefficients, _ = nnls(columns, np.ones(N_POINTS))
    constant, linear, quadratic = (coefficients / unit ** np.arange(3)).tolist()
    return NoiseCurve(
        constant=max(constant, 0.5 * float(y.min())),  # a weight must not be infinite
        linear=linear,
        quadratic=quadratic,
        faintest=float(x[0]),
        median=float(np.median(x)),
    )
