"""Figures of a result, on Axes of matplotlib and of astropy, and the page that has all of them."""

from base64 import b64encode
from collections.abc import Callable
from functools import partial
from io import BytesIO
from itertools import pairwise
from typing import Any

import numpy as np
from astropy.table import QTable
from astropy.visualization import simple_norm
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.ticker import MaxNLocator

from jwst_mosaic_skymatch.exposures.sky_files import tangent_plane
from jwst_mosaic_skymatch.report.picture import DifferencePicture
from jwst_mosaic_skymatch.report.result import MatchResult

__all__ = ["draw", "render_report"]

# Okabe and Ito's colours, distinct for colour-blind eyes.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#8a8a8a"
# Background of images, which no brightness has.
NO_DATA = "#cbd5e1"
# Without the ends of the map, which are invisible on white or on black.
RESIDUAL_COLOURS = ListedColormap(colormaps["plasma"](np.linspace(0.85, 0.2, 64)))
# Smallest divisor and range of colours.
TINY = 1e-30
# Residual, in sigma, at the end of the colours.
LARGEST_SIGMA = 5.0
# Names of visits along an axis, and their angle: they do not overlap in a figure 3 inches wide.
MOST_NAMES, NAME_ROTATION = 8, 40.0
# Bins of a histogram, and the quantiles at its ends.
N_BINS, OUTERMOST = 60, (0.005, 0.995)
# Columns of the tables in a page, and pairs at most; files have all. A row takes 0.3 kB.
LEVEL_COLUMNS = "filename level level_error visit_id group component"
LEVEL_COLUMNS += " shift_ra shift_dec n_pairs status remark"
PAIR_COLUMNS = "first second stage offset offset_error offset_error_noise residual n_cells used"
MOST_PAIRS = 2000
# Width and height at most, inches; small, so that text is legible in a figure as wide as a phone.
IMAGE, CHART = (4.6, 6.4), (5.4, 3.2)
# Dots per inch: two to a pixel of a phone; sizes of text are in points.
RESOLUTION = 150
STYLE = {"font.size": 9.0, "axes.labelsize": "small", "hatch.linewidth": 0.6}
STYLE |= dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), "x-small")


def draw(result: MatchResult, name: str, ax: Axes | None = None, **options: Any) -> Axes:
    """Draw a figure of a result.

    Parameters
    ----------
    result : MatchResult
        The result.
    name : {'levels', 'sky', 'mosaic', 'image', 'histogram'}
        The figure; the last two are of a pair.
    ax : `~matplotlib.axes.Axes`, optional
        Axes to draw on; by default those of a new figure. For the sky and the mosaic, Axes
        without celestial coordinates are replaced in their figure.
    **options
        ``which`` image of the mosaic, or ``picture`` and ``residual`` of the pair.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The Axes.
    """
    if ax is None:
        from matplotlib import pyplot  # reports do without

        ax = pyplot.figure(layout="constrained").add_subplot()
    if name in ("sky", "mosaic"):
        ax = _sky_axes(ax, result)
    FUNCTIONS[name](ax, result, **options)
    return ax


def _sky_axes(ax: Any, result: MatchResult) -> Any:
    """Make WCSAxes in the place of other Axes, along the mosaic or, without one, north up."""
    if hasattr(ax, "wcs"):
        return ax
    ra, dec = np.concatenate([*result.footprints, [(0.0, 0.0)]])[0]
    wcs = result.mosaic.wcs if result.mosaic else tangent_plane(ra, dec, np.diag([-1, 1]) / 3600)
    sky = ax.figure.add_subplot(ax.get_subplotspec(), projection=wcs)
    ax.remove()
    for coordinate, name in zip(sky.coords, ("right ascension", "declination"), strict=True):
        coordinate.set_axislabel(name)
        coordinate.set_ticklabel(exclude_overlapping=True)
        coordinate.set_ticks(number=4)
    sky.coords.grid(color=GREY, alpha=0.4, linewidth=0.5)
    return sky


def _draw_levels(ax: Axes, result: MatchResult) -> None:
    """Draw levels with bars for their errors; lines separate visits."""
    table = result.levels.copy()
    table["visit_id"] = [str(visit) or "no visit" for visit in table["visit_id"]]
    table.sort(["visit_id", "filename"])
    visits, levels = table["visit_id"].tolist(), np.asarray(table["level"])
    errors = np.nan_to_num(np.asarray(table["level_error"]))
    ax.errorbar(np.arange(len(table)), levels, errors, fmt="o", color=BLUE, markersize=4)
    for end, (visit, following) in enumerate(pairwise(visits)):
        if visit != following:
            ax.axvline(end + 0.5, color=GREY, linewidth=0.5, alpha=0.6)
    # At some places the visit there is named; $ would begin mathematics.
    labels: dict[float, str] = dict(enumerate(visit.replace("$", r"\$") for visit in visits))
    ax.xaxis.set_major_locator(MaxNLocator(MOST_NAMES, integer=True))
    ax.xaxis.set_major_formatter(lambda place, _: labels.get(place, ""))
    ax.tick_params(axis="x", labelrotation=NAME_ROTATION)
    ax.margins(x=0.02)
    ax.grid(axis="y", alpha=0.3)
    ax.set(xlabel="visit, exposure by exposure", ylabel=f"level, {result.unit}".rstrip(", "))


