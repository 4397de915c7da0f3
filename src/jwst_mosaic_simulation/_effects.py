"""Effects of detector and telescope: flags, backgrounds, noise, cosmic rays, afterglow."""

import numpy as np
from stdatamodels.jwst.datamodels import dqflags

from ._geometry import Aperture
from ._random import named_generator
from .noise import Noise
from .pointing import Pointing
from .scene import DetectorOptions, Patch, Scene

FLAGS = dqflags.pixel
# Light of the sky reaches MIRI's imager right of this full-frame column, and in the field of the
# Lyot coronagraph (columns, rows).
_IMAGER_EDGE = 357
_LYOT = (10, 280), (745, 1019)
# Full-frame columns of one amplifier of a near-infrared detector.
_AMPLIFIER_COLUMNS = 512
# Full-frame columns of the glow at the right edge of the detector.
_GLOW_COLUMNS = 40
# Cosmic rays: mean of the exponential energies, in standard deviations of the noise; share of
# flagged tracks; share of the energy of flagged tracks that remains; longest track, pixels.
_ENERGY, _DETECTED, _RESIDUAL, _LONGEST = 20.0, 0.8, 0.02, 7


def draw_dq(aperture: Aperture, detector: str, options: DetectorOptions, seed: int) -> np.ndarray:
    """Draw the data quality, uint32, which is common to all exposures of a detector."""
    draw = named_generator(seed, "bad pixels", detector).random(aperture.shape)
    dq = np.zeros(aperture.shape, dtype=np.uint32)
    bad, hot = options.bad_fraction, options.hot_fraction
    dq[draw < bad] |= FLAGS["DO_NOT_USE"]
    dq[(draw >= bad) & (draw < bad + hot)] |= FLAGS["HOT"]
    dq[_reference_pixels(aperture)] |= FLAGS["DO_NOT_USE"] | FLAGS["REFERENCE_PIXEL"]
    if options.masked_strips and aperture.siaf["instrument"] == "MIRI":
        x, _ = aperture.full_frame_grid()
        strips = (x < _IMAGER_EDGE) & ~lyot_region(aperture)
        dq[strips] |= FLAGS["DO_NOT_USE"] | FLAGS["NON_SCIENCE"]
    return dq


def _reference_pixels(aperture: Aperture) -> np.ndarray:
    # A simulated pixel counts if any of its full-frame pixels is a reference pixel.
    half = (aperture.binning - 1) / 2
    (x, y), (nx, ny) = aperture.full_frame_grid(), aperture.full_size
    columns, rows = (width * aperture.binning for width in aperture.reference_columns_rows)
    in_columns = (columns > 0) & ((x - half < columns) | (x + half >= nx - columns))
    in_rows = (rows > 0) & ((y - half < rows) | (y + half >= ny - rows))
    return in_columns | in_rows


def lyot_region(aperture: Aperture) -> np.ndarray:
    """Mark the pixels in the field of MIRI's Lyot coronagraph."""
    x, y = aperture.full_frame_grid()
    (x0, x1), (y0, y1) = _LYOT
    return (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)


