"""A scene: all parameters of a set of simulated exposures."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ._components import Cirrus, Galaxy, StarCounts
from ._random import named_generator
from ._sky import Sky, make_sky
from .noise import Noise, filter_noise
from .pointing import Pointing


@dataclass(frozen=True)
class DetectorOptions:
    """Size and defects of the simulated detectors.

    Attributes
    ----------
    binning : int
        Full-frame pixels per simulated pixel and axis.
    subarray : tuple of int, optional
        Crop ``(x0, y0, nx, ny)`` in full-frame pixels.
    masked_strips : bool
        Whether MIRI's masked regions are masked.
    bad_fraction : float
        Share of pixels that are DO_NOT_USE, with arbitrary values or NaN.
    hot_fraction : float
        Share of pixels that are HOT but usable.
    """

    binning: int = 1
    subarray: tuple[int, int, int, int] | None = None
    masked_strips: bool = True
    bad_fraction: float = 0.005
    hot_fraction: float = 0.001


@dataclass(frozen=True)
class CosmicRays:
    """Cosmic rays.

    Attributes
    ----------
    fraction : float
        Fraction of the pixels that are hit.
    """

    fraction: float = 0.002


@dataclass(frozen=True)
class Patch:
    """Afterglow of an earlier exposure: a round patch with soft edges.

    Attributes
    ----------
    x, y : float
        Centre, 0-based, pixels.
    radius : float
        Radius at half the height, pixels.
    brightness : float
        Height, MJy/sr.
    """

    x: float
    y: float
    radius: float
    brightness: float


@dataclass(frozen=True)
class Imperfections:
    """Errors of exposures that are no constant level.

    Attributes
    ----------
    pointing_rms : float
        Offset per axis of each exposure's field from its position by the WCS, arcsec.
    visit_gradient_rms, exposure_gradient_rms : float
        Expected rms of background gradients along the detector's axes, MJy/sr.
    gain_rms : float
        Relative error of each exposure's flux scale, for all light.
    row_rms, column_rms : float
        Expected rms of 1/f stripes along rows and columns of each exposure, MJy/sr.
    glow : float
        Largest height of the glow of the last 40 columns, MJy/sr. The heights of exposures
        are uniformly distributed between zero and this value.
    amplifier_rms : float
        Pedestals of the amplifiers of a near-infrared detector, MJy/sr.
    lyot_offset : float
        Brightness of MIRI's coronagraphic field minus that of the imager, MJy/sr.
    """

    pointing_rms: float = 0.0
    visit_gradient_rms: float = 0.0
    exposure_gradient_rms: float = 0.0
    gain_rms: float = 0.0
    row_rms: float = 0.0
    column_rms: float = 0.0
    glow: float = 0.0
    amplifier_rms: float = 0.0
    lyot_offset: float = 0.0


@dataclass(frozen=True, eq=False)
class Scene:
    """All parameters of a set of exposures.

    Attributes
    ----------
    name, target : str
        Names of the mosaic's product and of the target.
    pointings : tuple of Pointing
        The exposures.
    sky : Sky
        The true sky.
    levels : mapping of str to float
        Background level by rootname, MJy/sr, in addition to the sky.
    filter_name : str
        One of `FILTERS`.
    noise, detector, imperfections : Noise, DetectorOptions, Imperfections
        Noise, detectors and errors of the exposures.
    cosmic_rays : CosmicRays, optional
        Cosmic rays; None for none.
    patches : mapping of str to tuple of Patch
        Afterglow by rootname.
    seed : int
        Seed of all random numbers of the exposures.
    """

    name: str
    pointings: tuple[Pointing, ...]
    sky: Sky
    levels: Mapping[str, float]
    filter_name: str
    noise: Noise
    detector: DetectorOptions = field(default_factory=DetectorOptions)
    cosmic_rays: CosmicRays | None = field(default_factory=CosmicRays)
    imperfections: Imperfections = field(default_factory=Imperfections)
    patches: Mapping[str, tuple[Patch, ...]] = field(default_factory=dict)
    target: str = "SIMULATED"
    seed: int = 1

    def __post_init__(self) -> None:
        names = {p.rootname for p in self.pointings}
        if len(names) < len(self.pointings):
            raise ValueError("two pointings have the same rootname")
        if missing := names - set(self.levels):
            raise ValueError(f"no level for {min(missing)}")


def compose_scene(
    name: str,
    pointings: tuple[Pointing, ...],
    *,
    filter_name: str = "F770W",
    components: Iterable[Galaxy | Cirrus] = (),
    stars: StarCounts | None = None,
    levels: Mapping[str, float] | None = None,
    seed: int = 1,
    binning: int = 1,
    masked_strips: bool = True,
    **changes: Any,
) -> Scene:
    """Compose a scene with the usual properties of a filter.

    Parameters
    ----------
    name : str
        Name of the mosaic's product.
    pointings : tuple of Pointing
        The exposures.
    filter_name : str, optional
        One of `FILTERS`.
    components, stars : iterable of Galaxy or Cirrus, StarCounts, optional
        Components of the sky, in addition to the usual background of the filter.
    levels : mapping of str to float, optional
        Level by rootname, MJy/sr. The default is random, from `draw_levels`.
    seed : int, optional
        Seed.
    binning : int, optional
        Full-frame pixels per simulated pixel and axis.
    masked_strips : bool, optional
        Whether MIRI's masked regions are masked.
    **changes
        Other fields of `Scene` to replace.

    Returns
    -------
    Scene
        The scene.
    """
    scene = Scene(
        name=name,
        pointings=pointings,
        sky=make_sky(pointings, filter_name, components, stars, binning, seed),
        levels=draw_levels(pointings, seed) if levels is None else levels,
        filter_name=filter_name,
        noise=filter_noise(filter_name),
        detector=DetectorOptions(binning=binning, masked_strips=masked_strips),
        seed=seed,
    )
    return replace(scene, **changes)


def draw_levels(
    pointings: Iterable[Pointing],
    seed: int = 1,
    *,
    visit_scatter: float = 1.0,
    exposure_scatter: float = 0.05,
    detector_scatter: float = 0.0,
) -> dict[str, float]:
    """Draw a level for each exposure: the sum of terms of visit, exposure and detector.

    Parameters
    ----------
    pointings : iterable of Pointing
        The exposures.
    seed : int, optional
        Seed. A level depends only on the seed and on the names of visit, exposure and detector.
    visit_scatter, exposure_scatter, detector_scatter : float, optional
        Standard deviations between visits, between exposures of a visit, and between
        detectors of an exposure, MJy/sr.

    Returns
    -------
    dict of str to float
        Level by rootname, MJy/sr.
    """

    def draw(*names: str) -> float:
        return named_generator(seed, "level", *names).standard_normal()

    return {
        p.rootname: visit_scatter * draw("visit", p.visit_id)
        + exposure_scatter * draw("exposure", p.exposure_id)
        + detector_scatter * draw("detector", p.rootname)
        for p in pointings
    }
