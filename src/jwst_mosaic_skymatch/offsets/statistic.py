"""Location of a sample of pixel values or of per-cell differences."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.exposures.sky import clipped_statistic
from jwst_mosaic_skymatch.offsets.regression import Regression
from jwst_mosaic_skymatch.tiles.scatter import scale_of

__all__ = ["OFFSET_STATS", "Location", "Statistic"]

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
    """

    value: float
    variance: float


_NOTHING = Location(value=np.nan, variance=np.nan)


@dataclass(frozen=True)
class Statistic:
    """The statistic chosen by ``offset_stat`` and the parameters that go with it.

    Parameters
    ----------
    name : str
        The statistic, one of `OFFSET_STATS`. All but 'biweight' are jwst's own, after clipping.
    nclip : int
        Number of clipping iterations (not used by 'biweight', which gives
        outliers no weight by itself).
    lsigma, usigma : float
        Lower and upper clipping limit in sigma (not used by 'biweight').
    binwidth : float
        Width of the histogram's bins in sigma, for 'mode' and 'midpt'.
    """

    name: str = "biweight"
    nclip: int = 5
    lsigma: float = 4.0
    usigma: float = 4.0
    binwidth: float = 0.1

    def refine(self, values: np.ndarray, fit: Regression) -> Location:
        """Take the location of differences that a robust regression has been fitted to.

        Parameters
        ----------
        values : ndarray, shape (n,)
            The differences, with their trends subtracted, MJy/sr.
        fit : Regression
            The regression; its intercept is the location by the biweight.

        Returns
        -------
        Location
            The location; its value is NaN where clipping leaves no value.
        """
        return _LOCATIONS[self.name](values, fit, self)


def _biweight_location(values: np.ndarray, fit: Regression, _: Statistic) -> Location:
    return Location(value=float(fit.coefficients[0]), variance=float(fit.covariance[0, 0]))


def _clipped_location(values: np.ndarray, _: Regression, statistic: Statistic) -> Location:
    """Take one of the stock step's statistics."""
    # The histogram statistics divide by the spread: equal values have none.
    if values.min() == values.max():
        return Location(value=float(values[0]), variance=0.0)
    value, n_used = clipped_statistic(
        values,
        statistic.name,
        nclip=statistic.nclip,
        lsigma=statistic.lsigma,
        usigma=statistic.usigma,
        binwidth=statistic.binwidth,
    )
    if not n_used:
        return _NOTHING
    factor = 1.0 if statistic.name == "mean" else MEDIAN_VARIANCE
    variance = factor * scale_of(values - np.median(values)) ** 2 / n_used
    return Location(value=value, variance=variance)


_LOCATIONS: dict[str, Callable[[np.ndarray, Regression, Statistic], Location]] = {
    "biweight": _biweight_location,
    "median": _clipped_location,
    "midpt": _clipped_location,
    "mean": _clipped_location,
    "mode": _clipped_location,
}

#: Names of all statistics, in the order in which they are offered.
OFFSET_STATS = tuple(_LOCATIONS)
