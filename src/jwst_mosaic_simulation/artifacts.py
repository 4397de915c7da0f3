"""What gets into exposures besides the sky: cosmic rays, afterglow, stray light."""

from dataclasses import dataclass

import numpy as np

__all__ = ["CosmicRays", "Patch", "draw_cosmic_rays", "draw_patch", "draw_plane"]


@dataclass(frozen=True)
class CosmicRays:
    """How many cosmic rays hit and how many are detected.

    Attributes
    ----------
    fraction : float
        Share of pixels that are hit.
    energy : float
        Mean of the exponential energies, in standard deviations of the noise.
    detected : float
        Share of tracks that are flagged JUMP_DET.
    residual : float
        Share of the energy that remains where detected.
    longest : int
        Length of the longest track, pixels.
    """

    fraction: float = 0.002
    energy: float = 20.0
    detected: float = 0.8
    residual: float = 0.02
    longest: int = 7


@dataclass(frozen=True)
class Patch:
    """Afterglow of an earlier exposure: a round patch with soft edges.

    Attributes
    ----------
    x, y : float
        Centre, 0-based pixels.
    radius : float
        Radius at half the height, pixels.
    brightness : float
        Height, MJy/sr.
    """

    x: float
    y: float
    radius: float
    brightness: float


def draw_cosmic_rays(
    shape: tuple[int, int], options: CosmicRays, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw short straight tracks.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    options : CosmicRays
        How many, how strong, how well detected.
    rng : numpy.random.Generator
        Source of the tracks.

    Returns
    -------
    energy : numpy.ndarray
        What remains of the hits in each pixel, in standard deviations of the noise.
    flagged : numpy.ndarray
        Whether a jump was detected in the pixel.
    """
    energy, flagged = np.zeros(shape), np.zeros(shape, dtype=bool)
    n = rng.poisson(options.fraction * shape[0] * shape[1] * 2 / (1 + options.longest))
    rows, columns, track = _tracks(shape, n, options.longest, rng)
    hit = rng.exponential(options.energy, track.size)
    detected = rng.random(n) < options.detected
    hit = np.where(detected[track], options.residual * hit, hit)
    np.add.at(energy, (rows, columns), hit)
    flagged[rows[detected[track]], columns[detected[track]]] = True
    return energy, flagged


def _tracks(
    shape: tuple[int, int], n: int, longest: int, rng: np.random.Generator
) -> tuple[np.ndarray, ...]:
    # Pixels of n tracks of 1 to longest pixels, one per step along the larger axis.
    start = rng.uniform(0, 1, (n, 2)) * shape
    angle = rng.uniform(0, 2 * np.pi, n)
    direction = np.c_[np.sin(angle), np.cos(angle)]
    direction = direction / np.abs(direction).max(axis=1, keepdims=True)
    step = np.arange(longest)
    pixels = np.floor(start[:, None] + step[:, None] * direction[:, None]).astype(int)
    used = step < rng.integers(1, longest + 1, n)[:, None]
    used &= np.all((pixels >= 0) & (pixels < shape), axis=2)
    return *pixels[used].T, np.nonzero(used)[0]


def draw_patch(shape: tuple[int, int], patch: Patch) -> np.ndarray:
    """Draw a patch of afterglow.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    patch : Patch
        The patch.

    Returns
    -------
    numpy.ndarray
        Brightness, MJy/sr.
    """
    y, x = np.ogrid[: shape[0], : shape[1]]
    distance = np.hypot(x - patch.x, y - patch.y)
    return patch.brightness / (1 + np.exp(np.clip(distance - patch.radius, -50, 50)))


def draw_plane(shape: tuple[int, int], rms: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a background gradient across the detector.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    rms : float
        Expected rms over the pixels, MJy/sr.
    rng : numpy.random.Generator
        Source of the two slopes.

    Returns
    -------
    numpy.ndarray
        Plane of zero mean, MJy/sr.
    """
    slopes = rms * np.sqrt(1.5) * rng.standard_normal(2)
    y, x = (np.linspace(-1, 1, n) for n in shape)
    return slopes[0] * x[None, :] + slopes[1] * y[:, None]
