"""The figure of the sky: footprints, pairs, and shifts."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.patches import Polygon

from jwst_mosaic_skymatch.products.tables import values_of
from jwst_mosaic_skymatch.report.figures import (
    GREEN,
    ORANGE,
    add_bar,
    label_sky,
    with_unit,
)
from jwst_mosaic_skymatch.report.sky import find_centre, plane_of_sky

if TYPE_CHECKING:
    from jwst_mosaic_skymatch.report.result import MatchResult

__all__ = ["SkyPlaces", "draw_sky", "sky_places"]

LEVELS = "cividis"
# Without the ends of the map, which are not seen on white or on black.
RESIDUALS = ListedColormap(colormaps["plasma"](np.linspace(0.85, 0.2, 64)))
# Lines of pairs that a figure has; the worst are drawn.
MOST_PAIRS = 600
# Residual, in sigma, at the end of its colours.
LARGEST_SIGMA = 5.0


@dataclass(frozen=True)
class SkyPlaces:
    """Where footprints and pairs of a result lie, as offsets on a tangent plane.

    Attributes
    ----------
    centre : tuple of float
        RA and Dec of the tangent point, degrees.
    corners : list of ndarray, shape (n_corners, 2)
        Corners of each exposure, arcsec east and north; none where they are not known.
    ends : dict of str to ndarray, shape (2,)
        Centre of each exposure and of each group, by name.
    """

    centre: tuple[float, float]
    corners: list[np.ndarray]
    ends: dict[str, np.ndarray]


def sky_places(result: "MatchResult") -> SkyPlaces:  # numpydoc ignore=PR01,RT01
    """Find out where footprints and pairs of a result lie."""
    centre = result.mosaic.centre if result.mosaic else find_centre(result.footprints)
    corners = [
        plane_of_sky(c[:, 0], c[:, 1], centre) if len(c) else np.zeros((0, 2))
        for c in result.footprints
    ]
    ends: dict[str, np.ndarray] = {}
    groups: dict[str, list[np.ndarray]] = {}
    names = zip(result.levels["filename"], result.levels["group"], corners, strict=False)
    for name, group, own in names:
        if len(own):
            ends[str(name)] = own.mean(axis=0)
            groups.setdefault(str(group), []).append(own.mean(axis=0))
    for group, centres in groups.items():
        ends.setdefault(group, np.mean(centres, axis=0))
    return SkyPlaces(centre, corners, ends)


def draw_sky(ax: Axes, result: "MatchResult") -> Axes:
    """Draw footprints coloured by level, pairs by residual, and shifts as arrows.

    Parameters
    ----------
    ax : `~matplotlib.axes.Axes`
        Where to.
    result : MatchResult
        The result.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The same. Footprints have the gid ``exposure-<row>``, pairs ``pair-<row>``; exposures
        without a level are hatched, pairs that are left out dashed.
    """
    places = sky_places(result)
    corners = [c for c in places.corners if len(c) and np.isfinite(c).all()]
    if not corners:
        ax.text(0.5, 0.5, "footprints are not known", ha="center", transform=ax.transAxes)
        return ax
    colours = _draw_footprints(ax, result, places)
    lines = _draw_pairs(ax, result, places)
    _draw_shifts(ax, result, places, corners)
    _frame(ax, np.concatenate(corners), places.centre)
    add_bar(ax, colours, with_unit("level", result.unit), location="top")
    if len(result.pairs):
        add_bar(ax, lines, "residual of pairs, sigma", extend="max")
    return ax


def _draw_footprints(ax: Axes, result: "MatchResult", places: SkyPlaces) -> ScalarMappable:
    level = values_of(result.levels["level"])
    found = level[np.isfinite(level)]
    limits = (found.min(), found.max()) if found.size else (0.0, 1.0)
    colours = ScalarMappable(Normalize(*limits), LEVELS)
    for row, corners in enumerate(places.corners):
        if not len(corners):
            continue
        known = np.isfinite(level[row])
        patch = Polygon(
            corners,
            facecolor=colours.to_rgba(level[row], alpha=0.25) if known else "none",
            edgecolor=colours.to_rgba(level[row]) if known else ORANGE,
            hatch=None if known else "////",
            linewidth=0.8,
        )
        patch.set_gid(f"exposure-{row}")
        ax.add_patch(patch)
    return colours


def _draw_pairs(ax: Axes, result: "MatchResult", places: SkyPlaces) -> ScalarMappable:
    """Draw the worst pairs, these on top."""
    colours = ScalarMappable(Normalize(0.0, LARGEST_SIGMA), RESIDUALS)
    pairs = result.pairs
    if not len(pairs):
        return colours
    sigmas = np.abs(values_of(pairs["residual"])) / np.maximum(
        values_of(pairs["offset_error"]), 1e-30
    )
    used = np.asarray(pairs["used"], dtype=bool)
    widths = {"in-stack": 0.8, "between stacks": 1.8}
    for row in np.argsort(np.where(used, sigmas, np.inf))[-MOST_PAIRS:].tolist():
        names = [str(pairs[name][row]) for name in ("first", "second")]
        if not all(name in places.ends for name in names):
            continue
        ends = [places.ends[name] for name in names]
        (line,) = ax.plot(
            *np.transpose(ends),
            color=colours.to_rgba(sigmas[row]) if used[row] else ORANGE,
            linestyle="-" if used[row] else (0, (4, 2)),
            linewidth=widths[str(pairs["stage"][row])] * (1.0 if used[row] else 1.5),
            solid_capstyle="round",
        )
        line.set_gid(f"pair-{row}")
    return colours


def _draw_shifts(
    ax: Axes, result: "MatchResult", places: SkyPlaces, corners: list[np.ndarray]
) -> None:
    """Draw shifts so enlarged that the longest is a third of a footprint, and say by how much."""
    table = result.levels
    shifts = np.stack([values_of(table["shift_ra"]), values_of(table["shift_dec"])], axis=1)
    errors = np.hypot(values_of(table["shift_ra_error"]), values_of(table["shift_dec_error"]))
    rows = [
        row
        for row, length in enumerate(np.hypot(*shifts.T).tolist())
        if length > 3.0 * errors[row] and len(places.corners[row])
    ]
    if not rows:
        return
    size = float(np.median([np.ptp(c, axis=0).max() for c in corners]))
    longest = float(np.hypot(*shifts[rows].T).max())
    centres = np.array([places.corners[row].mean(axis=0) for row in rows])
    arrows = ax.quiver(
        *centres.T,
        *(shifts[rows].T * (0.35 * size / longest)),
        angles="xy",
        scale_units="xy",
        scale=1.0,
        width=0.006,
        color=GREEN,
        zorder=4,
    )
    arrows.set_gid("shifts")
    ax.annotate(
        f"arrows: shifts, the longest {longest:.3g} arcsec",
        (0.01, 0.99),
        xycoords="axes fraction",
        va="top",
        fontsize="small",
        color=GREEN,
    )


def _frame(ax: Axes, points: np.ndarray, centre: tuple[float, float]) -> None:
    """Show all points, east to the left, with a net of right ascension and declination."""
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.04 * float((high - low).max())
    edges = high[0] + margin, low[0] - margin, low[1] - margin, high[1] + margin
    label_sky(ax, edges, centre)
    ax.set_aspect("equal")
