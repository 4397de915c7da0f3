"""Two runs side by side: levels, and the seams that each of them leaves."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from astropy.io import fits

from jwst_mosaic_skymatch.products.tables import values_of
from jwst_mosaic_skymatch.report.archive import find_prefix, read_result
from jwst_mosaic_skymatch.report.result import MatchResult

__all__ = ["Comparison", "Run", "compare_runs", "read_run", "with_levels"]

# Of the first header of an exposure, what its root name is made of.
NUMBERS = ("VISIT_ID", "VISITGRP", "SEQ_ID", "ACT_ID", "EXPOSURE", "DETECTOR")
REMEDY = (
    "give the name of a product that was matched with save_diagnostics=True, or the association, "
    "the directory, or one of the files that a step has saved"
)


@dataclass(frozen=True, eq=False)
class Run:
    """Levels that some step has found.

    Attributes
    ----------
    name : str
        What it is called.
    levels : mapping of str to float
        Level by root name of the exposure, MJy/sr; NaN for none.
    result : MatchResult or None
        All that is known of a run of our step.
    """

    name: str
    levels: Mapping[str, float]
    result: MatchResult | None = None


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two runs on the exposures and pairs that one of them knows.

    Attributes
    ----------
    names : tuple of str
        The two.
    results : tuple of MatchResult
        The run that has pairs, and the same with the levels of the other, in the order of names.
    differences : ndarray, shape (n,)
        Levels of the second minus those of the first, less their mean in each component, MJy/sr;
        NaN where one of them has none.
    """

    names: tuple[str, str]
    results: tuple[MatchResult, MatchResult]
    differences: np.ndarray

    @property
    def rms(self) -> float:
        """Rms of the differences; NaN if there is none."""
        known = self.differences[np.isfinite(self.differences)]
        return float(np.sqrt(np.mean(known**2))) if known.size else float("nan")


def read_run(path: str | Path) -> Run:
    """Read the levels of a run.

    Parameters
    ----------
    path : str or Path
        A product of ours (see `~jwst_mosaic_skymatch.report.archive.find_prefix`); or the
        association, the directory, or a file that any step has saved, of which the headers tell the
        levels.

    Returns
    -------
    Run
        The levels.

    Raises
    ------
    FileNotFoundError
        If there is nothing of this name.
    ValueError
        If no file has a level, or one cannot be read.
    """
    path = Path(path)
    try:
        prefix = find_prefix(path)
    except FileNotFoundError:
        pass
    else:
        result = read_result(prefix)
        names = [_stem(str(name)) for name in result.levels["filename"]]
        levels = values_of(result.levels["level"]).tolist()
        return Run(prefix.name, dict(zip(names, levels, strict=True)), result)
    files = _files(path)
    levels = dict(_read_level(file) for file in files)
    if not np.isfinite(list(levels.values())).any():
        raise ValueError(f"{path}: no exposure has a level (BKGLEVEL); {REMEDY}.")
    return Run(path.stem or str(path), levels)


def _files(path: Path) -> list[Path]:
    """List the files of exposures that a path means."""
    if path.is_dir():
        files = sorted(path.glob("*_skymatch.fits"))
        if not files:
            raise FileNotFoundError(f"{path}: holds no *_skymatch.fits; {REMEDY}.")
        return files
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such product, file, or directory; {REMEDY}.")
    if path.suffix != ".json":
        return [path]
    try:
        members = json.loads(path.read_text())["products"][0]["members"]
        names = [m["expname"] for m in members if m.get("exptype", "science") == "science"]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ValueError(
            f"{path}: is no association ({type(error).__name__}: {error}); {REMEDY}."
        ) from None
    return [path.parent / name for name in names]


