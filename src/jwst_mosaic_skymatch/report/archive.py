"""A result in files, from which its report can be made again."""

from pathlib import Path
from typing import Any

import asdf
import numpy as np
from astropy.table import QTable

from jwst_mosaic_skymatch.offsets.picture import DifferencePicture
from jwst_mosaic_skymatch.products.findings import Finding
from jwst_mosaic_skymatch.products.tables import values_of
from jwst_mosaic_skymatch.report.mosaic import MosaicPicture
from jwst_mosaic_skymatch.report.result import MatchResult, Provenance
from jwst_mosaic_skymatch.report.verdict import Closure

__all__ = ["ENDINGS", "find_prefix", "pairs_of_interest", "read_result", "write_material"]

#: How the names of the files of a run end.
ENDINGS = {
    "levels": "_skymatch_levels.ecsv",
    "pairs": "_skymatch_pairs.ecsv",
    "material": "_skymatch_report.asdf",
    "report": "_skymatch_report.html",
}
# Pictures of so many pairs are kept in files, 16 kB each before compression.
KEPT = 60


def pairs_of_interest(result: MatchResult) -> list[int]:
    """Put those pairs first that are worth a look.

    Parameters
    ----------
    result : MatchResult
        The result.

    Returns
    -------
    list of int
        Rows of its pairs by what is left of their offsets, the worst first; those that the
        solution leaves out come before all others.
    """
    pairs = result.pairs
    if not len(pairs):
        return []
    left = np.abs(values_of(pairs["residual"]))
    used = np.asarray(pairs["used"], dtype=bool)
    return np.lexsort((-left, used)).tolist()