def _draw_mosaic(ax: Any, result: Any, which: str) -> None:
    """Draw an image of the mosaic; before and after have the same stretch."""
    image, after = getattr(result.mosaic, which), result.mosaic.after
    if which == "residual":
        finite = image[np.isfinite(image)]
        norm = Normalize(0.0, np.percentile(finite, 99.0) if finite.size else 1.0)
        colours, label = "magma_r", "rms difference"
    else:
        image, after = image - np.nanmedian(image), after - np.nanmedian(after)
        norm = simple_norm(after, "asinh", min_percent=0.5, max_percent=99.5)
        colours, label = "gray_r", "brightness about the median"
    drawn = ax.imshow(image, origin="lower", norm=norm, cmap=colours, interpolation="none")
    ax.set_facecolor(NO_DATA)
    _add_bar(ax, drawn, f"{label}, {result.unit}", extend="max")


def _draw_sky(ax: Any, result: MatchResult) -> None:
    """Draw footprints coloured by level, pairs by residual."""
    known = [row for row, sky in enumerate(result.footprints) if len(sky)]
    if not known:
        return
    corners = [np.stack(ax.wcs.world_to_pixel_values(*result.footprints[k].T), 1) for k in known]
    levels, bar = np.asarray(result.levels["level"])[known], f"level, {result.unit}"
    drawn = PolyCollection(corners, array=levels, cmap="cividis", edgecolors="face", alpha=0.4)
    _add_bar(ax, ax.add_collection(drawn), bar, location="top")
    for polygon in (corners[k] for k in np.flatnonzero(np.isnan(levels))):
        ax.add_patch(Polygon(polygon, facecolor="none", edgecolor=ORANGE, hatch="////"))
    if len(result.pairs):
        centers = np.full((len(result.levels), 2), np.nan)
        centers[known] = np.mean(corners, axis=1)
        _draw_pairs(ax, result, centers)
    ax.set_aspect("equal")
    ax.autoscale_view()


def _draw_pairs(ax: Any, result: MatchResult, centers: np.ndarray) -> None:
    """Draw a line for each pair, the worst on top; dashed if the solution excludes the pair."""
    places = {
        name: centers[result.levels[column] == name].mean(axis=0)
        for column in ("group", "filename")
        for name in np.unique(result.levels[column])
    }
    # A reference image has no place.
    is_known = [pair["second"] in places for pair in result.pairs]
    rows = [row for row in result.pairs_by_residual[::-1] if is_known[row]]
    pairs = result.pairs[rows]
    lines = LineCollection(
        [[places[name] for name in ends] for ends in pairs["first", "second"].iterrows()],
        array=np.abs(
            np.asarray(pairs["residual"]) / np.maximum(np.asarray(pairs["offset_error"]), TINY)
        ),
        norm=Normalize(0.0, LARGEST_SIGMA),
        cmap=RESIDUAL_COLOURS,
        linewidths=np.where(pairs["stage"] == "in-stack", 0.8, 1.8),
        linestyles=np.where(pairs["used"], "-", "--").tolist(),
    )
    _add_bar(ax, ax.add_collection(lines), "residual of pairs, sigma", extend="max")


def _draw_image(ax: Axes, result: MatchResult, picture: DifferencePicture, residual: float) -> None:
    """Draw the differences of a pair after subtraction of its levels, along the grid."""
    image = picture.image + residual
    largest = max(float(np.nanpercentile(np.abs(image), 99.0)), TINY)
    ny, nx = np.array(image.shape) * picture.block
    extent = picture.x0, picture.x0 + nx, picture.y0, picture.y0 + ny
    options: Any = {"cmap": "RdBu_r", "interpolation": "none", "vmin": -largest, "vmax": largest}
    drawn = ax.imshow(image, origin="lower", extent=extent, **options)
    ax.set_facecolor(NO_DATA)
    ax.set(xlabel="x on the grid, cells", ylabel="y on the grid, cells")
    label = f"first minus second, levels subtracted, {result.unit}"
    _add_bar(ax, drawn, label, pad=0.02, extend="both")


