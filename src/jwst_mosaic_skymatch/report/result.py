"""The result of a run: tables, verdict, and figures for a notebook."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
from astropy.table import QTable

from jwst_mosaic_skymatch.offsets.picture import DifferencePicture
from jwst_mosaic_skymatch.products.findings import Finding
from jwst_mosaic_skymatch.report.mosaic import MosaicPicture
from jwst_mosaic_skymatch.report.verdict import Closure, Verdict, group_rows, judge

__all__ = ["MatchResult", "Provenance"]


@dataclass(frozen=True)
class Provenance:
    """What a run was made with.

    Attributes
    ----------
    date : str
        When it ended, UTC.
    versions : mapping of str to str
        Versions of this package and of what it rests on.
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
    """What a run has found, and how to look at it.

    Tables do not change when the step runs again. Figures need matplotlib (``pip install
    "jwst-mosaic-skymatch[plots]"``); each of them takes `~matplotlib.axes.Axes`, or makes some,
    and returns them.

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
        How well the pairs agree with the levels.
    findings : tuple of Finding
        What users should know.
    n_ties : int
        Number of exposures whose detectors tie components.
    footprints : tuple of ndarray, shape (n_corners, 2)
        RA and Dec (degrees) of the corners of each exposure; none where they are not known.
    mosaic : MosaicPicture or None
        The mosaic before and after, with ``save_diagnostics``.
    pictures : mapping of tuple of str to DifferencePicture
        Differences by the two names of a pair, with ``save_diagnostics``.
    provenance : Provenance
        What the run was made with.
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
        """Whether the run worked and what is to be looked at, in one sentence."""
        return judge(self.method, self.levels, self.pairs, self.closure, self.n_ties, self.findings)

    def plot_levels(self, ax: Any = None) -> Any:
        """Draw levels with their errors, total and by noise, visit by visit.

        Parameters
        ----------
        ax : `~matplotlib.axes.Axes`, optional
            Where to; by default a new figure.

        Returns
        -------
        `~matplotlib.axes.Axes`
            The same.
        """
        figures = _figures()
        return figures.draw_levels(figures.own_axes(ax), self)

    def plot_pairs(self, ax: Any = None) -> Any:
        """Draw the sky: footprints by level, pairs by residual in sigma, and shifts.

        Parameters
        ----------
        ax : `~matplotlib.axes.Axes`, optional
            Where to; by default a new figure.

        Returns
        -------
        `~matplotlib.axes.Axes`
            The same.
        """
        figures = _figures()
        from jwst_mosaic_skymatch.report.sky_figure import draw_sky

        return draw_sky(figures.own_axes(ax), self)

    def plot_mosaic(self, ax: Any = None, *, which: str = "after") -> Any:
        """Draw the mosaic.

        Parameters
        ----------
        ax : `~matplotlib.axes.Axes`, optional
            Where to; by default a new figure.
        which : {'after', 'before', 'residual'}, optional
            With levels taken away; as the exposures were given, in the same stretch; or what is
            left where exposures overlap.

        Returns
        -------
        `~matplotlib.axes.Axes`
            The same.

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
        return figures.draw_mosaic(figures.own_axes(ax), self.mosaic, which, self.unit)

    def plot_pair(self, i: int | str, j: int | str, ax: Any = None, *, what: str = "image") -> Any:
        """Draw the differences of a pair less their levels.

        Parameters
        ----------
        i, j : int or str
            The two: exposures by their row in ``levels``, or exposures or stacks by name. For two
            exposures of different stacks these stacks are taken, which were compared.
        ax : `~matplotlib.axes.Axes`, optional
            Where to; by default a new figure.
        what : {'image', 'histogram'}, optional
            Means over blocks of cells, or how single cells scatter.

        Returns
        -------
        `~matplotlib.axes.Axes`
            The same.

        Raises
        ------
        ValueError
            If the two were not compared, or the run has kept no picture of it.
        """
        if what not in ("image", "histogram"):
            raise ValueError(f"what={what!r}: is not 'image' or 'histogram'.")
        row = self.find_pair(i, j)
        ends = str(self.pairs["first"][row]), str(self.pairs["second"][row])
        if ends not in self.pictures:
            raise ValueError(
                f"{ends[0]} and {ends[1]}: no picture of this pair was kept; run with "
                "save_diagnostics=True and take step.result (files keep those of the worst pairs)."
            )
        figures = _figures()
        draw = figures.draw_difference if what == "image" else figures.draw_histogram
        return draw(figures.own_axes(ax), self.pictures[ends], self.pairs[row])

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

    @property
    def unit(self) -> str:
        """Unit of the data."""
        return str(getattr(self.levels["level"], "unit", None) or "")

    def _name(self, end: int | str) -> str:
        if isinstance(end, str):
            return end
        if not -len(self.levels) <= end < len(self.levels):
            raise ValueError(f"{end}: there are {len(self.levels)} exposures.")
        return str(self.levels["filename"][end])

    def __repr__(self) -> str:
        return f"<MatchResult {self.product}: {self.verdict}>"

    def _repr_html_(self) -> str:
        """Show verdict and groups in a notebook; needs nothing but a browser."""
        return "".join(_notebook_parts(self))


def _notebook_parts(result: MatchResult) -> Sequence[str]:
    heads = ("group", "exposures", f"level {result.unit}".strip(), "error", "status", "remark")
    rows = group_rows(result.levels, result.findings)
    shown = rows[:40]
    cells = [
        (r.name, str(r.n), f"{r.level:.5g}", f"{r.error:.2g}", r.status, r.remark) for r in shown
    ]
    table = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in cells
    )
    more = f"<p>and {len(rows) - len(shown)} more groups</p>" if len(rows) > len(shown) else ""
    return (
        f"<p><strong>{escape(result.product)}</strong>: {escape(str(result.verdict))}</p>",
        f"<table><thead><tr>{''.join(f'<th>{escape(head)}</th>' for head in heads)}</tr></thead>",
        f"<tbody>{table}</tbody></table>{more}",
    )


def _figures() -> Any:
    """Import what draws, which takes matplotlib."""
    try:
        from jwst_mosaic_skymatch.report import figures
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        raise ImportError(
            'Figures need matplotlib: pip install "jwst-mosaic-skymatch[plots]"', name=error.name
        ) from None
    return figures
