"""The documentation names every module, and workers start without jwst."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import jwst_mosaic_simulation
import jwst_mosaic_skymatch

DOCS = Path(__file__).parents[1] / "docs"


def public_modules(package):
    """Name each module, such as ``tiles/grid``."""
    directory = Path(package.__file__).parent
    paths = [p.relative_to(directory) for p in directory.rglob("*.py") if p.name[0] != "_"]
    return sorted(path.with_suffix("").as_posix() for path in paths)


def section(title):
    """Give the text of development.rst below a title, down to the next."""
    text = (DOCS / "development.rst").read_text()
    return re.split(r"\n[^\n]+\n-+\n", text.split(f"\n{title}\n")[1].lstrip("-\n"))[0]


@pytest.mark.parametrize(
    ("title", "package"),
    [("Module map", jwst_mosaic_skymatch), ("Simulation", jwst_mosaic_simulation)],
)
def test_module_map_names_every_module_and_no_other(title, package):
    named = re.findall(r"^``([a-z]\w+(?:/\w+)?)``  ", section(title), re.MULTILINE)
    assert sorted(named) == public_modules(package)


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("jwst_mosaic_skymatch.match", {"jwst", "gwcs", "asdf", "stpipe"}),
        ("jwst_mosaic_skymatch.entry_points", {"jwst"}),
        ("jwst_mosaic_simulation", {"jwst"}),
    ],
)
def test_starts_without(module, absent):
    code = f"import sys, {module}; print(*{absent} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