def _draw_histogram(
    ax: Axes, result: MatchResult, picture: DifferencePicture, residual: float
) -> None:
    """Draw the distribution of the differences of a pair after subtraction of its levels."""
    values = (picture.image + residual)[np.isfinite(picture.image)]
    ends = np.quantile(values, OUTERMOST)
    ax.hist(np.clip(values, *ends), N_BINS, color=BLUE, alpha=0.55)
    ax.axvline(residual, color=ORANGE, linewidth=1.5, label="measured offset")
    ax.axvline(0.0, color=GREY, linewidth=1.5, linestyle="--", label="levels")
    label = f"mean difference of a block, levels subtracted, {result.unit}".rstrip(", ")
    ax.set(xlabel=label, ylabel="blocks")
    ax.legend(frameon=False)


def _add_bar(ax: Axes, colours: ScalarMappable, label: str, **options: Any) -> None:
    """Add a colour bar below, as wide as an image of any shape."""
    place: Any = {"location": "bottom", "fraction": 0.05, "pad": 0.03, "aspect": 35}
    bar = ax.figure.colorbar(colours, ax=ax, ticks=MaxNLocator(4), **(place | options))
    bar.set_label(label.rstrip(", "))


FUNCTIONS: dict[str, Any] = {
    "levels": _draw_levels,
    "sky": _draw_sky,
    "mosaic": _draw_mosaic,
    "image": _draw_image,
    "histogram": _draw_histogram,
}


# --- The page: one file without any request ---------------------------------


def render_report(result: MatchResult) -> str:
    """Write the report of a run.

    Parameters
    ----------
    result : MatchResult
        The result; figures of pictures that it does not have are omitted.

    Returns
    -------
    str
        The page, HTML.
    """
    from jinja2 import Environment, PackageLoader  # figures alone do without

    loader = PackageLoader("jwst_mosaic_skymatch.report")
    page = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    is_matched = result.levels["status"] == "COMPLETE"
    images = ("before", "after", "residual") if result.mosaic else ()
    footprints_known = any(len(corners) for corners in result.footprints)
    return page.get_template("report.html.jinja").render(
        result=result,
        verdict=result.verdict,
        n_matched=np.count_nonzero(is_matched),
        mosaic={name: _encode(partial(result.plot_mosaic, which=name), IMAGE) for name in images},
        sky=_encode(result.plot_pairs, IMAGE) if footprints_known else None,
        levels=_encode(result.plot_levels, CHART),
        pairs=_draw_differences(result),
        rows={str(name): row for row, name in enumerate(result.levels["filename"])},
        level_table=_print_table(result.levels, LEVEL_COLUMNS, list(range(len(is_matched)))),
        pair_table=_print_table(result.pairs, PAIR_COLUMNS, result.pairs_by_residual[:MOST_PAIRS]),
    )


def _encode(plot: Callable[[Any], Any], size: tuple[float, float]) -> str:
    """Draw a figure, cut to what it shows, and encode it as PNG in base64."""
    file = BytesIO()
    with rc_context(STYLE):
        # The layout finds a place for colour bars, which charts do not have.
        figure = Figure(figsize=size, layout="compressed" if size == IMAGE else None)
        plot(figure.add_subplot())
        figure.savefig(file, format="png", bbox_inches="tight", dpi=RESOLUTION)
    return b64encode(file.getvalue()).decode()


def _draw_differences(result: MatchResult) -> list[dict[str, str]]:
    """Draw the worst and the median of the pairs that have pictures."""
    names = [tuple(map(str, ends)) for ends in result.pairs["first", "second"].iterrows()]
    drawn = [names[row] for row in result.pairs_by_residual if names[row] in result.pictures]
    sections = []
    for kind, k in (("worst", 0), ("median", len(drawn) // 2))[: len(drawn)]:
        plot = partial(result.plot_pair, *drawn[k])
        sections.append(
            {
                "title": f"The {kind} pair: {' minus '.join(drawn[k])}",
                "image": _encode(partial(plot, what="image"), IMAGE),
                "histogram": _encode(partial(plot, what="histogram"), CHART),
            }
        )
    return sections


def _print_table(table: QTable, names: str, rows: list[int]) -> dict[str, Any]:
    """Print some columns and rows of a table, numbers with four digits."""
    columns, heads = [], []
    for name in names.split():
        column = table[name][rows]
        is_float = column.dtype.kind == "f"
        columns.append([f"{v:.4g}" for v in np.asarray(column)] if is_float else map(str, column))
        unit = str(getattr(column, "unit", None) or "").replace(" ", "")
        heads.append((f"{name}, {unit}".rstrip(", "), column.dtype.kind in "fiu"))
    return {"heads": heads, "rows": list(zip(*columns, strict=True)), "n": len(table)}
