"""Ready-made scenes on the pointings of real mosaics."""

from .diffuse import Cirrus, Galaxy
from .levels import measured_levels
from .pointing import read_pointings
from .scenes import compose_scene
from .stars import StarCounts

__all__ = ["ngc628", "stephans_quintet", "thirty_doradus"]


def stephans_quintet(n=None, *, seed=1, binning=1, masked_strips=True, **changes):
    """Observe a compact group of galaxies: 32 real MIRI F770W pointings, 4 visits.

    Parameters
    ----------
    n : int, optional
        Use only that many exposures, spread evenly over the visits.
    seed : int, optional
        Seed.
    binning : int, optional
        Full-frame pixels per simulated pixel.
    masked_strips : bool, optional
        Whether MIRI's masked regions are masked.
    **changes
        Fields of `Scene` to replace.

    Returns
    -------
    Scene
        The scene, with the levels that jwst's own step found on the real data.
    """
    galaxies = (
        Galaxy(6.0, 12.0, -35, 25, angle=60),
        Galaxy(9.0, 8.0, 20, 10, axis_ratio=0.8, arm_contrast=0.3),
        Galaxy(4.0, 15.0, 45, -40, axis_ratio=0.5, angle=130),
    )
    components = (*galaxies, Cirrus(0.3, 0.8))
    pointings = _thin(read_pointings("stephans-quintet-f770w"), n)
    return compose_scene(
        "stephans-quintet",
        pointings,
        band="F770W",
        levels=measured_levels(pointings),
        components=components,
        stars=StarCounts(1000, flux=8.0),
        target="STEPHANS QUINTET",
        seed=seed,
        binning=binning,
        masked_strips=masked_strips,
        **changes,
    )


def ngc628(n=None, *, seed=1, binning=1, masked_strips=True, **changes):
    """Observe a face-on spiral: 20 real MIRI F1000W pointings, three connected components.

    Parameters
    ----------
    n : int, optional
        Use only that many exposures, spread evenly over the visits.
    seed : int, optional
        Seed.
    binning : int, optional
        Full-frame pixels per simulated pixel.
    masked_strips : bool, optional
        Whether MIRI's masked regions are masked.
    **changes
        Fields of `Scene` to replace.

    Returns
    -------
    Scene
        The scene, with random levels.
    """
    return compose_scene(
        "ngc628",
        _thin(read_pointings("ngc628-f1000w"), n),
        band="F1000W",
        components=(Galaxy(12.0, 90.0, axis_ratio=0.95, bulge=1.5), Cirrus(3.0, 0.9)),
        stars=StarCounts(900, slope=1.8, flux=2.0),
        target="NGC 628",
        seed=seed,
        binning=binning,
        masked_strips=masked_strips,
        **changes,
    )


def thirty_doradus(n=None, *, seed=1, binning=1, masked_strips=True, **changes):
    """Observe a nebula that fills the field: 20 real MIRI F1280W pointings, 2 visits.

    Parameters
    ----------
    n : int, optional
        Use only that many exposures, spread evenly over the visits.
    seed : int, optional
        Seed.
    binning : int, optional
        Full-frame pixels per simulated pixel.
    masked_strips : bool, optional
        Whether MIRI's masked regions are masked.
    **changes
        Fields of `Scene` to replace.

    Returns
    -------
    Scene
        The scene, with random levels.
    """
    return compose_scene(
        "thirty-doradus",
        _thin(read_pointings("30dor-f1280w"), n),
        band="F1280W",
        components=(Cirrus(60.0, 1.1), Cirrus(15.0, 0.8, 2.6)),
        stars=StarCounts(800, slope=1.8, flux=5.0),
        target="30 DORADUS",
        seed=seed,
        binning=binning,
        masked_strips=masked_strips,
        **changes,
    )


def _thin(pointings, n):
    if n is None:
        return pointings
    return tuple(pointings[i * len(pointings) // n] for i in range(n))
