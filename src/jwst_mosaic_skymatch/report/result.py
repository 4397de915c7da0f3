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

# Lines of the table of groups in a notebook.
MOST_LINES = 43


@dataclass(frozen=True)
class Provenance:
    """Origin of a result.

    Attributes
    ----------
    date : str
        End of the run, UTC.
    versions, parameters, grid : mapping of str to str
        Versions of this package and of the libraries that results depend on, parameters of the
        step, and the shared grid.
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
    product, method : str
        Name of the mosaic, and ``skymethod``. With ``local``, ``global`` and ``user`` there are no
        pairs, and errors and shifts are NaN.
    levels, pairs : `~astropy.table.QTable`
        One row for each exposure or pair, see `~jwst_mosaic_skymatch.products.tables`.
    closure : Closure
        Agreement of the pairs with the levels.
    findings : tuple of Finding
        Warnings.
    n_ties : int
        Number of exposures whose detectors tie components.
    footprints : tuple of ndarray, shape (n_corners, 2)
        RA and Dec (degrees) of the corners of each exposure; empty where not known.
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
        return judge(self)

    @property
    def unit(self) -> str:
        """Unit of the data, without blanks."""
        return str(getattr(self.levels["level"], "unit", None) or "").replace(" ", "")

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
        return _draw(self, "levels", ax)

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
        names = (self.levels["filename"][end] if isinstance(end, int) else end for end in (i, j))
        row = self._find_pair(*map(str, names))
        ends = str(self.pairs["first"][row]), str(self.pairs["second"][row])
        if ends not in self.pictures:
            remedy = "run with save_diagnostics=True."
            raise ValueError(f"No picture of {' and '.join(ends)} was kept; {remedy}")
        residual = float(values_of(self.pairs["residual"][row]))
        return _draw(self, what, ax, picture=self.pictures[ends], residual=residual)

    def _find_pair(self, *names: str) -> int:
        """Find the row of two exposures or, if these were not compared, of their stacks."""
        groups = dict(zip(self.levels["filename"], self.levels["group"], strict=True))
        pairs = [{str(p["first"]), str(p["second"])} for p in self.pairs["first", "second"]]
        for ends in (set(names), {str(groups.get(name, name)) for name in names}):
            if ends in pairs:
                return pairs.index(ends)
        raise ValueError(f"{' and '.join(names)} were not compared; see the table pairs.")

    def __repr__(self) -> str:
        return f"<MatchResult {self.product}: {self.verdict}>"

    def _repr_html_(self) -> str:
        """Represent the result in a notebook by verdict and groups."""
        groups = group_table(self.levels, self.findings)
        lines = groups.pformat(max_lines=MOST_LINES, max_width=-1, html=True)
        head = f"<strong>{escape(self.product)}</strong>: {escape(str(self.verdict))}"
        return f"<p>{head}</p>{''.join(lines)}"


def _draw(result: MatchResult, name: str, ax: Any, **options: Any) -> Any:
    """Import the figures, which need matplotlib, and draw one of them."""
    try:
        from jwst_mosaic_skymatch.report import figures
    except ImportError as error:
        remedy = 'pip install "jwst-mosaic-skymatch[plots]"'
        raise ImportError(f"Figures need {error.name}: {remedy}", name=error.name) from error
    return figures.draw(result, name, ax, **options)
