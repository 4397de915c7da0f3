"""One simulated exposure, and what is true of it."""

from dataclasses import dataclass

import numpy as np
from gwcs import WCS
from stdatamodels.jwst.datamodels import ImageModel

from ._random import named_generator
from .aperture import Aperture, load_aperture
from .artifacts import draw_cosmic_rays, draw_patch
from .attitude import build_wcs
from .background import draw_background
from .detector import FLAGS, draw_dq
from .metadata import fill_metadata
from .noise import add_noise, variances
from .pointing import Pointing
from .scene import Scene

__all__ = ["Truth", "pointing_error", "simulate_exposure", "true_exposure", "true_level"]

# Share of the light in MIRI's masked strips: enough below one that a method which
# forgets to mask them is visibly wrong.
_STRIP_LIGHT = 0.7


@dataclass(frozen=True, eq=False)
class Truth:
    """What is true of an exposure.

    Attributes
    ----------
    level : float
        Mean of the background over the good pixels, MJy/sr.
    signal : numpy.ndarray
        Noiseless brightness including the level, without cosmic rays, MJy/sr.
    variance : numpy.ndarray
        Variance of the noise, (MJy/sr)**2.
    dq : numpy.ndarray
        Data quality before cosmic rays.
    """

    level: float
    signal: np.ndarray
    variance: np.ndarray
    dq: np.ndarray

    @property
    def good(self) -> np.ndarray:
        """Whether each pixel may be used."""
        return (self.dq & FLAGS["DO_NOT_USE"]) == 0


def true_exposure(scene: Scene, pointing: Pointing) -> Truth:
    """Find what an exposure would show without noise and cosmic rays.

    Parameters
    ----------
    scene : Scene
        The scene.
    pointing : Pointing
        The exposure.

    Returns
    -------
    Truth
        Signal, variance and data quality.
    """
    aperture = _aperture(scene, pointing)
    background = _background(scene, pointing, aperture)
    light = scene.sky.observe(_true_wcs(scene, pointing, aperture), aperture.shape) + background
    for patch in scene.patches.get(pointing.rootname, ()):
        light = light + draw_patch(aperture.shape, patch)
    gain = named_generator(scene.seed, "gain", pointing.rootname).standard_normal()
    signal = light * (1 + scene.imperfections.gain_rms * gain)
    dq = draw_dq(aperture, pointing.detector, scene.detector, scene.seed)
    poisson, read = variances(signal, scene.noise)
    return Truth(
        level=_mean_level(background, dq),
        signal=signal,
        variance=poisson + read,
        dq=dq,
    )


def simulate_exposure(scene: Scene, pointing: Pointing) -> ImageModel:
    """Simulate a calibrated exposure.

    Parameters
    ----------
    scene : Scene
        The scene.
    pointing : Pointing
        The exposure.

    Returns
    -------
    stdatamodels.jwst.datamodels.ImageModel
        Data, errors, variances, data quality, WCS and metadata as after
        calwebb_image2.
    """
    truth = true_exposure(scene, pointing)
    signal = np.where(truth.dq & FLAGS["NON_SCIENCE"], _STRIP_LIGHT * truth.signal, truth.signal)
    rng = named_generator(scene.seed, "noise", pointing.rootname)
    data = add_noise(signal, scene.noise, rng)
    data, dq = _add_cosmic_rays(data, truth, scene, pointing)
    data = _spoil_bad_pixels(data, truth, scene, pointing)
    aperture = _aperture(scene, pointing)
    model = _make_model(data, dq, variances(data, scene.noise))
    model.meta.wcs = build_wcs(aperture, pointing.ra_ref, pointing.dec_ref, pointing.roll_ref)
    fill_metadata(
        model,
        pointing,
        aperture,
        filter_name=scene.filter_name,
        exposure_time=scene.noise.exposure_time,
        target=scene.target,
    )
    return model


def true_level(scene: Scene, pointing: Pointing) -> float:
    """Find the mean of an exposure's background, as `true_exposure` does but without its sky.

    Parameters
    ----------
    scene : Scene
        The scene.
    pointing : Pointing
        One of its exposures.

    Returns
    -------
    float
        Mean over the good pixels, MJy/sr.
    """
    aperture = _aperture(scene, pointing)
    dq = draw_dq(aperture, pointing.detector, scene.detector, scene.seed)
    return _mean_level(_background(scene, pointing, aperture), dq)


def _background(scene: Scene, pointing: Pointing, aperture: Aperture) -> np.ndarray:
    return scene.levels[pointing.rootname] + draw_background(scene, pointing, aperture)


def _mean_level(background: np.ndarray, dq: np.ndarray) -> float:
    return float(background[(dq & FLAGS["DO_NOT_USE"]) == 0].mean())


def _aperture(scene: Scene, pointing: Pointing) -> Aperture:
    return load_aperture(pointing.aperture, scene.detector.binning, scene.detector.subarray)


def pointing_error(scene: Scene, pointing: Pointing) -> np.ndarray:
    """Find how far beside its WCS's place an exposure looks.

    Parameters
    ----------
    scene : Scene
        The scene.
    pointing : Pointing
        One of its exposures.

    Returns
    -------
    ndarray, shape (2,)
        East and north, arcsec; the image is shifted by the opposite.
    """
    # All detectors of an exposure share the telescope's error.
    rng = named_generator(scene.seed, "pointing", pointing.exposure_id)
    return scene.imperfections.pointing_rms * rng.standard_normal(2)


def _true_wcs(scene: Scene, pointing: Pointing, aperture: Aperture) -> WCS:
    east, north = pointing_error(scene, pointing) / 3600
    ra = pointing.ra_ref + east / np.cos(np.deg2rad(pointing.dec_ref))
    return build_wcs(aperture, ra, pointing.dec_ref + north, pointing.roll_ref)


def _add_cosmic_rays(
    data: np.ndarray, truth: Truth, scene: Scene, pointing: Pointing
) -> tuple[np.ndarray, np.ndarray]:
    if scene.cosmic_rays is None:
        return data, truth.dq
    rng = named_generator(scene.seed, "cosmic rays", pointing.rootname)
    energy, flagged = draw_cosmic_rays(data.shape, scene.cosmic_rays, rng)
    dq = np.where(flagged, truth.dq | FLAGS["JUMP_DET"], truth.dq)
    return data + energy * np.sqrt(truth.variance), dq


def _spoil_bad_pixels(
    data: np.ndarray, truth: Truth, scene: Scene, pointing: Pointing
) -> np.ndarray:
    # Unusable pixels hold wild values; as in real files, part of them NaN.
    rng = named_generator(scene.seed, "bad values", pointing.rootname)
    wild = np.exp(rng.normal(3, 2, data.shape)) * rng.choice([-1, 1], data.shape)
    empty = rng.random(data.shape) < scene.detector.nan_fraction
    strips = (truth.dq & FLAGS["NON_SCIENCE"]) != 0
    data = np.where(truth.good | strips, data, data + wild)
    return np.where(empty & ~truth.good, np.nan, data)


def _make_model(
    data: np.ndarray, dq: np.ndarray, quoted: tuple[np.ndarray, np.ndarray]
) -> ImageModel:
    poisson, read = quoted
    model = ImageModel(data.astype(np.float32))
    model.dq = dq.astype(np.uint32)
    model.err = np.sqrt(poisson + read).astype(np.float32)
    model.var_poisson = poisson.astype(np.float32)
    model.var_rnoise = read.astype(np.float32)
    model.var_flat = np.where(np.isnan(data), np.nan, 0).astype(np.float32)
    return model
