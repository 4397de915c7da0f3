"""A scene: everything that determines a set of simulated exposures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from .artifacts import CosmicRays, Patch
from .detector import DetectorOptions
from .noise import Noise
from .pointing import Pointing
from .sky import Sky

__all__ = ["Imperfections", "Scene"]


@dataclass(frozen=True)
class Imperfections:
    """Errors that no level can describe.

    Attributes
    ----------
    pointing_rms : float
        Pointing error of each exposure per axis, arcsec. The sky is seen from the
        displaced position while the stored WCS is the nominal one.
    visit_gradient_rms, exposure_gradient_rms : float
        Expected rms of background gradients, MJy/sr, fixed to the detector.
    gain_rms : float
        Relative error of each exposure's flux scale, which acts on all light.
    """

    pointing_rms: float = 0.0
    visit_gradient_rms: float = 0.0
    exposure_gradient_rms: float = 0.0
    gain_rms: float = 0.0


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
    band : str
        Filter.
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
    band: str
    noise: Noise
    detector: DetectorOptions = field(default_factory=DetectorOptions)
    cosmic_rays: CosmicRays | None = field(default_factory=CosmicRays)
    imperfections: Imperfections = field(default_factory=Imperfections)
    patches: Mapping[str, tuple[Patch, ...]] = field(default_factory=lambda: MappingProxyType({}))
    target: str = "SIMULATED"
    seed: int = 1

    def __post_init__(self):
        names = [p.rootname for p in self.pointings]
        if len(set(names)) != len(names):
            raise ValueError("two pointings have the same rootname")
        missing = set(names) - set(self.levels)
        if missing:
            raise ValueError(f"no level for {min(missing)}")