def _read_level(path: Path) -> tuple[str, float]:
    """Read root name and level from the headers of a file."""
    try:
        with fits.open(path) as hdus:
            header = hdus[0].header
            level = next((h.header["BKGLEVEL"] for h in hdus if "BKGLEVEL" in h.header), np.nan)
            if not all(key in header for key in NUMBERS):
                return _stem(str(header.get("FILENAME", path.name))), float(level)
            visit, group, sequence, activity, exposure, detector = (header[k] for k in NUMBERS)
    except OSError as error:
        what = str(error).partition("\n")[0]
        raise ValueError(f"{path}: cannot be read ({what}); {REMEDY}.") from None
    root = f"jw{visit}_{group}{sequence}{activity}_{int(exposure):05d}_{detector.lower()}"
    return root, float(level)


def _stem(filename: str) -> str:
    """Take directory, extension, and suffix of a product from a file name."""
    return Path(filename).stem.rpartition("_")[0] or Path(filename).stem


def with_levels(result: MatchResult, levels: np.ndarray, product: str) -> MatchResult:
    """Put other levels into a result, to see what seams they leave.

    Parameters
    ----------
    result : MatchResult
        A result with pairs.
    levels : ndarray, shape (n,)
        The other levels, MJy/sr; NaN for none.
    product : str
        What to call it.

    Returns
    -------
    MatchResult
        The same with these levels, and with what they leave of the offsets. Errors, findings, and
        pictures, which are those of the first, are gone.
    """
    table, pairs = result.levels.copy(), result.pairs.copy()
    unit = getattr(table["level"], "unit", None)
    changes = levels - values_of(table["level"])
    table["level"] = levels * unit if unit is not None else levels
    table["level_error"][:] = table["level_error_noise"][:] = np.nan * (unit or 1.0)
    table["status"] = np.where(np.isfinite(levels), "COMPLETE", "SKIPPED")
    table["remark"] = [""] * len(table)
    by_name = dict(zip(map(str, table["filename"]), changes.tolist(), strict=True))
    groups = np.asarray(table["group"])
    by_name |= {str(group): float(np.mean(changes[groups == group])) for group in np.unique(groups)}
    if len(pairs):
        change = [
            by_name[str(first)] - by_name[str(second)]
            for first, second in zip(pairs["first"], pairs["second"], strict=True)
        ]
        residual = values_of(pairs["residual"]) - change
        pairs["residual"] = residual * unit if unit is not None else residual
        pairs["used"] = np.isfinite(residual)
    return replace(
        result,
        product=product,
        levels=table,
        pairs=pairs,
        findings=(),
        mosaic=None,
        pictures={},
    )


def compare_runs(first: Run, second: Run) -> Comparison:
    """Compare two runs.

    Parameters
    ----------
    first, second : Run
        The two; at least one has a result.

    Returns
    -------
    Comparison
        The comparison, on the exposures of the first that has a result.

    Raises
    ------
    ValueError
        If none has a result, or they have no exposure in common.
    """
    known = first if first.result else second
    if known.result is None:
        raise ValueError(
            f"{first.name} and {second.name}: none of them has saved tables, which say what "
            f"overlaps show; {REMEDY}."
        )
    result = known.result
    stems = [_stem(str(name)) for name in result.levels["filename"]]
    both = [np.array([run.levels.get(s, np.nan) for s in stems]) for run in (first, second)]
    if not np.isfinite(both[0] + both[1]).any():
        raise ValueError(
            f"{first.name} and {second.name}: have no exposure in common that has a level in both; "
            "compare runs on the same exposures."
        )
    results = [
        run.result if run is known and run.result else with_levels(result, levels, run.name)
        for run, levels in zip((first, second), both, strict=True)
    ]
    # A run of ours has pictures of its own.
    for k, run in enumerate((first, second)):
        if run is not known and run.result:
            results[k] = replace(results[k], mosaic=run.result.mosaic)
    return Comparison(
        names=(first.name, second.name),
        results=(results[0], results[1]),
        differences=_centred(both[1] - both[0], np.asarray(result.levels["component"])),
    )


def _centred(differences: np.ndarray, components: Sequence[int] | np.ndarray) -> np.ndarray:
    """Subtract the mean in each component, which no match can know."""
    centred = np.full(len(differences), np.nan)
    for component in np.unique(components):
        own = (components == component) & np.isfinite(differences)
        if component >= 0 and own.any():
            centred[own] = differences[own] - differences[own].mean()
    return centred
