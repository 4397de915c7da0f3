"""Components of the simulated sky: galaxies, cirrus, stars."""

from dataclasses import dataclass

import numpy as np
from scipy import fft

_PITCH = np.deg2rad(20.0)  # pitch angle of spiral arms
_FLUX_WIDTH = 1.2  # standard deviation of the logarithm (base e) of a log-normal flux


@dataclass(frozen=True)
class Galaxy:
    """Inclined exponential disc with two spiral arms and a bulge.

    Attributes
    ----------
    peak : float
        Central brightness of the disc without arms, MJy/sr.
    scale_length : float
        Scale length of the disc, arcsec.
    x, y : float
        Offsets of the centre from the middle of the field, east and north, arcsec.
    axis_ratio, angle : float
        Apparent minor over major axis; position angle of the major axis, degrees.
    arm_contrast : float
        Amplitude of the arms in units of the disc, from 0 (none) to 1.
    bulge : float
        Central brightness of the bulge in units of ``peak``.
    """

    peak: float
    scale_length: float
    x: float = 0.0
    y: float = 0.0
    axis_ratio: float = 0.7
    angle: float = 30.0
    arm_contrast: float = 0.7
    bulge: float = 4.0

    def draw(self, x: np.ndarray, y: np.ndarray, _: np.random.Generator) -> np.ndarray:
        """Draw at offsets in arcsec, shapes (1, nx) and (ny, 1); MJy/sr, shape (ny, nx)."""
        cos, sin = np.cos(np.deg2rad(self.angle)), np.sin(np.deg2rad(self.angle))
        dx, dy = x - self.x, y - self.y
        along, across = dx * sin + dy * cos, (dx * cos - dy * sin) / self.axis_ratio
        radius = np.hypot(along, across) / self.scale_length
        phase = np.arctan2(across, along) - np.log(radius + 1e-3) / np.tan(_PITCH)
        # The phase diverges at the centre: the arms fade out inside half a scale length.
        arms = self.arm_contrast * np.cos(2 * phase) * radius**2 / (radius**2 + 0.25)
        return self.peak * (np.exp(-radius) * (1 + arms) + self.bulge * np.exp(-8 * radius))


@dataclass(frozen=True)
class Cirrus:
    """Filamentary emission over the whole field: log-normal, with a power-law spectrum.

    Attributes
    ----------
    mean : float
        Mean brightness, MJy/sr.
    contrast : float
        Standard deviation of the logarithm (base e) of the brightness.
    slope : float
        Slope of the power spectrum; 3 is typical of interstellar emission.
    """

    mean: float
    contrast: float = 0.5
    slope: float = 3.0

    def draw(self, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw at offsets in arcsec, shapes (1, nx) and (ny, 1); MJy/sr, shape (ny, nx)."""
        padded = tuple(fft.next_fast_len(n, real=True) for n in (y.size, x.size))
        spectrum = fft.rfft2(rng.standard_normal(padded))
        frequency = np.hypot(fft.fftfreq(padded[0])[:, None], fft.rfftfreq(padded[1]))
        frequency[0, 0] = np.inf
        spectrum = spectrum * frequency ** (-self.slope / 2)
        field = fft.irfft2(spectrum, s=padded)[: y.size, : x.size]
        field = (field - field.mean()) / field.std()
        return self.mean * np.exp(self.contrast * field - self.contrast**2 / 2)


@dataclass(frozen=True)
class StarCounts:
    """Number and brightness of the point sources.

    Attributes
    ----------
    number : int
        Number of sources in the whole field.
    flux : float
        Median flux (log-normal) or faintest flux (power law), uJy.
    slope : float, optional
        Differential slope of a power law, e.g. 1.8. The default is a log-normal.
    brightest : float
        Upper limit of the flux, uJy.
    """

    number: int
    flux: float = 5.0
    slope: float | None = None
    brightest: float = 3000.0

    def draw(self, half_size: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
        """Draw offsets x, y within ``half_size``, arcsec, and fluxes, uJy; shape (3, number)."""
        x, y = rng.uniform(-1, 1, (2, self.number)) * np.array(half_size)[:, None]
        if self.slope is None:
            flux = self.flux * np.exp(_FLUX_WIDTH * rng.standard_normal(self.number))
        else:
            # Fluxes above the faintest follow N(> f) ~ f**(1 - slope).
            flux = self.flux * rng.uniform(size=self.number) ** (1 / (1 - self.slope))
        return np.stack([x, y, np.minimum(flux, self.brightest)])
