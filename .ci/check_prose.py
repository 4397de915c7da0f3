"""Print sentences above 25 words or with an empty subject; exit 1 if a named file has any."""

import ast
import re
import sys
from pathlib import Path

from docutils import core, nodes

LONGEST = 25
SUBJECT = re.compile(r"\W*(what|those|these|of which)\b", re.IGNORECASE)
# Files that pass, which are checked if no others are named. The list grows.
PASSING = [Path("README.rst"), Path("CHANGES.rst"), *Path("docs").rglob("[!_]*.rst")]
CODE = nodes.literal | nodes.math
QUIET = {"report_level": 5, "halt_level": 5, "file_insertion_enabled": False}


def texts(path: Path) -> list[tuple[int, str]]:
    """Read a page, or the docstrings of a module, each with its first line."""
    if path.suffix == ".rst":
        return [(1, path.read_text())]
    documented = ast.Module | ast.ClassDef | ast.FunctionDef
    parts = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, documented)]
    return [(part.body[0].lineno, ast.get_docstring(part) or "") for part in parts]


wrong = 0
for path in map(Path, sys.argv[1:] or PASSING):
    for start, text in texts(path):
        page = core.publish_doctree(text, settings_overrides=QUIET)
        for block in page.findall(nodes.paragraph):
            plain = "".join(
                "X" if isinstance(t.parent, CODE) else t for t in block.findall(nodes.Text)
            )
            for sentence in re.split(r"(?<=[.?!])\)*\s+(?=\W*[A-Z])", " ".join(plain.split())):
                if len(sentence.split()) > LONGEST or SUBJECT.match(sentence):
                    wrong += 1
                    print(f"{path}:{start - 1 + (block.line or 1)}: {sentence}")
sys.exit(wrong > 0)