def write_material(path: Path, result: MatchResult) -> None:
    """Write what the tables do not hold.

    Parameters
    ----------
    path : Path
        The file.
    result : MatchResult
        The result. Of its pictures those of the worst pairs, and of the median one, are kept.
    """
    rows = pairs_of_interest(result)
    rows = list(dict.fromkeys([*rows[:KEPT], *rows[len(rows) // 2 :][:1]]))
    names = [(str(result.pairs["first"][k]), str(result.pairs["second"][k])) for k in rows]
    mosaic = dict(vars(result.mosaic)) if result.mosaic else None
    if mosaic:
        mosaic |= {name: list(mosaic[name]) for name in ("extent", "centre")}
    tree = {
        "product": result.product,
        "method": result.method,
        "n_ties": result.n_ties,
        "findings": [_plain(vars(finding)) for finding in result.findings],
        "footprints": [np.asarray(corners, dtype=float).tolist() for corners in result.footprints],
        "provenance": _in_order(result.provenance),
        "mosaic": mosaic,
        "pictures": [
            {"first": first, "second": second, **vars(result.pictures[first, second])}
            for first, second in names
            if (first, second) in result.pictures
        ],
    }
    asdf.AsdfFile(tree).write_to(path, all_array_compression="zlib")


def _plain(value: Any) -> Any:
    """Make of values what every file format holds."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def find_prefix(product: str | Path) -> Path:
    """Find out which run is meant.

    Parameters
    ----------
    product : str or Path
        What the names of its files begin with, or one of these, or their directory if it has
        one run.

    Returns
    -------
    Path
        What they begin with.

    Raises
    ------
    FileNotFoundError
        If there is no table of levels.
    ValueError
        If a directory has several.
    """
    path = Path(product)
    if path.is_dir():
        tables = sorted(path.glob(f"*{ENDINGS['levels']}"))
        if len(tables) > 1:
            names = ", ".join(table.name.removesuffix(ENDINGS["levels"]) for table in tables)
            raise ValueError(
                f"{path}: has several products ({names}); give one with its directory."
            )
        path = tables[0] if tables else path / "*"
    for ending in ENDINGS.values():
        if path.name.endswith(ending):
            path = path.with_name(path.name.removesuffix(ending))
    table = path.with_name(path.name + ENDINGS["levels"])
    if not table.is_file():
        raise FileNotFoundError(
            f"{table}: no such table of levels; give the name of a product that was matched with "
            "save_diagnostics=True, with its directory."
        )
    return path


def read_result(product: str | Path) -> MatchResult:
    """Read the result of a run from its files.

    Parameters
    ----------
    product : str or Path
        See `find_prefix`.

    Returns
    -------
    MatchResult
        The result; without footprints and pictures if only tables are there.

    Raises
    ------
    FileNotFoundError
        If there is no table of levels or of pairs.
    ValueError
        If a file cannot be read.
    """
    prefix = find_prefix(product)
    levels, pairs = (
        _read_table(prefix.with_name(prefix.name + ENDINGS[what])) for what in ("levels", "pairs")
    )
    path = prefix.with_name(prefix.name + ENDINGS["material"])
    tree = _read_material(path) if path.is_file() else {}
    try:
        return _make_result(prefix.name, levels, pairs, tree)
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{path}: lacks what a report needs ({error}); run the step again with "
            "save_diagnostics=True."
        ) from None


def _make_result(name: str, levels: QTable, pairs: QTable, tree: dict[str, Any]) -> MatchResult:
    if "offset_error_noise" not in pairs.colnames:  # of a run before there was a report
        pairs["offset_error_noise"] = pairs["offset_error"]
    mosaic = tree.get("mosaic")
    keys = ("x0", "y0", "block", "image", "edges", "counts")
    return MatchResult(
        product=tree.get("product", name),
        method=tree.get("method", "match"),
        levels=levels,
        pairs=pairs,
        closure=Closure(levels.meta.get("chi2", np.nan), levels.meta.get("dof", np.nan)),
        findings=tuple(_read_finding(found) for found in tree.get("findings", ())),
        n_ties=tree.get("n_ties", 0),
        footprints=tuple(np.reshape(c, (-1, 2)) for c in tree.get("footprints", ())),
        mosaic=MosaicPicture(**{k: _frozen(v) for k, v in mosaic.items()}) if mosaic else None,
        pictures={
            (one["first"], one["second"]): DifferencePicture(**{key: one[key] for key in keys})
            for one in tree.get("pictures", ())
        },
        provenance=_read_provenance(tree.get("provenance", {})),
    )


def _in_order(provenance: Provenance) -> dict[str, Any]:
    """Write mappings as lists: YAML would sort them."""
    return {
        name: value if isinstance(value, str) else [[key, item] for key, item in value.items()]
        for name, value in vars(provenance).items()
    }


def _read_provenance(tree: dict[str, Any]) -> Provenance:
    values: dict[str, Any] = {
        name: value if isinstance(value, str) else dict(value) for name, value in tree.items()
    }
    return Provenance(**values)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _read_finding(tree: dict[str, Any]) -> Finding:
    return Finding(**{key: _frozen(value) for key, value in tree.items()})


def _read_table(path: Path) -> QTable:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such table; run with save_diagnostics=True again.")
    try:
        table = QTable.read(path, format="ascii.ecsv")
    except Exception as error:  # whatever a broken table leads to
        raise _unreadable(path, error) from None
    for name in table.colnames:
        # Empty texts come back as missing ones.
        if table[name].dtype.kind == "U" and hasattr(table[name], "filled"):
            table[name] = table[name].filled("")
    return table


def _read_material(path: Path) -> dict[str, Any]:
    try:
        with asdf.open(path, lazy_load=False, memmap=False) as file:
            return {
                key: _plain(_own(value)) for key, value in file.tree.items() if key[:4] != "asdf"
            }
    except Exception as error:  # whatever a broken file leads to
        raise _unreadable(path, error) from None


def _own(value: Any) -> Any:
    """Take arrays, lists and mappings out of the file that they were read from."""
    if hasattr(value, "items"):
        return {key: _own(item) for key, item in value.items()}
    if isinstance(value, str) or value is None:
        return value
    if hasattr(value, "dtype"):
        return np.array(value)
    return [_own(item) for item in value] if hasattr(value, "__len__") else value


def _unreadable(path: Path, error: Exception) -> ValueError:
    what = str(error).partition("\n")[0]
    return ValueError(
        f"{path}: cannot be read ({type(error).__name__}: {what}); run the step again with "
        "save_diagnostics=True."
    )
