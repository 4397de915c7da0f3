"""Figures of a result. Each takes Axes and returns them."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import AsinhNorm, Normalize
from matplotlib.ticker import MaxNLocator

from jwst_mosaic_skymatch.offsets.picture import DifferencePicture
from jwst_mosaic_skymatch.products.tables import values_of
from jwst_mosaic_skymatch.report.mosaic import MosaicPicture
from jwst_mosaic_skymatch.report.sky import draw_graticule

if TYPE_CHECKING:
    from jwst_mosaic_skymatch.report.compare import Comparison
    from jwst_mosaic_skymatch.report.result import MatchResult

__all__ = [
    "add_bar",
    "draw_changes",
    "draw_difference",
    "draw_histogram",
    "draw_levels",
    "draw_mosaic",
    "label_sky",
    "own_axes",
    "plain",
    "with_unit",
]

# Okabe and Ito's colours, which all eyes tell apart; marks differ too.
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
VISITS = (BLUE, ORANGE, GREEN, "#CC79A7", "#56B4E9")
IMAGE, DIFFERENCE = "gray", "RdBu_r"
MARKS = "osD^vP"
GREY = "#8a8a8a"
# Ticks of a bar that is not linear.
N_TICKS = 7
# Background of images, where they have nothing; unlike any brightness.
NOTHING = "#94a3b8"
# Points from which on a figure of levels is a picture inside: an SVG element each would be large.
MOST_POINTS = 400
# Names of visits that fit below an axis.
MOST_NAMES = 12
# Images so many times as high as wide have no room for more than two ticks below.
TALL = 3


def own_axes(ax: Axes | None) -> Axes:  # numpydoc ignore=PR01,RT01
    """Make Axes where none are given."""
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.subplots(layout="compressed")[1]


def plain(text: Any) -> str:  # numpydoc ignore=PR01,RT01
    """Write a name so that matplotlib takes nothing in it for mathematics."""
    return str(text).replace("$", r"\$")


def draw_levels(ax: Axes, result: "MatchResult") -> Axes:
    """Draw levels with errors, visit by visit.

    Parameters
    ----------
    ax : `~matplotlib.axes.Axes`
        Where to.
    result : MatchResult
        The result.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The same. Broad bars are 1-sigma errors by noise, thin ones all.
    """
    table = result.levels
    total, noise = values_of(table["level_error"]), values_of(table["level_error_noise"])
    _draw_by_visit(ax, table, values_of(table["level"]), (total, noise))
    ax.set_ylabel(with_unit("level", result.unit))
    return ax


def draw_changes(ax: Axes, comparison: "Comparison") -> Axes:
    """Draw by how much levels of two runs differ, visit by visit.

    Parameters
    ----------
    ax : `~matplotlib.axes.Axes`
        Where to.
    comparison : Comparison
        The comparison.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The same.
    """
    errors = [values_of(result.levels["level_error"]) for result in comparison.results]
    error = np.sqrt(np.nansum(np.square(errors), axis=0))
    table = comparison.results[0].levels
    _draw_by_visit(ax, table, comparison.differences, (error,))
    ax.axhline(0.0, color=GREY, linewidth=1.0, linestyle="--")
    ax.set_ylabel(with_unit("difference of levels", comparison.results[0].unit))
    return ax


def _draw_by_visit(
    ax: Axes, table: Any, values: np.ndarray, errors: tuple[np.ndarray, ...]
) -> None:
    """Draw a value of each exposure with one or more errors, the thinner bars first."""
    visits = np.array([str(v) or "no visit" for v in table["visit_id"]])
    order = np.lexsort((np.asarray(table["filename"]), visits))
    place = np.empty(len(table))
    place[order] = np.arange(len(table))
    names = list(dict.fromkeys(visits[order].tolist()))
    many = len(table) > MOST_POINTS
    for number, visit in enumerate(names):
        own = (visits == visit) & np.isfinite(values)
        style: dict[str, Any] = {"color": VISITS[number % len(VISITS)], "rasterized": many}
        for width, error in zip((1.0, 3.5), errors, strict=False):
            bars = np.nan_to_num(error[own])
            ax.errorbar(place[own], values[own], bars, fmt="none", elinewidth=width, **style)
        mark = MARKS[number % len(MARKS)]
        ax.plot(place[own], values[own], linestyle="none", marker=mark, markersize=4, **style)
    _name_visits(ax, [(visit, place[visits == visit]) for visit in names])
    ax.margins(x=0.02)
    ax.grid(axis="y", alpha=0.3)


def _name_visits(ax: Axes, places: list[tuple[str, np.ndarray]]) -> None:
    """Separate visits by lines, and name them below, some if there are many."""
    for _, own in places[1:]:
        ax.axvline(own.min() - 0.5, color=GREY, linewidth=0.5, alpha=0.6)
    step = -(-len(places) // MOST_NAMES)
    shown = places[::step]
    ax.set_xticks(
        [own.mean() for _, own in shown],
        [plain(visit) for visit, _ in shown],
        rotation=35 if len(shown) > 3 else 0,
        ha="right" if len(shown) > 3 else "center",
        rotation_mode="anchor",
    )
    ax.set_xlabel("visit, exposure by exposure")


def add_bar(  # numpydoc ignore=PR01,RT01
    ax: Axes, colours: ScalarMappable, label: str, **options: Any
) -> Any:
    """Add a bar of colours below, where it is as wide as an image of any shape."""
    place: dict[str, Any] = {"location": "bottom", "fraction": 0.05, "pad": 0.03, "aspect": 35}
    bar = ax.figure.colorbar(colours, ax=ax, **(place | options))
    bar.set_label(label, fontsize="small")
    bar.ax.tick_params(labelsize="x-small")
    if ax.get_aspect() in ("equal", 1.0) and np.ptp(ax.get_ylim()) > TALL * np.ptp(ax.get_xlim()):
        bar.locator = MaxNLocator(2)
        bar.update_ticks()
    return bar


def label_sky(  # numpydoc ignore=PR01
    ax: Axes, edges: tuple[float, float, float, float], centre: tuple[float, float]
) -> None:
    """Label axes by right ascension and declination, and draw a net of these."""
    net = draw_graticule(*edges, centre)
    for line in net.lines:
        ax.plot(*line.T, color=GREY, linewidth=0.5, alpha=0.5, zorder=1.5)
    ax.set_xlim(*edges[:2])
    ax.set_ylim(*edges[2:])
    ax.set_xticks([at for at, _ in net.ra_ticks], [name for _, name in net.ra_ticks])
    ax.set_yticks(
        [at for at, _ in net.dec_ticks],
        [name for _, name in net.dec_ticks],
        rotation=90,
        va="center",
    )
    ax.tick_params(labelsize="x-small")
    ax.set_xlabel("right ascension", fontsize="small")
    ax.set_ylabel("declination", fontsize="small")


def draw_mosaic(ax: Axes, mosaic: MosaicPicture, which: str, unit: str) -> Axes:
    """Draw a mosaic.

    Parameters
    ----------
    ax : `~matplotlib.axes.Axes`
        Where to.
    mosaic : MosaicPicture
        The mosaic.
    which : {'after', 'before', 'residual'}
        Which of its images.
    unit : str
        Unit of the data.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The same. Before and after have one stretch, about the median of each.
    """
    image = getattr(mosaic, which)
    finite = image[np.isfinite(image)]
    if which == "residual":
        largest = float(np.percentile(finite, 99.0)) if finite.size else 1.0
        norm, cmap, label = Normalize(0.0, max(largest, 1e-30)), "magma", "rms difference"
    else:
        image = image - np.median(finite)
        norm, cmap, label = _stretch(mosaic.after), IMAGE, "brightness about the median"
    shown = ax.imshow(
        image, origin="lower", extent=mosaic.extent, norm=norm, cmap=cmap, interpolation="none"
    )
    label_sky(ax, mosaic.extent, mosaic.centre)
    bar = add_bar(ax, shown, with_unit(label, unit), extend="max")
    if which != "residual":
        ticks = norm.inverse(np.linspace(0.0, 1.0, N_TICKS))
        bar.set_ticks(ticks, labels=[f"{tick:.2g}" for tick in ticks])
    ax.set_facecolor(NOTHING)
    return ax


def _stretch(after: np.ndarray) -> AsinhNorm:
    """Stretch the image with levels gone: linear about the sky, logarithmic in what is bright."""
    values = after[np.isfinite(after)] - np.median(after[np.isfinite(after)])
    low, quarter, three_quarters, high = np.percentile(values, [0.5, 25.0, 75.0, 99.5])
    width = max(float(three_quarters - quarter), 1e-30)
    return AsinhNorm(linear_width=width, vmin=min(low, -2.0 * width), vmax=max(high, 2.0 * width))


def draw_difference(ax: Axes, picture: DifferencePicture, pair: Any) -> Axes:
    """Draw the differences of a pair less the difference of its levels.

    Parameters
    ----------
    ax : `~matplotlib.axes.Axes`
        Where to.
    picture : DifferencePicture
        The differences.
    pair : `~astropy.table.Row`
        Row of the table of pairs.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The same, along the axes of the grid.
    """
    residual = float(values_of(pair["residual"]))
    image = picture.image + residual
    largest = max(float(np.nanpercentile(np.abs(image), 99.0)), 1e-30)
    ny, nx = np.array(image.shape) * picture.block
    shown = ax.imshow(
        image,
        origin="lower",
        extent=(picture.x0, picture.x0 + nx, picture.y0, picture.y0 + ny),
        vmin=-largest,
        vmax=largest,
        cmap=DIFFERENCE,
        interpolation="none",
    )
    ax.set_facecolor(NOTHING)
    ax.set_xlabel("x on the grid, cells", fontsize="small")
    ax.set_ylabel("y on the grid, cells", fontsize="small")
    ax.tick_params(labelsize="x-small")
    label = with_unit("first minus second, less levels", _unit_of(pair))
    add_bar(ax, shown, label, extend="both")
    return ax


def draw_histogram(ax: Axes, picture: DifferencePicture, pair: Any) -> Axes:
    """Draw how the cells of a pair scatter about the difference of its levels.

    Parameters
    ----------
    ax : `~matplotlib.axes.Axes`
        Where to.
    picture : DifferencePicture
        The differences.
    pair : `~astropy.table.Row`
        Row of the table of pairs.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The same. A broken line is where the levels are equal, a full one the measured offset.
    """
    residual = float(values_of(pair["residual"]))
    ax.stairs(picture.counts, picture.edges + residual, fill=True, color=BLUE, alpha=0.55)
    ax.axvline(residual, color=ORANGE, linewidth=1.5, label="measured offset")
    ax.axvline(0.0, color=GREY, linewidth=1.5, linestyle="--", label="levels")
    label = with_unit("difference of a cell, less levels", _unit_of(pair))
    ax.set_xlabel(label, fontsize="small")
    ax.set_ylabel("cells", fontsize="small")
    ax.tick_params(labelsize="x-small")
    ax.legend(fontsize="x-small", frameon=False)
    return ax


def _unit_of(pair: Any) -> str:
    return str(getattr(pair["residual"], "unit", "") or "")


def with_unit(label: str, unit: str) -> str:  # numpydoc ignore=PR01,RT01
    """Write a label with the unit, if there is one."""
    return f"{label}, {unit.replace(' ', '')}" if unit else label
