"""What a benchmark has found, as a small JSON file that the documentation makes a table of."""

import json
import math
import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("jwst-mosaic-skymatch", "jwst", "stcal", "numpy", "scipy", "astropy", "drizzle", "gwcs")


def add_json_option(parser):
    """Let a benchmark write what it prints."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")


def write_record(path, rows, columns, *, versions=(), notes=()):
    """Write a record; nothing without a path.

    Parameters
    ----------
    path : Path or None
        Where to.
    rows : list of dict
        Figures and names, by column.
    columns : dict of str to str
        What each column is, with its unit.
    versions : dict of str to str, optional
        Versions beyond those of this environment.
    notes : sequence of str, optional
        What readers must know.
    """
    if path is None:
        return
    record = {
        "command": _command(path),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}",
        "versions": {**_versions(), **dict(versions)},
        "columns": columns,
        "rows": [{key: _plain(row[key]) for key in columns if key in row} for row in rows],
        "notes": list(notes),
    }
    path.write_text(json.dumps(record, indent=1) + "\n")


def _command(path):
    """Give the command as one types it in the root of a clone, without where the record goes."""
    words = [word for word in sys.argv[1:] if word not in ("--json", str(path), f"--json={path}")]
    script = Path(sys.argv[0]).name
    return shlex.join(["python", f"tests/benchmarks/{script}", *words])


def _versions():
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _plain(value):
    """Give text, or a number with five digits; NaN is null."""
    if value is None or isinstance(value, str | int):
        return value
    value = float(value)
    return float(f"{value:.5g}") if math.isfinite(value) else None
