"""Print sentences that are too long, have an empty subject, or a banned word; exit 1 if any does.

Without arguments: all pages, and the docstrings of the packages.
"""

import ast
import re
import sys
from pathlib import Path

from docutils import core, nodes

LONGEST = 25
SUBJECT = re.compile(r"\W*(what|those|these|of which)\b", re.I)
WORDS = re.compile(r"\b(found|told|shown|kin|news|look|doubt|unlike|spread|lost|doubled)\b", re.I)
ALL = [*Path().glob("[!L]*.rst"), *Path("docs").rglob("[!_]*.rst"), *Path("src").rglob("*.py")]
ROLE = re.compile(r":[\w:]+:`[^`]*`")
CODE = nodes.literal | nodes.math | nodes.emphasis | nodes.title_reference
QUIET = {"report_level": 5, "halt_level": 5, "file_insertion_enabled": False}


def texts(path: Path) -> list[tuple[int, str]]:
    """Read a page, or the docstrings of a module, each with its first line."""
    if path.suffix == ".rst":
        return [(1, path.read_text())]
    documented = ast.Module | ast.ClassDef | ast.FunctionDef
    parts = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, documented)]
    return [(p.body[0].lineno, ast.get_docstring(p)) for p in parts if ast.get_docstring(p)]


wrong = 0
for path in map(Path, sys.argv[1:] or ALL):
    for start, text in texts(path):
        page = core.publish_doctree(ROLE.sub("``X``", text), settings_overrides=QUIET)
        for block in page.findall(lambda node: isinstance(node, nodes.paragraph | nodes.caption)):
            plain = "".join(
                "X" if isinstance(t.parent, CODE) else t for t in block.findall(nodes.Text)
            )
            for sentence in re.split(r"(?<=[.?!])\)*\s+(?=\W*[A-Z])", " ".join(plain.split())):
                long = len(sentence.split()) > LONGEST
                if long or SUBJECT.match(sentence) or WORDS.search(sentence):
                    wrong += 1
                    print(f"{path}:{start - 1 + (block.line or 1)}: {sentence}")
sys.exit(wrong > 0)
