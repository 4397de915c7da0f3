"""Noise of an exposure's pixels as a function of their brightness."""

from dataclasses import dataclass

import numpy as np

__all__ = ["UNIFORM", "NoiseCurve", "measure_noise"]

# Points of the curve, and pixels from which they are taken: enough for 1 % on
# the variance, and few beside the million pixels of an exposure.
N_POINTS = 16
N_SAMPLE = 20000


@dataclass(frozen=True)
class NoiseCurve:
    """Variance of a pixel as a function of surface brightness.

    Weighting by each pixel's own quoted variance would bias levels: a pixel
    that fluctuates low is quoted a low Poisson variance and would get a high
    weight. The mean relation does not know the fluctuation.

    Attributes
    ----------
    brightness : ndarray, shape (m,)
        Surface brightness, MJy/sr, ascending.
    variance : ndarray, shape (m,)
        Variance of a pixel of that brightness, (MJy/sr)^2.
    quoted : bool
        False when the exposure quotes no errors and the curve is only a
        placeholder.
    """

    brightness: np.ndarray
    variance: np.ndarray
    quoted: bool = True

    def __call__(self, brightness):  # numpydoc ignore=PR01,RT01
        """Give the variance, (MJy/sr)^2, at some brightness, MJy/sr; constant outside the curve."""
        return np.interp(brightness, self.brightness, self.variance).astype(np.float32)

    @property
    def typical(self):
        """Variance of a pixel at the median brightness, (MJy/sr)^2."""
        return float(self(np.median(self.brightness)))


#: For exposures without errors: all pixels alike.
UNIFORM = NoiseCurve(brightness=np.zeros(1), variance=np.ones(1), quoted=False)


def measure_noise(data, error, good):
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
        Medians of the quoted variance in equal shares of the pixels, sorted by
        brightness; `UNIFORM` when no usable error is quoted.
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
    return NoiseCurve(
        brightness=np.array([np.median(brightness[share]) for share in shares]),
        variance=np.array([np.median(variance[share]) for share in shares]),
    )
