"""Noise of an exposure's pixels as a function of their brightness."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["UNIFORM", "NoiseCurve", "look_up", "make_table", "measure_noise"]

# Points of the curve, and pixels from which they are taken: enough for 1 % on
# the variance, and few beside the million pixels of a frame.
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
    measured : bool
        False when the exposure quotes no errors and the curve is only a
        placeholder.
    """

    brightness: np.ndarray
    variance: np.ndarray
    measured: bool = True

    def __call__(self, brightness):
        """Interpolate the variance.

        Parameters
        ----------
        brightness : ndarray
            Surface brightness, MJy/sr.

        Returns
        -------
        ndarray
            Variance of a pixel, (MJy/sr)^2; constant outside the curve's range.
        """
        if self.variance.size == 1:
            return np.full(np.shape(brightness), self.variance[0])
        return np.interp(brightness, self.brightness, self.variance)

    def approximate(self, brightness):
        """Look the variance up, to a few percent of the brightness.

        Parameters
        ----------
        brightness : ndarray of float32
            Surface brightness, MJy/sr; finite.

        Returns
        -------
        ndarray of float32
            Variance of a pixel, (MJy/sr)^2. Good enough for weights, and ten
            times faster than interpolation.
        """
        return look_up(self._table, brightness)

    @cached_property
    def _table(self):
        return make_table(self)


def make_table(function):
    """Tabulate a smooth function of one variable.

    Parameters
    ----------
    function : callable
        Takes and returns an array.

    Returns
    -------
    ndarray of float32
        For `look_up`.
    """
    # Sign, exponent and the first four bits of the fraction of a float32 number
    # make 8192 values in steps of 6 %.
    values = (np.arange(8192, dtype=np.uint32) << 19 | 1 << 18).view(np.float32)
    return function(np.nan_to_num(values).astype(float)).astype(np.float32)


def look_up(table, values):
    """Evaluate a function from its table.

    Parameters
    ----------
    table : ndarray of float32
        What `make_table` has made.
    values : ndarray of float32
        Where to evaluate it; finite.

    Returns
    -------
    ndarray of float32
        The function at values within 3 % of these.
    """
    # Twice as fast as an index in brackets.
    return table.take(np.ascontiguousarray(values, dtype=np.float32).view(np.uint32) >> 19)


#: For exposures without errors: all pixels alike.
UNIFORM = NoiseCurve(np.zeros(1), np.ones(1), measured=False)


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
    order = np.argsort(brightness[usable], kind="stable")
    shares = np.array_split(order, N_POINTS)
    return NoiseCurve(
        np.array([np.median(brightness[usable][share]) for share in shares]),
        np.array([np.median(variance[usable][share]) for share in shares]),
    )
