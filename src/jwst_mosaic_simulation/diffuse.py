"""Smooth components of the simulated sky, drawn on the tangent plane."""

from dataclasses import dataclass

import numpy as np
from scipy import fft

__all__ = ["Cirrus", "Galaxy", "random_field"]


@dataclass(frozen=True)
class Galaxy:
    """Inclined exponential disc with spiral arms and a bulge.

    Attributes
    ----------
    peak : float
        Central brightness of the disc without arms, MJy/sr.
    scale_length : float
        Scale length of the disc, arcsec.
    x, y : float, optional
        Offsets of the centre from the middle of the field, east and north, arcsec.
    axis_ratio : float, optional
        Apparent minor over major axis.
    angle : float, optional
        Position angle of the major axis, degrees.
    arm_contrast : float, optional
        Arms over disc, from 0 (none) to 1.
    pitch : float, optional
        Pitch angle of the two arms, degrees.
    bulge : float, optional
        Central brightness of the bulge over that of the disc.
    """

    peak: float
    scale_length: float
    x: float = 0.0
    y: float = 0.0
    axis_ratio: float = 0.7
    angle: float = 30.0
    arm_contrast: float = 0.7
    pitch: float = 20.0
    bulge: float = 4.0

    def draw(self, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw the component.

        Parameters
        ----------
        x, y : numpy.ndarray
            Offsets from the middle of the field, arcsec; shapes (1, nx) and (ny, 1).
        rng : numpy.random.Generator
            Not used: a galaxy has nothing random.

        Returns
        -------
        numpy.ndarray
            Brightness, MJy/sr, shape (ny, nx).
        """
        cos, sin = np.cos(np.deg2rad(self.angle)), np.sin(np.deg2rad(self.angle))
        dx, dy = x - self.x, y - self.y
        along, across = dx * sin + dy * cos, (dx * cos - dy * sin) / self.axis_ratio
        radius = np.hypot(along, across) / self.scale_length
        phase = np.arctan2(across, along) - np.log(radius + 1e-3) / np.tan(np.deg2rad(self.pitch))
        # The spiral winds without end at the centre: fade it out inside half a scale length.
        arms = self.arm_contrast * np.cos(2 * phase) * radius**2 / (radius**2 + 0.25)
        return self.peak * (np.exp(-radius) * (1 + arms) + self.bulge * np.exp(-8 * radius))


@dataclass(frozen=True)
class Cirrus:
    """Filamentary emission that fills the field: log-normal, with a power-law spectrum.

    Attributes
    ----------
    mean : float
        Mean brightness, MJy/sr.
    contrast : float, optional
        Standard deviation of the logarithm (base e) of the brightness.
    slope : float, optional
        Slope of the power spectrum; 3 is typical of interstellar emission.
    """

    mean: float
    contrast: float = 0.5
    slope: float = 3.0

    def draw(self, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw the component.

        Parameters
        ----------
        x, y : numpy.ndarray
            Offsets from the middle of the field, arcsec; shapes (1, nx) and (ny, 1).
        rng : numpy.random.Generator
            Source of the random field.

        Returns
        -------
        numpy.ndarray
            Brightness, MJy/sr, shape (ny, nx).
        """
        field = random_field((y.size, x.size), self.slope, rng)
        return self.mean * np.exp(self.contrast * field - self.contrast**2 / 2)


def random_field(shape: tuple[int, int], slope: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a Gaussian random field with a power-law spectrum.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    slope : float
        Slope of the power spectrum, positive for more power on large scales.
    rng : numpy.random.Generator
        Source of the field.

    Returns
    -------
    numpy.ndarray
        Field of zero mean and unit variance.
    """
    padded = tuple(fft.next_fast_len(n, real=True) for n in shape)
    spectrum = fft.rfft2(rng.standard_normal(padded))
    frequency = np.hypot(fft.fftfreq(padded[0])[:, None], fft.rfftfreq(padded[1]))
    frequency[0, 0] = np.inf
    field = fft.irfft2(spectrum * frequency ** (-slope / 2), s=padded)[: shape[0], : shape[1]]
    return (field - field.mean()) / field.std()
