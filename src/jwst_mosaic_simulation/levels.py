"""Background levels of exposures: drawn, or measured on real data."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from ._random import named_generator
from .pointing import Pointing

__all__ = ["draw_levels", "measured_levels"]


def draw_levels(
    pointings: Iterable[Pointing],
    seed: int = 1,
    *,
    visit_scatter: float = 1.0,
    exposure_scatter: float = 0.05,
    detector_scatter: float = 0.0,
) -> Mapping[str, float]:
    """Draw a level per exposure: that of its visit plus one of its own.

    Parameters
    ----------
    pointings : iterable of Pointing
        The exposures.
    seed : int, optional
        Seed. A level depends on the names of visit and exposure only, not on
        which other exposures there are.
    visit_scatter, exposure_scatter, detector_scatter : float, optional
        Standard deviations between visits, between exposures of a visit, and
        between detectors of an exposure, MJy/sr.

    Returns
    -------
    mapping of str to float
        Level by rootname, MJy/sr.
    """
    return MappingProxyType(
        {
            p.rootname: visit_scatter * _draw(seed, "visit", p.visit_id)
            + exposure_scatter * _draw(seed, "exposure", p.exposure_id)
            + detector_scatter * _draw(seed, "detector", p.rootname)
            for p in pointings
        }
    )


def measured_levels(pointings: Iterable[Pointing]) -> Mapping[str, float]:
    """Take the levels that jwst's own step found on the real exposures.

    Parameters
    ----------
    pointings : iterable of Pointing
        The exposures.

    Returns
    -------
    mapping of str to float
        Level by rootname, MJy/sr.

    Raises
    ------
    ValueError
        If a pointing has none.
    """
    levels = {p.rootname: p.stock_match_level for p in pointings}
    known = {name: level for name, level in levels.items() if level is not None}
    missing = [name for name in levels if name not in known]
    if missing:
        raise ValueError(f"no measured level for {missing[0]} and {len(missing) - 1} more")
    return MappingProxyType(known)


def _draw(seed: int, *names: str) -> float:
    return named_generator(seed, "level", *names).standard_normal()
