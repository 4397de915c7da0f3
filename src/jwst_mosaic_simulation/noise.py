"""Photon and read noise, and the variances a pipeline would quote."""

from dataclasses import dataclass

import numpy as np

from .filters import FILTERS

__all__ = ["Noise", "add_noise", "filter_noise", "variances"]


@dataclass(frozen=True)
class Noise:
    """How light becomes electrons.

    Attributes
    ----------
    electrons : float
        Electrons collected in a pixel per MJy/sr.
    read_noise : float
        Read noise, electrons.
    exposure_time : float
        Exposure time, s.
    draw : bool
        Whether noise is added to the data. Without, the quoted variances stay.
    """

    electrons: float
    read_noise: float
    exposure_time: float
    draw: bool = True


def filter_noise(
    filter_name: str, *, exposure_time: float | None = None, draw: bool = True
) -> Noise:
    """Make the noise usual for a filter.

    Parameters
    ----------
    filter_name : str
        One of `FILTERS`.
    exposure_time : float, optional
        Exposure time, s. The default is usual for the filter.
    draw : bool, optional
        Whether noise is added to the data.

    Returns
    -------
    Noise
        The noise.
    """
    numbers = FILTERS[filter_name]
    time = numbers.exposure_time if exposure_time is None else exposure_time
    electrons = numbers.gain * time / numbers.conversion
    return Noise(electrons=electrons, read_noise=numbers.read_noise, exposure_time=time, draw=draw)


def variances(brightness: np.ndarray, noise: Noise) -> tuple[np.ndarray, np.ndarray]:
    """Compute the variances of pixels of some brightness.

    Parameters
    ----------
    brightness : numpy.ndarray
        Brightness, MJy/sr. From noiseless data the result is the truth, from
        noisy data it is what a pipeline would quote.
    noise : Noise
        The noise.

    Returns
    -------
    poisson, read : numpy.ndarray
        Variances, (MJy/sr)**2; NaN where the brightness is NaN.
    """
    poisson = np.maximum(brightness, 0) / noise.electrons
    read = np.where(np.isnan(brightness), np.nan, (noise.read_noise / noise.electrons) ** 2)
    return poisson, read


def add_noise(brightness: np.ndarray, noise: Noise, rng: np.random.Generator) -> np.ndarray:
    """Add photon and read noise.

    Parameters
    ----------
    brightness : numpy.ndarray
        Noiseless brightness, MJy/sr, finite.
    noise : Noise
        The noise.
    rng : numpy.random.Generator
        Source of the noise.

    Returns
    -------
    numpy.ndarray
        Noisy brightness, MJy/sr.
    """
    if not noise.draw:
        return brightness
    electrons = brightness * noise.electrons
    light = np.maximum(electrons, 0)
    noisy = rng.poisson(light) + (electrons - light)
    noisy = noisy + noise.read_noise * rng.standard_normal(brightness.shape, dtype=np.float32)
    return noisy / noise.electrons
