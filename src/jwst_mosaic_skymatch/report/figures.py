"""Figures of a result, on Axes of matplotlib and, for the sky, of astropy."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps, pyplot
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import AsinhNorm, ListedColormap, Normalize
from matplotlib.patches import Polygon
from matplotlib.ticker import MaxNLocator

from astropy import units as u
from astropy.coordinates import SkyCoord, UnitSphericalRepresentation
from astropy.visualization.wcsaxes import WCSAxes
from astropy.wcs import WCS

from jwst_mosaic_skymatch.offsets.picture import DifferencePicture
from jwst_mosaic_skymatch.products.tables import values_of

if TYPE_CHECKING:
    from jwst_mosaic_skymatch.report.result import MatchResult

__all__ = [
    "draw_difference",
    "draw_histogram",
    "draw_levels",
    "draw_mosaic",
    "draw_sky",
    "plain_axes",
    "sky_axes",
]

# Okabe and Ito's colours, distinct for colour-blind eyes; marks differ too.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#8a8a8a"
VISIT_COLOURS = (BLUE, ORANGE, GREEN, "#CC79A7", "#56B4E9")
VISIT_MARKS = "osD^vP"
# Background of images, which no brightness has.
NO_DATA = "#cbd5e1"
LEVEL_COLOURS = "cividis"
# Without the ends of the map, which are invisible on white or on black.
RESIDUAL_COLOURS = ListedColormap(colormaps["plasma"](np.linspace(0.85, 0.2, 64)))
# Residual, in sigma, at the end of the colours.
LARGEST_SIGMA = 5.0
# Pairs that a figure has; the worst are drawn.
MOST_PAIRS = 600
# Points along the axis from one name to the next: names rotated by 40 degrees are 13 points wide.
NAME_DISTANCE, NAME_ROTATION = 18.0, 40.0


def plain_axes(ax: Axes | None) -> Axes:
    """Make Axes if none are given.

    Parameters
    ----------
    ax : `~matplotlib.axes.Axes` or None
        Axes of the caller.

    Returns
    -------
    `~matplotlib.axes.Axes`
        ``ax``, or those of a new figure.
    """
    return pyplot.figure(layout="constrained").add_subplot() if ax is None else ax


def sky_axes(ax: Axes | None, result: "MatchResult") -> WCSAxes:
    """Make Axes with celestial coordinates if none are given.

    Parameters
    ----------
    ax : `~matplotlib.axes.Axes` or None
        Axes of the caller. Any without celestial coordinates are replaced in their figure.
    result : MatchResult
        The result, whose mosaic or footprints give the projection.

    Returns
    -------
    `~astropy.visualization.wcsaxes.WCSAxes`
        ``ax`` or those that replace it.
    """
    if isinstance(ax, WCSAxes):
        return ax
    wcs = result.mosaic.wcs if result.mosaic else _footprint_wcs(result.footprints)
    if ax is None:
        sky = pyplot.figure(layout="constrained").add_subplot(projection=wcs)
    else:
        figure, place = ax.figure, ax.get_subplotspec() or ax.get_position()
        ax.remove()
        add = figure.add_subplot if ax.get_subplotspec() else figure.add_axes
        sky = add(place, projection=wcs)
    for coordinate, name in zip(sky.coords, ("right ascension", "declination"), strict=True):
        coordinate.set_axislabel(name, fontsize="small")
        coordinate.set_ticklabel(size="x-small", exclude_overlapping=True)
        coordinate.set_ticks(number=4)
    sky.coords.grid(color=GREY, alpha=0.4, linewidth=0.5)
    return sky


def _footprint_wcs(footprints: tuple[np.ndarray, ...]) -> WCS:
    """Lay a tangent plane through the middle of footprints, one arcsec to a pixel, north up."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.cdelt = -1 / 3600, 1 / 3600
    known = [corners for corners in footprints if len(corners)]
    if known:
        corners = SkyCoord(np.concatenate(known), unit=u.deg)
        center = corners.cartesian.mean().represent_as(UnitSphericalRepresentation)
        wcs.wcs.crval = center.lon.deg, center.lat.deg
    return wcs


