"""The documentation knows the package, and imports go only where it says."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import jwst_mosaic_skymatch

PACKAGE = Path(jwst_mosaic_skymatch.__file__).parent
DOCS = Path(__file__).parents[1] / "docs"
SUBPACKAGES = ("exposures", "tiles", "offsets", "levels", "compute", "products", "report")
ORDER = ("compat", *SUBPACKAGES)
WITH_JWST = {"step", "pipeline", "hooks", "exposures/library"}


def modules():
    """Give the file of each module by its name, such as ``tiles/grid``."""
    return {p.relative_to(PACKAGE).with_suffix("").as_posix(): p for p in PACKAGE.rglob("*.py")}


def public_modules():
    return {name for name, path in modules().items() if not path.name.startswith("_")}


def imported_modules(path):
    """Give the full names of what a file imports, at its top or inside functions."""
    package = ("jwst_mosaic_skymatch", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            base = (*base, *(node.module or "").split("."))
            yield from (".".join(filter(None, (*base, alias.name))) for alias in node.names)


def section(title):
    """Give the text of development.rst below a title, down to the next."""
    text = (DOCS / "development.rst").read_text()
    return re.split(r"\n[^\n]+\n-+\n", text.split(f"\n{title}\n")[1].lstrip("-\n"))[0]


def test_module_map_names_every_module_and_no_other():
    named = re.findall(r"^``(\w+(?:/\w+)?)``", section("Module map"), re.MULTILINE)
    assert len(named) > 50
    assert sorted(named) == sorted(public_modules())


def test_api_documents_every_module():
    text = "".join(path.read_text() for path in sorted(DOCS.glob("api*.rst")))
    documented = re.findall(r":: jwst_mosaic_skymatch\.([\w.]+)", text)
    documented = {re.sub(r"\.[A-Z]\w+$", "", name).replace(".", "/") for name in documented}
    assert public_modules() - documented == set()


def test_docs_list_subpackages_in_order():
    listed = section("Imports").split("*")[1]
    assert tuple(re.split(r",\s+", listed)) == SUBPACKAGES
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == set(SUBPACKAGES)


@pytest.mark.parametrize("name", ORDER)
def test_imports_only_from_those_above(name):
    imported = {
        module.split(".")[1]
        for own, path in modules().items()
        if own.split("/")[0] == name
        for module in imported_modules(path)
        if module.startswith("jwst_mosaic_skymatch.")
    }
    assert imported <= set(ORDER[: ORDER.index(name) + 1])


def test_only_few_modules_import_jwst():
    importing = {
        name
        for name, path in modules().items()
        if any(imported.split(".")[0] == "jwst" for imported in imported_modules(path))
    }
    assert importing == WITH_JWST


def test_workers_start_without_jwst():
    code = (
        "import sys, jwst_mosaic_skymatch.match; "
        "print(*{'jwst', 'gwcs', 'asdf', 'stpipe'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
