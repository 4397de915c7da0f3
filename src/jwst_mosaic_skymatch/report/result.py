"""The result of a run: tables, verdict, and figures for a notebook."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import QTable

from jwst_mosaic_skymatch import __version__
from jwst_mosaic_skymatch.exposures.metadata import Exposures
from jwst_mosaic_skymatch.exposures.models import read_footprint
from jwst_mosaic_skymatch.levels.results import Match
from jwst_mosaic_skymatch.products import files
from jwst_mosaic_skymatch.products.findings import Finding, count
from jwst_mosaic_skymatch.products.tables import (
    levels_table,
    named_pairs,
    pairs_table,
    write_skylist,
)
from jwst_mosaic_skymatch.report.mosaic import MosaicPicture, condense_mosaic
from jwst_mosaic_skymatch.report.picture import DifferencePicture
from jwst_mosaic_skymatch.tiles.grid import Grid

__all__ = ["MatchResult", "Verdict", "make_result", "save_result"]

# Libraries that results depend on.
LIBRARIES = ("jwst", "stpipe", "stcal", "drizzle", "gwcs", "numpy", "scipy", "astropy")
# Columns and lines of the table of levels in a notebook.
SHORT, MOST_LINES = ["filename", "level", "level_error", "status", "remark"], 43
PLOTS = 'pip install "jwst-mosaic-skymatch[plots]"'


@dataclass(frozen=True)
class Verdict:
    """Whether a run worked; its text is one sentence.

    Attributes
    ----------
    headline : str
        Numbers of exposures, components and ties, and the worst seam before and after.
    remarks : tuple of str
        Each problem with its remedy.
    seams : tuple of (str, str)
        Size of the worst seam, and the pair that has it, before and after; empty without pairs.
    """

    headline: str
    remarks: tuple[str, ...]
    seams: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.headline}{'; look at: ' * bool(self.remarks)}{'; '.join(self.remarks)}."


@dataclass(frozen=True, eq=False)
class MatchResult:
    """Result of a run, with its figures.

    Tables do not change when the step runs again. Figures need matplotlib (``pip install
    "jwst-mosaic-skymatch[plots]"``). Each takes `~matplotlib.axes.Axes`, or makes some, and
    returns them. Figures of the sky replace plain Axes by
    `~astropy.visualization.wcsaxes.WCSAxes` in the same place.

    Attributes
    ----------
    product, method : str
        Name of the mosaic, and ``skymethod``. With ``local``, ``global`` and ``user`` there are no
        pairs, and errors and shifts are NaN.
    levels, pairs : `~astropy.table.QTable`
        One row for each exposure or pair, see `~jwst_mosaic_skymatch.products.tables`.
    findings : tuple of Finding
        Warnings.
    footprints : tuple of ndarray, shape (n_corners, 2)
        RA and Dec (degrees) of the corners of each exposure; empty where not known.
    mosaic : MosaicPicture or None
        The mosaic before and after, with ``save_diagnostics``.
    pictures : mapping of tuple of str to DifferencePicture
        Differences by the two names of a pair, with ``save_diagnostics``.
    provenance : mapping of str to mapping of str to str
        Origin of the result: ``run`` (its date), ``versions`` of this package and of the libraries
        that results depend on, and ``parameters`` of the step.
    """

    product: str
    method: str
    levels: QTable
    pairs: QTable
    findings: tuple[Finding, ...] = ()
    footprints: tuple[np.ndarray, ...] = ()
    mosaic: MosaicPicture | None = None
    pictures: Mapping[tuple[str, str], DifferencePicture] = field(default_factory=dict)
    provenance: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """Whether the run worked, and problems with their remedies, in one sentence."""
        n, n_matched = len(self.levels), int(np.sum(self.levels["status"] == "COMPLETE"))
        remarks = tuple(f"{finding.brief} ({finding.remedy})" for finding in self.findings)
        share = f"{n_matched} of {n} exposures"
        if "match" not in self.method:
            text = f"Not matched (skymethod={self.method}): {share} have a level"
            return Verdict(text, remarks)
        word = "Matched, with doubts" if remarks else "Matched"
        if n_matched < n:
            word = "Matched in part" if n_matched else "Not matched"
        n_components = int(np.max(self.levels["component"], initial=-1)) + 1
        text = f"{word}: {share} in {count(n_components, 'component')}"
        used = self.pairs[np.asarray(self.pairs["used"], dtype=bool)]
        if not len(used):
            return Verdict(text, remarks)
        before, after = (_worst_seam(used, name, self.unit) for name in ("offset", "residual"))
        text += f"; worst seam {before[0]} before, {after[0]} after"
        return Verdict(text, remarks, (before, after))

    @property
    def unit(self) -> str:
        """Unit of the data, without blanks."""
        return str(self.levels["level"].unit).replace(" ", "")

    @property
    def pairs_by_residual(self) -> list[int]:
        """Rows of ``pairs``, the largest residual first; those not used precede all others."""
        residual = np.abs(np.asarray(self.pairs["residual"]))
        return np.lexsort((-residual, np.asarray(self.pairs["used"], dtype=bool))).tolist()

    def plot_levels(self, ax: Any = None) -> Any:
        """Draw levels with their errors, visit by visit.

        Parameters
        ----------
        ax : `~matplotlib.axes.Axes`, optional
            Axes to draw on; by default those of a new figure.

        Returns
        -------
        `~matplotlib.axes.Axes`
            The Axes.
        """
        return _draw(self, "levels", ax)

    def plot_pairs(self, ax: Any = None) -> Any:
        """Draw the sky: footprints by level, and pairs by residual in sigma.

        Parameters
        ----------
        ax : `~matplotlib.axes.Axes`, optional
            Axes to draw on; by default those of a new figure.

        Returns
        -------
        `~astropy.visualization.wcsaxes.WCSAxes`
            The Axes, or those that replace plain ones.
        """
        return _draw(self, "sky", ax)

    def plot_mosaic(self, ax: Any = None, *, which: str = "after") -> Any:
        """Draw the mosaic.

        Parameters
        ----------
        ax : `~matplotlib.axes.Axes`, optional
            Axes to draw on; by default those of a new figure.
        which : {'after', 'before', 'residual'}, optional
            After subtraction of levels; as the exposures were given, with the same stretch; or
            residuals where exposures overlap.

        Returns
        -------
        `~astropy.visualization.wcsaxes.WCSAxes`
            The Axes, or those that replace plain ones.

        Raises
        ------
        ValueError
            If the run has kept no picture, or there is none of this name.
        """
        if which not in ("after", "before", "residual"):
            raise ValueError(f"which={which!r}: is not 'after', 'before' or 'residual'.")
        if self.mosaic is None:
            raise ValueError("No picture of the mosaic was kept; match with save_diagnostics=True.")
        return _draw(self, "mosaic", ax, which=which)

    def plot_pair(self, i: int | str, j: int | str, ax: Any = None, *, what: str = "image") -> Any:
        """Draw the differences of a pair after subtraction of its levels.

        Parameters
        ----------
        i, j : int or str
            Exposures by their row in ``levels``, or exposures or stacks by name. Two exposures
            of different stacks stand for these stacks, which were compared.
        ax : `~matplotlib.axes.Axes`, optional
            Axes to draw on; by default those of a new figure.
        what : {'image', 'histogram'}, optional
            Means over blocks of cells, or their distribution.

        Returns
        -------
        `~matplotlib.axes.Axes`
            The Axes.

        Raises
        ------
        ValueError
            If the two were not compared, or the run has kept no pictures.
        """
        if what not in ("image", "histogram"):
            raise ValueError(f"what={what!r}: is not 'image' or 'histogram'.")
        names = [str(self.levels["filename"][k]) if isinstance(k, int) else k for k in (i, j)]
        groups = dict(zip(self.levels["filename"], self.levels["group"], strict=True))
        stacks = [str(groups.get(name, name)) for name in names]
        for first, second in (names, names[::-1], stacks, stacks[::-1]):
            if (first, second) in self.pictures:
                is_pair = (self.pairs["first"] == first) & (self.pairs["second"] == second)
                (residual,) = np.asarray(self.pairs["residual"][is_pair])
                picture = self.pictures[first, second]
                return _draw(self, what, ax, picture=picture, residual=residual)
        raise ValueError(
            f"No picture of {' and '.join(names)}: they were not compared, or there was no "
            "save_diagnostics=True."
        )

    def __repr__(self) -> str:
        return f"<MatchResult {self.product}: {self.verdict}>"

    def _repr_html_(self) -> str:
        """Represent the result in a notebook by verdict and levels."""
        lines = self.levels[SHORT].pformat(max_lines=MOST_LINES, max_width=-1, html=True)
        head = f"<strong>{escape(self.product)}</strong>: {escape(str(self.verdict))}"
        return f"<p>{head}</p>{''.join(lines)}"


def _worst_seam(used: QTable, column: str, unit: str) -> tuple[str, str]:
    steps, noise = np.abs(np.asarray(used[column])), np.asarray(used["offset_error_noise"])
    k = int(np.argmax(steps))
    with np.errstate(divide="ignore", invalid="ignore"):
        sigmas = np.nan_to_num(steps[k] / noise[k], posinf=np.inf)
    size = f"{steps[k]:.3g} {unit}".strip()
    return f"{size} ({sigmas:.4g} sigma)", f"{used['first'][k]} and {used['second'][k]}"


def _draw(result: MatchResult, name: str, ax: Any, **options: Any) -> Any:
    """Import the figures, which need matplotlib, and draw one of them."""
    try:
        from jwst_mosaic_skymatch.report import figures
    except ImportError as error:
        raise ImportError(f"Figures need {error.name}: {PLOTS}", name=error.name) from error
    return figures.draw(result, name, ax, **options)


def make_result(
    product: str,
    exposures: Exposures,
    match: Match,
    grid: Grid | None,
    levels: np.ndarray,
    parameters: Mapping[str, Any],
    findings: tuple[Finding, ...],
) -> MatchResult:
    """Make the result of a run while the means of its stacks are still in their files.

    Parameters
    ----------
    product : str
        Name of the mosaic.
    exposures : sequence of Exposure
        The exposures.
    match : Match
        Their match.
    grid : Grid or None
        Its grid; None for levels that do not come from a match.
    levels : ndarray, shape (n,)
        Level to subtract from each exposure, MJy/sr; NaN for none.
    parameters : mapping
        Values of all parameters of the step, by name.
    findings : tuple of Finding
        Warnings.

    Returns
    -------
    MatchResult
        The result.
    """
    unit, is_drawn = exposures[0].unit, parameters["save_diagnostics"]
    pictures = ((n, p.measurement.quality.picture) for n, p in named_pairs(match, exposures))
    return MatchResult(
        product=product,
        method=parameters["skymethod"],
        levels=levels_table(exposures, match, levels, grid, unit),
        pairs=pairs_table(exposures, match, grid, unit),
        findings=findings,
        footprints=tuple(read_footprint(exposure.s_region) for exposure in exposures),
        mosaic=condense_mosaic(match, levels, grid) if grid and is_drawn else None,
        pictures={names: picture for names, picture in pictures if picture},
        provenance={
            "run": {"date": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())},
            "versions": {"jwst-mosaic-skymatch": __version__}
            | {name: version(name) for name in LIBRARIES},
            # Hooks are classes and callables.
            "parameters": {n: str(v) for n, v in parameters.items() if not n.endswith("hooks")},
        },
    )


def save_result(
    result: MatchResult,
    exposures: Exposures,
    match: Match,
    grid: Grid,
    levels: np.ndarray,
    output_path: files.OutputPath,
) -> list[str]:
    """Save the mean image of each stack, levels as a skylist, tables, and the report.

    Parameters
    ----------
    result : MatchResult
        The result.
    exposures, match, grid, levels
        See `make_result`.
    output_path : callable
        Makes the path of a file of its name, suffix and extension.

    Returns
    -------
    list of str
        A line for each file that is not saved: a skylist if none can hold the levels, the report
        without matplotlib or Jinja2.
    """
    product, lines = result.product, []
    with files.whole_files(Path(output_path(product, "skylist", "txt")).parent) as draft:
        files.save_tiles(draft, output_path, match.stacks, grid, exposures[0].unit)
        result.levels.write(draft(output_path(product, "skymatch_levels", "ecsv")))
        result.pairs.write(draft(output_path(product, "skymatch_pairs", "ecsv")))
        try:
            text = write_skylist(exposures, match, levels)
            draft(output_path(product, "skylist", "txt")).write_text(text, encoding="utf-8")
        except ValueError as error:
            lines.append(f"No skylist is saved: {error}")
        try:
            from jwst_mosaic_skymatch.report.figures import render_report

            page = draft(output_path(product, "skymatch_report", "html"))
            page.write_text(render_report(result), encoding="utf-8")
        except ImportError as error:
            lines.append(f"No report is saved, as {error.name} is missing: {PLOTS}, and run again")
    return lines
