"""Location of a sample of pixel values or of per-cell differences."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Location", "Statistic", "biweight"]

#: Tuning constant of the biweight in units of the median absolute deviation
#: (Beers et al. 1990); efficiency 0.97 on Gaussian noise.
BIWEIGHT_CUTOFF = 6.0
#: Median absolute deviation of a Gaussian of unit variance.
GAUSSIAN_MAD = 0.6744897501960817
#: Variance of the median over that of the mean, for Gaussian noise.
MEDIAN_VARIANCE = np.pi / 2


@dataclass(frozen=True)
class Location:
    """Location of a sample and how well it is known.

    Attributes
    ----------
    value : float
        The location, in the units of the sample; NaN when it cannot be found.
    variance : float
        Variance of ``value`` if the sample's values were independent.
    n_used : int
        Number of values that entered.
    """

    value: float
    variance: float
    n_used: int


_NOTHING = Location(np.nan, np.nan, 0)


def biweight(values, *, cutoff=BIWEIGHT_CUTOFF, tolerance=1e-4, max_iterations=50):
    r"""Find the biweight M-estimate of location.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Finite values, any unit.
    cutoff : float, optional
        Values further than this many median absolute deviations from the
        location get no weight.
    tolerance : float, optional
        Iteration ends when the location moves by less than this fraction of
        its standard error.
    max_iterations : int, optional
        Upper limit on the number of iterations.

    Returns
    -------
    Location
        NaN for an empty sample. The variance is that of an M-estimator,
        :math:`s^2 \sum \psi^2 / (\sum \psi')^2`, with the scale s held at
        ``cutoff`` times the median absolute deviation.

    Notes
    -----
    Iteratively reweighted mean with weights :math:`(1 - u^2)^2`,
    :math:`u = (x - m) / s`, started at the median, so that contamination on
    one side (cosmic rays in one of two images) does not pull it [1]_.

    References
    ----------
    .. [1] Beers, Flynn & Gebhardt 1990, AJ 100, 32, doi:10.1086/115487
    """
    values = np.asarray(values, dtype=np.float64)
    if values.size == 0:
        return _NOTHING
    location = float(np.median(values))
    scale = cutoff * float(np.median(np.abs(values - location)))
    if scale == 0.0:  # more than half of the values are the same
        return Location(location, 0.0, values.size)
    for _ in range(max_iterations):
        u2 = ((values - location) / scale) ** 2
        inside = np.maximum(1.0 - u2, 0.0)
        weights = inside**2
        step = float(weights @ (values - location)) / float(weights.sum())
        location += step
        # psi = u (1 - u^2)^2 and its derivative, both zero outside the cutoff.
        slope = float((inside * (1.0 - 5.0 * u2)).sum())
        variance = scale**2 * float((u2 * weights**2).sum()) / slope**2
        if abs(step) <= tolerance * np.sqrt(variance):
            break
    return Location(location, variance, int(np.count_nonzero(weights)))


@dataclass(frozen=True)
class Statistic:
    """The statistic chosen by ``skystat`` and the parameters that go with it.

    Calling it with a 1-D array of finite values gives a `Location`.

    Parameters
    ----------
    skystat : {'biweight', 'median', 'midpt', 'mean', 'mode'}
        The statistic. All but 'biweight' are jwst's own, after clipping.
    nclip : int
        Number of clipping iterations (not used by 'biweight', which gives
        outliers no weight by itself).
    lsigma, usigma : float
        Lower and upper clipping limit in sigma (not used by 'biweight').
    binwidth : float
        Width of the histogram's bins in sigma, for 'mode' and 'midpt'.
    lower, upper : float or None
        Values outside this range are left out.
    """

    skystat: str = "biweight"
    nclip: int = 5
    lsigma: float = 4.0
    usigma: float = 4.0
    binwidth: float = 0.1
    lower: float | None = None
    upper: float | None = None

    def __call__(self, values):
        """Find the location of a sample.

        Parameters
        ----------
        values : ndarray, shape (n,)
            Finite values.

        Returns
        -------
        Location
            NaN when no value is left within ``lower`` and ``upper``.
        """
        values = values[in_range(values, self.lower, self.upper)]
        if values.size == 0:
            return _NOTHING
        if self.skystat == "biweight":
            return biweight(values)
        return self._clipped(values)

    def _clipped(self, values):
        # Here, since it brings the coordinate frames of astropy and gwcs along: half of
        # the time that a worker process takes to start.
        from stcal.skymatch import SkyStats

        statistics = SkyStats(
            skystat=self.skystat,
            nclip=self.nclip,
            lsig=self.lsigma,
            usig=self.usigma,
            binwidth=self.binwidth,
        )
        # The histogram statistics divide by the spread: equal values have none.
        if values.min() == values.max():
            return Location(float(values[0]), 0.0, values.size)
        try:
            value, n_used = statistics(values)
        except ValueError:  # clipping left nothing
            return _NOTHING
        spread = float(np.median(np.abs(values - np.median(values)))) / GAUSSIAN_MAD
        factor = 1.0 if self.skystat == "mean" else MEDIAN_VARIANCE
        return Location(float(value), factor * spread**2 / max(n_used, 1), int(n_used))


def in_range(values, lower, upper):
    """Tell which values are finite and within limits.

    Parameters
    ----------
    values : ndarray
        Values of any shape.
    lower, upper : float or None
        Inclusive limits; None stands for no limit.

    Returns
    -------
    ndarray of bool
        Same shape as ``values``.
    """
    good = np.isfinite(values)
    if lower is not None:
        good &= values >= lower
    if upper is not None:
        good &= values <= upper
    return good
