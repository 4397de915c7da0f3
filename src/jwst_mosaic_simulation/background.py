"""Backgrounds that are no constants: planes, stripes, glow, pedestals of parts of a detector."""

import numpy as np

from ._random import named_generator
from .aperture import Aperture
from .artifacts import draw_plane
from .detector import lyot_region
from .pointing import Pointing
from .scene import Scene

__all__ = ["draw_background", "draw_stripes"]

# Columns that one amplifier of a near-infrared detector reads.
_AMPLIFIER_COLUMNS = 512


def draw_background(scene: Scene, pointing: Pointing, aperture: Aperture) -> np.ndarray:
    """Draw what the background of an exposure has beside its constant level.

    Parameters
    ----------
    scene : Scene
        The scene.
    pointing : Pointing
        The exposure.
    aperture : Aperture
        Its aperture.

    Returns
    -------
    numpy.ndarray
        Brightness, MJy/sr, of the aperture's shape. Planes and stripes have zero mean over
        the whole frame, the others have not.
    """
    errors, seed, name = scene.imperfections, scene.seed, pointing.rootname
    shape = aperture.shape
    of_visit = named_generator(seed, "visit gradient", pointing.visit_id, pointing.detector)
    background = draw_plane(shape, errors.visit_gradient_rms, of_visit)
    of_exposure = named_generator(seed, "exposure gradient", name)
    background += draw_plane(shape, errors.exposure_gradient_rms, of_exposure)
    for axis, rms in enumerate((errors.row_rms, errors.column_rms)):
        rng = named_generator(seed, ("rows", "columns")[axis], name)
        stripes = rms * draw_stripes(shape[axis], rng)
        background += np.expand_dims(stripes, 1 - axis)
    x, _ = aperture.full_frame_grid()
    height = errors.glow * named_generator(seed, "glow", name).random()
    first = aperture.full_size[0] - errors.glow_columns
    background += height * np.clip((x - first) / errors.glow_columns, 0.0, 1.0)
    pedestals = named_generator(seed, "amplifiers", name).standard_normal(8)
    number = np.clip(x // _AMPLIFIER_COLUMNS, 0, 7).astype(int)
    background += errors.amplifier_rms * pedestals[number]
    if aperture.instrument == "MIRI":
        background += errors.lyot_offset * lyot_region(aperture)
    return background


def draw_stripes(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw 1/f noise.

    Parameters
    ----------
    n : int
        Number of values.
    rng : numpy.random.Generator
        Source of the noise.

    Returns
    -------
    numpy.ndarray
        Values with a power that falls as one over the frequency, zero mean, and an expected
        rms of 1.
    """
    frequency = np.fft.rfftfreq(n)[1:]
    amplitude = frequency**-0.5
    phases = rng.standard_normal((2, frequency.size))
    spectrum = np.concatenate([[0.0], amplitude * (phases[0] + 1j * phases[1])])
    stripes = np.fft.irfft(spectrum, n)
    return stripes * n / np.sqrt(4.0 * np.sum(amplitude**2))
