"""Exposures of a scene and their true values, as models or as files with an association."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from stdatamodels.jwst.datamodels import ImageModel

from ._effects import (
    FLAGS,
    add_noise,
    draw_background,
    draw_cosmic_rays,
    draw_dq,
    draw_patch,
    variances,
)
from ._geometry import Aperture, build_wcs, load_aperture
from ._metadata import fill_metadata
from ._random import named_generator
from .pointing import Pointing
from .scene import Scene

# Share of the light in MIRI's masked strips. A method without the mask has visible errors.
_STRIP_LIGHT = 0.7
# Share of NaN among the unusable pixels; the others have arbitrary values.
_NAN_FRACTION = 0.5


@dataclass(frozen=True, eq=False)
class Truth:
    """Noiseless values of an exposure.

    Attributes
    ----------
    signal : numpy.ndarray, shape (ny, nx)
        Brightness with the level, MJy/sr, without noise and cosmic rays.
    variance : numpy.ndarray, shape (ny, nx)
        Variance of the noise, (MJy/sr)**2.
    dq : numpy.ndarray of uint32, shape (ny, nx)
        Data quality, without flags of cosmic rays.
    """

    signal: np.ndarray
    variance: np.ndarray
    dq: np.ndarray

    @property
    def good(self) -> np.ndarray:
        """Whether each pixel is usable."""
        return (self.dq & FLAGS["DO_NOT_USE"]) == 0


def true_exposure(scene: Scene, pointing: Pointing) -> Truth:
    """Compute an exposure without noise and cosmic rays.

    Parameters
    ----------
    scene, pointing : Scene, Pointing
        The scene and one of its exposures.

    Returns
    -------
    Truth
        Signal, variance and data quality.
    """
    aperture, background, dq = _background_and_dq(scene, pointing)
    east, north = pointing_error(scene, pointing) / 3600
    ra = pointing.ra_ref + east / np.cos(np.deg2rad(pointing.dec_ref))
    wcs = build_wcs(aperture, ra, pointing.dec_ref + north, pointing.roll_ref)
    light = scene.sky.observe(wcs, aperture.shape) + background
    for patch in scene.patches.get(pointing.rootname, ()):
        light = light + draw_patch(aperture.shape, patch)
    gain = named_generator(scene.seed, "gain", pointing.rootname).standard_normal()
    signal = light * (1 + scene.imperfections.gain_rms * gain)
    variance = np.add(*variances(signal, scene.noise))
    return Truth(signal, variance, dq)


def true_level(scene: Scene, pointing: Pointing) -> float:
    """Compute the mean background of an exposure, which includes its level.

    Parameters
    ----------
    scene, pointing : Scene, Pointing
        The scene and one of its exposures.

    Returns
    -------
    float
        Mean over the good pixels, MJy/sr.
    """
    _, background, dq = _background_and_dq(scene, pointing)
    return float(background[(dq & FLAGS["DO_NOT_USE"]) == 0].mean())


def pointing_error(scene: Scene, pointing: Pointing) -> np.ndarray:
    """Compute the offset of an exposure's field from its position by the WCS.

    Parameters
    ----------
    scene, pointing : Scene, Pointing
        The scene and one of its exposures.

    Returns
    -------
    numpy.ndarray, shape (2,)
        East and north, arcsec; the shift of the image has the opposite sign.
    """
    # The telescope's error is common to all detectors of an exposure.
    rng = named_generator(scene.seed, "pointing", pointing.exposure_id)
    return scene.imperfections.pointing_rms * rng.standard_normal(2)


def simulate_exposure(scene: Scene, pointing: Pointing) -> ImageModel:
    """Simulate a calibrated exposure.

    Parameters
    ----------
    scene, pointing : Scene, Pointing
        The scene and one of its exposures.

    Returns
    -------
    stdatamodels.jwst.datamodels.ImageModel
        Data, errors, variances, data quality, WCS and metadata as after calwebb_image2.
    """
    truth = true_exposure(scene, pointing)
    signal = np.where(truth.dq & FLAGS["NON_SCIENCE"], _STRIP_LIGHT * truth.signal, truth.signal)
    name, dq = pointing.rootname, truth.dq
    data = add_noise(signal, scene.noise, named_generator(scene.seed, "noise", name))
    if scene.cosmic_rays is not None:
        rng = named_generator(scene.seed, "cosmic rays", name)
        energy, flagged = draw_cosmic_rays(data.shape, scene.cosmic_rays.fraction, rng)
        dq = np.where(flagged, dq | FLAGS["JUMP_DET"], dq)
        data = data + energy * np.sqrt(truth.variance)
    data = _spoil_bad_pixels(data, truth, named_generator(scene.seed, "bad values", name))
    poisson, read = variances(data, scene.noise)
    model = ImageModel(data.astype(np.float32))
    model.dq = dq.astype(np.uint32)
    model.err = np.sqrt(poisson + read).astype(np.float32)
    model.var_poisson = poisson.astype(np.float32)
    model.var_rnoise = read.astype(np.float32)
    model.var_flat = np.where(np.isnan(data), np.nan, 0).astype(np.float32)
    aperture = _aperture(scene, pointing)
    model.meta.wcs = build_wcs(aperture, pointing.ra_ref, pointing.dec_ref, pointing.roll_ref)
    fill_metadata(model, scene, pointing, aperture)
    return model


@dataclass(frozen=True)
class Simulation:
    """Files of a simulated mosaic and the true levels.

    Attributes
    ----------
    association, files : pathlib.Path, tuple of pathlib.Path
        The image3 association and its exposures.
    levels : mapping of str to float
        True level by rootname, MJy/sr.
    """

    association: Path
    files: tuple[Path, ...]
    levels: Mapping[str, float]


def simulate_models(scene: Scene) -> list[ImageModel]:
    """Simulate all exposures of a scene in memory.

    Parameters
    ----------
    scene : Scene
        The scene.

    Returns
    -------
    list of stdatamodels.jwst.datamodels.ImageModel
        The exposures in the order of the pointings.
    """
    return [simulate_exposure(scene, pointing) for pointing in scene.pointings]


def simulate_mosaic(scene: Scene, directory: str | Path) -> Simulation:
    """Simulate a scene into files that calwebb_image3 can process.

    Parameters
    ----------
    scene : Scene
        The scene.
    directory : str or path-like
        Directory for ``<rootname>_cal.fits`` and ``<name>_asn.json``, which is made if it does
        not exist. Files of the same name are replaced.

    Returns
    -------
    Simulation
        Paths and true levels.
    """
    # Imported here, so that simulated models need no jwst.
    from jwst.associations.asn_from_list import asn_from_list

    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    files = tuple(directory / f"{p.rootname}_cal.fits" for p in scene.pointings)
    for pointing, file in zip(scene.pointings, files, strict=True):
        with simulate_exposure(scene, pointing) as model:
            model.save(file)
    association = asn_from_list([file.name for file in files], product_name=scene.name)
    association["asn_type"] = "image3"
    association["program"] = scene.pointings[0].program
    association["target"] = scene.target
    path = directory / f"{scene.name}_asn.json"
    path.write_text(association.dump()[1])
    return Simulation(path, files, {p.rootname: scene.levels[p.rootname] for p in scene.pointings})


def _aperture(scene: Scene, pointing: Pointing) -> Aperture:
    return load_aperture(pointing.aperture, scene.detector.binning, scene.detector.subarray)


def _background_and_dq(scene: Scene, pointing: Pointing) -> tuple[Aperture, np.ndarray, np.ndarray]:
    aperture = _aperture(scene, pointing)
    background = scene.levels[pointing.rootname] + draw_background(scene, pointing, aperture)
    return aperture, background, draw_dq(aperture, pointing.detector, scene.detector, scene.seed)


def _spoil_bad_pixels(data: np.ndarray, truth: Truth, rng: np.random.Generator) -> np.ndarray:
    # Unusable pixels have arbitrary values, and a part of them NaN, as in real files.
    wild = np.exp(rng.normal(3, 2, data.shape)) * rng.choice([-1, 1], data.shape)
    empty = rng.random(data.shape) < _NAN_FRACTION
    strips = (truth.dq & FLAGS["NON_SCIENCE"]) != 0
    data = np.where(truth.good | strips, data, data + wild)
    return np.where(empty & ~truth.good, np.nan, data)
