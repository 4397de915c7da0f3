"""The result of a run: tables, verdict, and figures for a notebook."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
from astropy.table import QTable

from jwst_mosaic_skymatch.offsets.picture import DifferencePicture
from jwst_mosaic_skymatch.products.findings import Finding
from jwst_mosaic_skymatch.products.tables import values_of
from jwst_mosaic_skymatch.report.mosaic import MosaicPicture
from jwst_mosaic_skymatch.report.verdict import Closure, Verdict, group_table, judge

__all__ = ["MatchResult", "Provenance"]

# Groups that a notebook lists.
MOST_GROUPS = 40


@dataclass(frozen=True)
class Provenance:
    """Origin of a result.

    Attributes
    ----------
    date : str
        End of the run, UTC.
    versions : mapping of str to str
        Versions of this package and of the libraries that results depend on.
    parameters : mapping of str to str
        Parameters of the step.
    grid : mapping of str to str
        The shared grid.
    seconds : mapping of str to float
        Time of each stage.
    """

    date: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    grid: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class MatchResult:
    """Result of a run, with its figures.

    Tables do not change when the step runs again. Figures need matplotlib (``pip install
    "jwst-mosaic-skymatch[plots]"``). Each takes `~matplotlib.axes.Axes`, or makes some, and
    returns them. Figures of the sky replace plain Axes by
    `~astropy.visualization.wcsaxes.WCSAxes` in the same place.

    Attributes
    ----------
    product : str
        Name of the mosaic.
    method : str
        The ``skymethod``.
    levels : `~astropy.table.QTable`
        One row for each exposure, see `~jwst_mosaic_skymatch.products.tables.levels_table`. With
        the methods ``local``, ``global`` and ``user`` errors and shifts are NaN.
    pairs : `~astropy.table.QTable`
        One row for each pair, see `~jwst_mosaic_skymatch.products.tables.pairs_table`; none with
        these methods, which compare nothing.
    closure : Closure
        Agreement of the pairs with the levels.
    findings : tuple of Finding
        Warnings.
    n_ties : int
        Number of exposures whose detectors tie components.
    footprints : tuple of ndarray, shape (n_corners, 2)
        RA and Dec (degrees) of the corners of each exposure; empty where they are not known.
    mosaic : MosaicPicture or None
        The mosaic before and after, with ``save_diagnostics``.
    pictures : mapping of tuple of str to DifferencePicture
        Differences by the two names of a pair, with ``save_diagnostics``.
    provenance : Provenance
        Origin of the result.
    """

    product: str
    method: str
    levels: QTable
    pairs: QTable
    closure: Closure
    findings: tuple[Finding, ...] = ()
    n_ties: int = 0
    footprints: tuple[np.ndarray, ...] = ()
    mosaic: MosaicPicture | None = None
    pictures: Mapping[tuple[str, str], DifferencePicture] = field(default_factory=dict)
    provenance: Provenance = field(default_factory=Provenance)

    @property
    def verdict(self) -> Verdict:
        """Whether the run worked, and problems with their remedies, in one sentence."""
        return judge(self.method, self.levels, self.pairs, self.closure, self.n_ties, self.findings)

    @property
    def unit(self) -> str:
        """Unit of the data."""
        return str(getattr(self.levels["level"], "unit", None) or "")

    @property
    def pair_sigmas(self) -> np.ndarray:
        """Absolute residual of each pair in units of the error of its offset, shape (n_pairs,)."""
        errors = values_of(self.pairs["offset_error"])
        return np.abs(values_of(self.pairs["residual"])) / np.maximum(errors, 1e-30)

    @property
    def pairs_by_residual(self) -> list[int]:
        """Rows of ``pairs``, the largest residual first; those not used precede all others."""
        residual = np.abs(values_of(self.pairs["residual"]))
        return np.lexsort((-residual, np.asarray(self.pairs["used"], dtype=bool))).tolist()

    def plot_levels(self, ax: Any = None) -> Any:
        """Draw levels with their errors, total and by noise, visit by visit.

        Parameters
        ----------
        ax : `~matplotlib.axes.Axes`, optional
            Axes to draw on; by default those of a new figure.

        Returns
        -------
        `~matplotlib.axes.Axes`
            The Axes.
        """
        figures = _figures()
        ax = figures.plain_axes(ax)
        figures.draw_levels(ax, self)
        return ax

    def plot_pairs(self, ax: Any = None) -> Any:
        """Draw the sky: footprints by level, pairs by residual in sigma, and shifts.

        Parameters
        ----------
        ax : `~matplotlib.axes.Axes`, optional
            Axes to draw on; by default those of a new figure.

        Returns
        -------
        `~astropy.visualization.wcsaxes.WCSAxes`
            The Axes, or those that replace plain ones.
        """
        figures = _figures()
        ax = figures.sky_axes(ax, self)
        figures.draw_sky(ax, self)
        return ax

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
            raise ValueError(
                "This result has no picture of the mosaic; run a matching skymethod with "
                "save_diagnostics=True."
            )
        figures = _figures()
        ax = figures.sky_axes(ax, self)
        figures.draw_mosaic(ax, self, which)
        return ax

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
            Means over blocks of cells, or the distribution of single cells.

        Returns
        -------
        `~matplotlib.axes.Axes`
            The Axes.

        Raises
        ------
        ValueError
            If the two were not compared, or the run has kept no picture of the pair.
        """
        if what not in ("image", "histogram"):
            raise ValueError(f"what={what!r}: is not 'image' or 'histogram'.")
        pair = self.pairs[self.find_pair(i, j)]
        ends = str(pair["first"]), str(pair["second"])
        if ends not in self.pictures:
            raise ValueError(
                f"{ends[0]} and {ends[1]}: no picture of this pair was kept; run with "
                "save_diagnostics=True."
            )
        figures = _figures()
        ax = figures.plain_axes(ax)
        draw = figures.draw_difference if what == "image" else figures.draw_histogram
        draw(ax, self.pictures[ends], pair)
        return ax

    def find_pair(self, i: int | str, j: int | str) -> int:
        """Find the row of a pair in ``pairs``.

        Parameters
        ----------
        i, j : int or str
            See `plot_pair`.

        Returns
        -------
        int
            The row.

        Raises
        ------
        ValueError
            If the two were not compared.
        """
        names = [self._name(end) for end in (i, j)]
        groups = dict(zip(self.levels["filename"], self.levels["group"], strict=True))
        first, second = np.asarray(self.pairs["first"]), np.asarray(self.pairs["second"])
        for a, b in (names, [str(groups.get(name, name)) for name in names]):
            rows = np.flatnonzero(((first == a) & (second == b)) | ((first == b) & (second == a)))
            if rows.size:
                return int(rows[0])
        raise ValueError(f"{names[0]} and {names[1]} were not compared; see the table pairs.")

    def _name(self, end: int | str) -> str:
        if isinstance(end, str):
            return end
        if not -len(self.levels) <= end < len(self.levels):
            raise ValueError(f"{end}: there are {len(self.levels)} exposures.")
        return str(self.levels["filename"][end])

    def __repr__(self) -> str:
        return f"<MatchResult {self.product}: {self.verdict}>"

    def _repr_html_(self) -> str:
        """Represent the result in a notebook by verdict and groups."""
        groups = group_table(self.levels, self.findings)
        table = groups[:MOST_GROUPS].pformat(max_lines=-1, max_width=-1, html=True)
        n_more = len(groups) - MOST_GROUPS
        more = f"<p>and {n_more} more groups</p>" if n_more > 0 else ""
        head = f"<strong>{escape(self.product)}</strong>: {escape(str(self.verdict))}"
        return f"<p>{head}</p>{''.join(table)}{more}"


def _figures() -> Any:
    """Import the figures, which need matplotlib."""
    try:
        from jwst_mosaic_skymatch.report import figures
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        raise ImportError(
            'Figures need matplotlib: pip install "jwst-mosaic-skymatch[plots]"', name=error.name
        ) from None
    return figures