def draw_background(scene: Scene, pointing: Pointing, aperture: Aperture) -> np.ndarray:
    """Draw the background of an exposure without its constant level, MJy/sr.

    Planes and stripes have zero mean over the whole frame. The means of glow, pedestals and
    Lyot field are not zero.
    """
    errors, seed, name = scene.imperfections, scene.seed, pointing.rootname
    shape = aperture.shape
    of_visit = named_generator(seed, "visit gradient", pointing.visit_id, pointing.detector)
    background = draw_plane(shape, errors.visit_gradient_rms, of_visit)
    of_exposure = named_generator(seed, "exposure gradient", name)
    background += draw_plane(shape, errors.exposure_gradient_rms, of_exposure)
    rows = draw_stripes(shape[0], named_generator(seed, "rows", name))
    columns = draw_stripes(shape[1], named_generator(seed, "columns", name))
    background += errors.row_rms * rows[:, None]
    background += errors.column_rms * columns
    x, _ = aperture.full_frame_grid()
    height = errors.glow * named_generator(seed, "glow", name).random()
    first = aperture.full_size[0] - _GLOW_COLUMNS
    background += height * np.clip((x - first) / _GLOW_COLUMNS, 0.0, 1.0)
    pedestals = named_generator(seed, "amplifiers", name).standard_normal(8)
    number = np.clip(x // _AMPLIFIER_COLUMNS, 0, 7).astype(int)
    background += errors.amplifier_rms * pedestals[number]
    if aperture.siaf["instrument"] == "MIRI":
        background += errors.lyot_offset * lyot_region(aperture)
    return background


def draw_plane(shape: tuple[int, int], rms: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a plane of zero mean with the expected rms ``rms`` over the pixels."""
    slopes = rms * np.sqrt(1.5) * rng.standard_normal(2)
    y, x = (np.linspace(-1, 1, n) for n in shape)
    return slopes[0] * x[None, :] + slopes[1] * y[:, None]


def draw_stripes(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw n values of 1/f noise with zero mean and an expected rms of 1."""
    frequency = np.fft.rfftfreq(n)[1:]
    amplitude = frequency**-0.5
    phases = rng.standard_normal((2, frequency.size))
    spectrum = np.concatenate([[0.0], amplitude * (phases[0] + 1j * phases[1])])
    stripes = np.fft.irfft(spectrum, n)
    return stripes * n / np.sqrt(4.0 * np.sum(amplitude**2))


def draw_patch(shape: tuple[int, int], patch: Patch) -> np.ndarray:
    """Draw a patch of afterglow, MJy/sr."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    distance = np.hypot(x - patch.x, y - patch.y)
    return patch.brightness / (1 + np.exp(np.clip(distance - patch.radius, -50, 50)))


def variances(brightness: np.ndarray, noise: Noise) -> tuple[np.ndarray, np.ndarray]:
    """Compute Poisson and read variance, (MJy/sr)**2; NaN where the brightness is NaN.

    Noiseless brightness gives true variances, noisy brightness the quoted variances.
    """
    poisson = np.maximum(brightness, 0) / noise.electrons
    read = np.where(np.isnan(brightness), np.nan, (noise.read_noise / noise.electrons) ** 2)
    return poisson, read


def add_noise(brightness: np.ndarray, noise: Noise, rng: np.random.Generator) -> np.ndarray:
    """Add photon and read noise to a finite brightness, MJy/sr, if noise is drawn."""
    if not noise.draw:
        return brightness
    electrons = brightness * noise.electrons
    light = np.maximum(electrons, 0)
    noisy = rng.poisson(light) + (electrons - light)
    noisy = noisy + noise.read_noise * rng.standard_normal(brightness.shape, dtype=np.float32)
    return noisy / noise.electrons


def draw_cosmic_rays(
    shape: tuple[int, int], fraction: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw short straight tracks over a fraction of the pixels.

    The first array is the energy after the correction of flagged hits, in standard deviations
    of the noise. The second array marks pixels with a detected jump.
    """
    n = rng.poisson(fraction * shape[0] * shape[1] * 2 / (1 + _LONGEST))
    start = rng.uniform(0, 1, (n, 2)) * shape
    angle = rng.uniform(0, 2 * np.pi, n)
    direction = np.c_[np.sin(angle), np.cos(angle)]
    direction = direction / np.abs(direction).max(axis=1, keepdims=True)
    # One pixel per step along the larger axis.
    step = np.arange(_LONGEST)
    pixels = np.floor(start[:, None] + step[:, None] * direction[:, None]).astype(int)
    used = step < rng.integers(1, _LONGEST + 1, n)[:, None]
    used &= np.all((pixels >= 0) & (pixels < shape), axis=2)
    (rows, columns), track = pixels[used].T, np.nonzero(used)[0]
    hit = rng.exponential(_ENERGY, track.size)
    detected = (rng.random(n) < _DETECTED)[track]
    energy, flagged = np.zeros(shape), np.zeros(shape, dtype=bool)
    np.add.at(energy, (rows, columns), np.where(detected, _RESIDUAL * hit, hit))
    flagged[rows[detected], columns[detected]] = True
    return energy, flagged
