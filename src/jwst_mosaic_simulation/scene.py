"""A scene: everything that determines a set of simulated exposures."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from .artifacts import CosmicRays, Patch
from .detector import DetectorOptions
from .diffuse import Cirrus, Galaxy
from .levels import draw_levels
from .noise import Noise, filter_noise
from .pointing import Pointing
from .sky import Sky, make_sky
from .stars import StarCounts

__all__ = ["Imperfections", "Scene", "compose_scene"]


@dataclass(frozen=True)
class Imperfections:
    """Errors that no level can describe.

    Attributes
    ----------
    pointing_rms : float
        Pointing error of each exposure per axis, arcsec: the telescope looks beside
        the place that the stored WCS gives.
    visit_gradient_rms, exposure_gradient_rms : float
        Expected rms of background gradients, MJy/sr, fixed to the detector.
    gain_rms : float
        Relative error of each exposure's flux scale, which acts on all light.
    row_rms, column_rms : float
        Expected rms of 1/f stripes along the rows, and the columns, of each exposure, MJy/sr.
    glow : float
        Largest height at the right edge of the detector, MJy/sr, of a glow that falls to
        zero over ``glow_columns``; exposures have between none and all of it.
    glow_columns : int
        Its width, full-frame pixels.
    amplifier_rms : float
        Pedestals of the parts of a near-infrared detector that are read together, MJy/sr.
    lyot_offset : float
        Brightness of MIRI's coronagraphic field above the imager's, MJy/sr.

    Notes
    -----
    Loops of real differences of twelve MIRI F2100W exposures close to 0.0055 MJy/sr rms within
    a visit and 0.013 between visits, which gradients of about that size explain. Stripes of
    NIRCam and what they leave are shown in [1]_. Public scripts flag the last 40 columns of
    MIRI for their glow; the field of its coronagraph is known to upset sky matching [2]_.

    References
    ----------
    .. [1] Bagley et al. 2023, ApJL 946, L12, doi:10.3847/2041-8213/acbb08
    .. [2] https://github.com/spacetelescope/jwst/issues/10259
    """

    pointing_rms: float = 0.0
    visit_gradient_rms: float = 0.0
    exposure_gradient_rms: float = 0.0
    gain_rms: float = 0.0
    row_rms: float = 0.0
    column_rms: float = 0.0
    glow: float = 0.0
    glow_columns: int = 40
    amplifier_rms: float = 0.0
    lyot_offset: float = 0.0


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything that determines a set of exposures.

    Attributes
    ----------
    name : str
        Name of the mosaic's product.
    pointings : tuple of Pointing
        The exposures.
    sky : Sky
        The true sky.
    levels : mapping of str to float
        Background level by rootname, MJy/sr, on top of the sky.
    filter_name : str
        One of `FILTERS`.
    noise : Noise
        Photon and read noise.
    detector : DetectorOptions
        Size and defects of the detectors.
    cosmic_rays : CosmicRays, optional
        Cosmic rays; None for none.
    imperfections : Imperfections
        Pointing, gradient and gain errors.
    patches : mapping of str to tuple of Patch
        Afterglow by rootname.
    target : str
        Name of the target.
    seed : int
        Seed of all that is random in the exposures.
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
    patches: Mapping[str, tuple[Patch, ...]] = field(default_factory=lambda: MappingProxyType({}))
    target: str = "SIMULATED"
    seed: int = 1

    def __post_init__(self) -> None:
        names = [p.rootname for p in self.pointings]
        if len(set(names)) != len(names):
            raise ValueError("two pointings have the same rootname")
        missing = set(names) - set(self.levels)
        if missing:
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
    target: str = "SIMULATED",
    **changes: Any,
) -> Scene:
    """Compose a scene, with what is usual for the filter.

    Parameters
    ----------
    name : str
        Name of the mosaic's product.
    pointings : tuple of Pointing
        The exposures.
    filter_name : str, optional
        One of `FILTERS`.
    components : iterable of Galaxy or Cirrus, optional
        Smooth components of the sky, on top of a pedestal usual for the filter.
    stars : StarCounts, optional
        Point sources. The default is none.
    levels : mapping of str to float, optional
        Level by rootname, MJy/sr. The default is random, from `simulation.levels.draw_levels`.
    seed : int, optional
        Seed.
    binning : int, optional
        Full-frame pixels per simulated pixel.
    masked_strips : bool, optional
        Whether MIRI's masked regions are masked.
    target : str, optional
        Name of the target.
    **changes
        Other fields of `Scene` to replace.

    Returns
    -------
    Scene
        The scene.
    """
    sky = make_sky(
        pointings,
        filter_name=filter_name,
        components=components,
        stars=stars,
        binning=binning,
        seed=seed,
    )
    scene = Scene(
        name=name,
        pointings=pointings,
        sky=sky,
        levels=draw_levels(pointings, seed) if levels is None else levels,
        filter_name=filter_name,
        noise=filter_noise(filter_name),
        detector=DetectorOptions(binning=binning, masked_strips=masked_strips),
        target=target,
        seed=seed,
    )
    return replace(scene, **changes)