def draw_levels(ax: Axes, result: "MatchResult") -> None:
    """Draw levels with errors, visit by visit.

    Broad bars are 1-sigma errors by noise, thin ones total errors.

    Parameters
    ----------
    ax : `~matplotlib.axes.Axes`
        Axes to draw on.
    result : MatchResult
        The result.
    """
    table = result.levels
    levels = values_of(table["level"])
    visits = np.array([str(visit) or "no visit" for visit in table["visit_id"]])
    order = np.lexsort((np.asarray(table["filename"]), visits))
    place = np.argsort(order)
    names, counts = np.unique(visits, return_counts=True)
    for number, visit in enumerate(names):
        own = (visits == visit) & np.isfinite(levels)
        colour = VISIT_COLOURS[number % len(VISIT_COLOURS)]
        for width, column in ((1.0, "level_error"), (3.5, "level_error_noise")):
            error = np.nan_to_num(values_of(table[column])[own])
            ax.errorbar(place[own], levels[own], error, fmt="none", elinewidth=width, color=colour)
        mark = VISIT_MARKS[number % len(VISIT_MARKS)]
        ax.plot(place[own], levels[own], mark, markersize=4, color=colour)
    _name_visits(ax, names, counts)
    ax.margins(x=0.02)
    ax.grid(axis="y", alpha=0.3)
    ax.set_ylabel(_with_unit("level", result.unit))


def _name_visits(ax: Axes, names: np.ndarray, counts: np.ndarray) -> None:
    """Separate visits by lines, and name as many of them as have room, the longest first."""
    ends = np.cumsum(counts)
    for end in ends[:-1]:
        ax.axvline(end - 0.5, color=GREY, linewidth=0.5, alpha=0.6)
    centers = ends - 0.5 * (counts + 1)
    points = 72.0 * ax.bbox.width / ax.figure.dpi
    distance = NAME_DISTANCE * 1.1 * ends[-1] / points
    named: list[int] = []
    for visit in np.argsort(-counts, kind="stable").tolist():
        if np.all(np.abs(centers[named] - centers[visit]) >= distance):
            named.append(visit)
    ax.set_xticks(
        centers[named],
        [_plain(names[visit]) for visit in named],
        rotation=NAME_ROTATION,
        rotation_mode="anchor",
        ha="right",
        fontsize="small",
    )
    ax.set_xlabel("visit, exposure by exposure")


def draw_mosaic(ax: WCSAxes, result: "MatchResult", which: str) -> None:
    """Draw an image of the mosaic.

    Before and after have the same stretch, about the median of each: linear near the sky,
    logarithmic for bright sources.

    Parameters
    ----------
    ax : `~astropy.visualization.wcsaxes.WCSAxes`
        Axes to draw on.
    result : MatchResult
        The result.
    which : {'after', 'before', 'residual'}
        The image.
    """
    image = getattr(result.mosaic, which)
    if which == "residual":
        largest = np.percentile(image[np.isfinite(image)], 99.0) if np.isfinite(image).any() else 0
        norm, colours, label = Normalize(0.0, max(largest, 1e-30)), "magma_r", "rms difference"
    else:
        image = image - np.nanmedian(image)
        norm, colours, label = _stretch(result.mosaic.after), "gray_r", "brightness about the median"
    drawn = ax.imshow(image, origin="lower", norm=norm, cmap=colours, interpolation="none")
    ax.set_facecolor(NO_DATA)
    bar = _add_bar(ax, drawn, _with_unit(label, result.unit), extend="max")
    if which != "residual":
        ticks = norm.inverse(np.linspace(0.0, 1.0, 6))
        bar.set_ticks(ticks, labels=[f"{tick:.2g}" for tick in ticks])


