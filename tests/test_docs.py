"""The documentation names every module, and workers start without jwst."""

import re
import subprocess
import sys
from pathlib import Path

import jwst_mosaic_skymatch

PACKAGE = Path(jwst_mosaic_skymatch.__file__).parent
DOCS = Path(__file__).parents[1] / "docs"


def modules():
    """Give the file of each module by its name, such as ``tiles/grid``."""
    return {p.relative_to(PACKAGE).with_suffix("").as_posix(): p for p in PACKAGE.rglob("*.py")}


def public_modules():
    return {name for name, path in modules().items() if not path.name.startswith("_")}


def section(title):
    """Give the text of development.rst below a title, down to the next."""
    text = (DOCS / "development.rst").read_text()
    return re.split(r"\n[^\n]+\n-+\n", text.split(f"\n{title}\n")[1].lstrip("-\n"))[0]


def test_module_map_names_every_module_and_no_other():
    named = re.findall(r"^``(\w+(?:/\w+)?)``  ", section("Module map"), re.MULTILINE)
    assert len(named) > 50
    assert sorted(named) == sorted(public_modules())


def test_api_documents_every_package():
    documented = re.findall(r"^.. modules:: ([\w.]+)", (DOCS / "api.rst").read_text(), re.MULTILINE)
    packages = {path.parent for path in PACKAGE.rglob("*.py")}
    names = {".".join(path.relative_to(PACKAGE.parent).parts) for path in packages}
    assert sorted(documented) == sorted({*names, "jwst_mosaic_simulation"})


def test_workers_start_without_jwst():
    code = (
        "import sys, jwst_mosaic_skymatch.match; "
        "print(*{'jwst', 'gwcs', 'asdf', 'stpipe'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
