"""Print the size of the code: nodes of the syntax tree without docstrings, and what is long."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE, TESTS = ROOT / "src/jwst_mosaic_skymatch", ROOT / "tests"
CORE = ("tiles", "offsets", "levels", "compute", "match.py", "stacking.py", "run.py")
MOST_LINES, MOST_FIELDS = 60, 8


def read(path: Path) -> ast.Module:
    """Parse a file without its docstrings."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if documented and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return tree


# _version.py is written by the build.
everything = [path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "_version.py"]
core = [p for name in CORE for p in sorted((PACKAGE / name).rglob("*.py")) or [PACKAGE / name]]
for name, paths in (
    ("core", core),
    ("all but the simulation", everything),
    ("tests", sorted(TESTS.rglob("*.py"))),
):
    nodes = sum(sum(1 for _ in ast.walk(read(path))) for path in paths)
    print(f"{name}: {nodes} nodes in {len(paths)} files")
for path in core:
    for node in ast.walk(read(path)):
        where = f"{path.relative_to(PACKAGE)}: {getattr(node, 'name', '')}"
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= MOST_LINES:
            body = node.end_lineno - node.body[0].lineno + 1
            print(f"{where} has {node.end_lineno - node.lineno + 1} lines, {body} in its body")
        if isinstance(node, ast.ClassDef):
            n_fields = sum(isinstance(one, ast.AnnAssign) for one in node.body)
            if n_fields > MOST_FIELDS:
                print(f"{where} has {n_fields} fields")