def _stretch(after: np.ndarray) -> AsinhNorm:
    values = after[np.isfinite(after)] - np.nanmedian(after)
    low, quarter, three_quarters, high = np.percentile(values, [0.5, 25.0, 75.0, 99.5])
    width = max(float(three_quarters - quarter), 1e-30)
    return AsinhNorm(linear_width=width, vmin=min(low, -2.0 * width), vmax=max(high, 2.0 * width))


def draw_sky(ax: WCSAxes, result: "MatchResult") -> None:
    """Draw footprints coloured by level, pairs by residual, and shifts as arrows.

    Exposures without a level are hatched, pairs that the solution excludes are dashed.

    Parameters
    ----------
    ax : `~astropy.visualization.wcsaxes.WCSAxes`
        Axes to draw on.
    result : MatchResult
        The result.
    """
    corners = {
        row: np.transpose(ax.wcs.world_to_pixel_values(*np.transpose(sky)))
        for row, sky in enumerate(result.footprints)
        if len(sky)
    }
    if not corners:
        ax.text(0.5, 0.5, "footprints are not known", ha="center", transform=ax.transAxes)
        return
    centers = {row: own.mean(axis=0) for row, own in corners.items()}
    levels = _draw_footprints(ax, result, corners)
    residuals = _draw_pairs(ax, result, centers)
    _draw_shifts(ax, result, centers)
    ax.set_aspect("equal")
    ax.autoscale_view()
    _add_bar(ax, levels, _with_unit("level", result.unit), location="top")
    if len(result.pairs):
        _add_bar(ax, residuals, "residual of pairs, sigma", extend="max")


def _draw_footprints(
    ax: WCSAxes, result: "MatchResult", corners: dict[int, np.ndarray]
) -> ScalarMappable:
    levels = values_of(result.levels["level"])
    known = levels[np.isfinite(levels)]
    limits = (known.min(), known.max()) if known.size else (0.0, 1.0)
    colours = ScalarMappable(Normalize(*limits), LEVEL_COLOURS)
    for row, polygon in corners.items():
        if np.isfinite(levels[row]):
            colour = colours.to_rgba(levels[row])
            ax.add_patch(Polygon(polygon, facecolor=(*colour[:3], 0.25), edgecolor=colour))
        else:
            ax.add_patch(Polygon(polygon, facecolor="none", edgecolor=ORANGE, hatch="////"))
    return colours


def _draw_pairs(
    ax: WCSAxes, result: "MatchResult", centers: dict[int, np.ndarray]
) -> ScalarMappable:
    """Draw a line from centre to centre for each of the worst pairs, the worst on top."""
    colours = ScalarMappable(Normalize(0.0, LARGEST_SIGMA), RESIDUAL_COLOURS)
    places: dict[str, list[np.ndarray]] = {}
    for row, center in centers.items():
        for name in {str(result.levels[column][row]) for column in ("filename", "group")}:
            places.setdefault(name, []).append(center)
    pairs = result.pairs
    sigmas = result.pair_sigmas
    for row in result.pairs_by_residual[:MOST_PAIRS][::-1]:
        ends = [places.get(str(pairs[side][row])) for side in ("first", "second")]
        if None in ends:
            continue
        used, width = bool(pairs["used"][row]), 0.8 if pairs["stage"][row] == "in-stack" else 1.8
        ax.plot(
            *np.transpose([np.mean(end, axis=0) for end in ends]),
            color=colours.to_rgba(sigmas[row]) if used else ORANGE,
            linestyle="-" if used else (0, (4, 2)),
            linewidth=width if used else 1.5 * width,
        )
    return colours


