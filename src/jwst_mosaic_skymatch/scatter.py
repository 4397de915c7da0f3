"""How residuals scatter, in flat and in steep parts of an image."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from jwst_mosaic_skymatch.noise import look_up, make_table
from jwst_mosaic_skymatch.statistic import GAUSSIAN_MAD

__all__ = ["FLAT", "SHIFT_SCATTER", "Excess", "Shares", "scatter_table", "upper_median"]

# What is left of the distortion makes the displacement of two exposures differ
# from place to place by this much, in cells (rms of an axis).
SHIFT_SCATTER = 0.01
# Shares of the values, from flat to steep, in which excess scatter is looked for, the
# number of flat ones to compare with, and the least number of values in one.
SHARES = (0.125,) * 7 + (0.075, 0.035, 0.01, 0.005)
N_FLAT = 4
LEAST_IN_SHARE = 30


@dataclass(frozen=True)
class Excess:
    """Factor on the variance as a function of the squared gradient.

    Beside what is measured it grows by at least ``least`` times the squared
    gradient: else the few steepest cells, the cores of stars, would decide on
    the displacement alone.

    Attributes
    ----------
    steepness : ndarray, shape (m,)
        Squared gradients, ascending.
    factor : ndarray, shape (m,)
        Factor measured there.
    least : float
        Least growth of the factor for each unit of the squared gradient.
    """

    steepness: np.ndarray
    factor: np.ndarray
    least: float = 0.0

    def __call__(self, steepness):
        """Evaluate the factor.

        Parameters
        ----------
        steepness : ndarray of float32
            Squared gradients.

        Returns
        -------
        ndarray of float32
            The factors, to a few percent.
        """
        return look_up(self.table, steepness)

    @cached_property
    def table(self):
        """Factors, an array for `~jwst_mosaic_skymatch.noise.look_up`."""
        return make_table(self._exact)

    def _exact(self, steepness):
        factor = 1.0 + self.least * steepness
        if np.any(self.factor > 1.0):
            measured = np.interp(steepness, self.steepness, self.factor)
            # Steeper than the steepest share: as the square of the gradient.
            beyond = np.maximum(steepness / self.steepness[-1], 1.0)
            factor = np.maximum(factor, measured * beyond)
        return np.clip(factor, 1.0, 1e30)  # the table goes to the ends of single precision


#: No excess anywhere.
FLAT = Excess(np.zeros(1), np.ones(1))


@dataclass(frozen=True)
class Shares:
    """Shares of the values, in the order of the squared gradient.

    Attributes
    ----------
    members : tuple of ndarray of int
        Positions of the values in each share.
    steepness : ndarray
        Median squared gradient of each.
    """

    members: tuple[np.ndarray, ...]
    steepness: np.ndarray

    @classmethod
    def of(cls, steepness):
        """Divide values.

        Parameters
        ----------
        steepness : ndarray, shape (n,)
            Squared gradient at each value.

        Returns
        -------
        Shares
            The shares that have enough values.
        """
        ends = np.round(np.cumsum(SHARES[:-1]) * (steepness.size - 1)).astype(int)
        share = np.searchsorted(np.sort(steepness)[ends], steepness, side="right")
        members = [np.flatnonzero(share == k) for k in range(len(SHARES))]
        members = tuple(b for b in members if len(b) >= LEAST_IN_SHARE)
        return cls(members, np.array([upper_median(steepness[b]) for b in members], dtype=float))

    def excess(self, residual, variance):
        """Find where steep cells scatter more than flat ones.

        Parameters
        ----------
        residual : ndarray, shape (n,)
            Residuals over the root of their expected relative variance.
        variance : ndarray, shape (n,)
            That variance.

        Returns
        -------
        Excess
            The factor on the variance; `FLAT` if all scatter alike.
        """
        if len(self.members) <= N_FLAT:
            return FLAT
        size = np.abs(residual)
        scatter = (np.array([upper_median(size[b]) for b in self.members]) / GAUSSIAN_MAD) ** 2
        base = np.median(scatter[:N_FLAT])
        if base == 0.0:
            return FLAT
        factor = np.maximum.accumulate(np.maximum(scatter / base, 1.0))
        # Within the noise of the medians there is no excess.
        noise = 6.0 / np.sqrt([len(b) for b in self.members])
        factor[factor < 1.0 + noise] = 1.0
        least = SHIFT_SCATTER**2 / (base * float(upper_median(variance)))
        return Excess(self.steepness, factor, least)


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
    excess = Shares.of(steepness).excess(residuals / np.sqrt(variance), variance)
    scatter = np.abs(residuals) / np.sqrt(variance * excess(steepness))
    return excess.table * np.float32((upper_median(scatter) / GAUSSIAN_MAD) ** 2)


def upper_median(values):
    """Find the median quickly.

    Parameters
    ----------
    values : ndarray
        At least one value.

    Returns
    -------
    float
        The middle value; the upper one of an even number.
    """
    middle = values.size // 2
    return np.partition(values, middle)[middle]