def _draw_shifts(ax: WCSAxes, result: "MatchResult", centers: dict[int, np.ndarray]) -> None:
    """Draw shifts above 3 sigma, the longest as long as a tenth of the axes."""
    table = result.levels
    shift = np.stack([values_of(table[f"shift_{axis}"]) for axis in ("ra", "dec")])
    error = np.hypot(*(values_of(table[f"shift_{axis}_error"]) for axis in ("ra", "dec")))
    length = np.hypot(*shift)
    rows = [row for row in centers if length[row] > 3.0 * error[row]]
    if not rows:
        return
    start = np.array([centers[row] for row in rows]).T
    sky = SkyCoord(*ax.wcs.pixel_to_world_values(*start), unit=u.deg)
    end = ax.wcs.world_to_pixel(sky.spherical_offsets_by(*(shift[:, rows] * u.arcsec)))
    pixels = np.array(end) - start
    longest = np.hypot(*pixels).max()
    ax.quiver(
        *start, *pixels, angles="xy", scale=10.0 * longest, units="width", width=0.006,
        color=GREEN, zorder=4,
    )  # fmt: skip
    text = f"arrows: shifts, the longest {length[rows].max():.3g} arcsec"
    place = {"xycoords": "axes fraction", "va": "top", "fontsize": "small"}
    ax.annotate(text, (0.01, 0.99), color=GREEN, **place)


def draw_difference(ax: Axes, picture: DifferencePicture, pair: Any) -> None:
    """Draw the differences of a pair after subtraction of its levels, along the axes of the grid.

    Parameters
    ----------
    ax : `~matplotlib.axes.Axes`
        Axes to draw on.
    picture : DifferencePicture
        The differences.
    pair : `~astropy.table.Row`
        Row of the table of pairs.
    """
    image = picture.image + values_of(pair["residual"])
    largest = max(float(np.nanpercentile(np.abs(image), 99.0)), 1e-30)
    ny, nx = np.array(image.shape) * picture.block
    drawn = ax.imshow(
        image,
        origin="lower",
        extent=(picture.x0, picture.x0 + nx, picture.y0, picture.y0 + ny),
        norm=Normalize(-largest, largest),
        cmap="RdBu_r",
        interpolation="none",
    )
    ax.set_facecolor(NO_DATA)
    _label(ax, "x on the grid, cells", "y on the grid, cells")
    label = _with_unit("first minus second, levels subtracted", _unit_of(pair))
    _add_bar(ax, drawn, label, extend="both")


def draw_histogram(ax: Axes, picture: DifferencePicture, pair: Any) -> None:
    """Draw the distribution of the differences of a pair about the difference of its levels.

    Parameters
    ----------
    ax : `~matplotlib.axes.Axes`
        Axes to draw on.
    picture : DifferencePicture
        The differences.
    pair : `~astropy.table.Row`
        Row of the table of pairs.
    """
    residual = float(values_of(pair["residual"]))
    ax.stairs(picture.counts, picture.edges + residual, fill=True, color=BLUE, alpha=0.55)
    ax.axvline(residual, color=ORANGE, linewidth=1.5, label="measured offset")
    ax.axvline(0.0, color=GREY, linewidth=1.5, linestyle="--", label="levels")
    _label(ax, _with_unit("difference of a cell, levels subtracted", _unit_of(pair)), "cells")
    ax.legend(fontsize="x-small", frameon=False)


def _add_bar(ax: Axes, colours: ScalarMappable, label: str, **options: Any) -> Any:
    """Add a colour bar below, as wide as an image of any shape."""
    place = {"location": "bottom", "fraction": 0.05, "pad": 0.03, "aspect": 35}
    bar = ax.figure.colorbar(colours, ax=ax, **(place | options))
    bar.set_label(label, fontsize="small")
    bar.ax.tick_params(labelsize="x-small")
    if np.ptp(ax.get_ylim()) > 3 * np.ptp(ax.get_xlim()):  # a tall image has room for two ticks
        bar.locator = MaxNLocator(2)
        bar.update_ticks()
    return bar


def _label(ax: Axes, x: str, y: str) -> None:
    ax.set_xlabel(x, fontsize="small")
    ax.set_ylabel(y, fontsize="small")
    ax.tick_params(labelsize="x-small")


def _plain(text: Any) -> str:
    """Escape the sign that begins mathematics for matplotlib."""
    return str(text).replace("$", r"\$")


def _unit_of(pair: Any) -> str:
    return str(getattr(pair["residual"], "unit", "") or "")


def _with_unit(label: str, unit: str) -> str:
    return f"{label}, {unit.replace(' ', '')}" if unit else label
