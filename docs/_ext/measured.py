"""Tables of the documentation from the records of benchmarks.

``.. measured:: NAME`` is a table of ``docs/validation/NAME.json``, with its command, its date, and
the versions. ``:compare: COLUMN`` adds a sentence for each row: the column is better or worse than
the others, or level with them. Without a record the page has the command that writes it.
"""

import json
import math
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

# Numbers within this factor are level: few seeds do not distinguish them.
LEVEL = 1.25
# Name of the column of the information bound, which is not compared.
BOUND = "bound"


def write_number(value):
    """Format a number with three digits; None, for a value that was not measured, as dots."""
    if value is None:
        return "..."
    if isinstance(value, str):
        return value
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(digits, 7)}f}"


def compare(record, own):
    """Compare a column with the best of the others in each row.

    Parameters
    ----------
    record : dict
        Record of a benchmark.
    own : str
        Name of the column.

    Returns
    -------
    list of str
        One sentence for each row.
    """
    first, *columns = record["columns"]
    sentences = []
    for row in record["rows"]:
        others = {
            name: row[name]
            for name in columns
            if name not in (own, BOUND) and row.get(name) is not None
        }
        if not others or row.get(own) is None:
            continue
        best = min(others, key=others.get)
        ratio = others[best] / row[own]
        where = f"**{row[first]}**: "
        if ratio > LEVEL:
            said = f"better, by {ratio:.1f} times, than the best other, {best}"
        elif ratio < 1 / LEVEL:
            said = f"worse, by {1 / ratio:.1f} times, than {best}"
        else:
            level = [name for name in others if others[name] < row[own] * LEVEL]
            said = f"level with {', '.join(level)} (within {LEVEL - 1:.0%})"
            if ratio < 1:
                said += f"; the smallest error is {best}'s"
        sentences.append(f"{where}{said}.")
    return sentences


def write_table(record):
    """Write a record as reStructuredText.

    Parameters
    ----------
    record : dict
        Record of a benchmark.

    Returns
    -------
    list of str
        Lines.
    """
    used = [
        name
        for name in record["columns"]
        if any(row.get(name) is not None for row in record["rows"])
    ]
    lines = [".. list-table::", "   :header-rows: 1", "   :class: measured", ""]
    for number, row in enumerate([dict(zip(used, used, strict=True)), *record["rows"]]):
        cells = [write_number(row.get(name)) for name in used]
        if number == 0:
            cells = [f"``{cell}``" for cell in cells]
        lines += [f"   {'*' if k == 0 else ' '} - {cell}" for k, cell in enumerate(cells)]
    lines += ["", "Columns:", ""]
    lines += [f"- ``{name}``: {record['columns'][name]}" for name in used]
    lines += ["", *(f"- {note}" for note in record["notes"])]
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    return [
        *lines,
        "",
        f"Made on {record['date']} by",
        "",
        ".. code-block:: sh",
        "",
        f"   {record['command']}",
        "",
        f"({record['machine']}; {versions}).",
    ]


class Measured(SphinxDirective):
    """Table of a record."""

    required_arguments = 1
    option_spec = {"compare": directives.unchanged, "command": directives.unchanged}  # noqa: RUF012

    def run(self):
        """Return the table as nodes."""
        path = Path(self.env.srcdir) / "validation" / f"{self.arguments[0]}.json"
        self.env.note_dependency(str(path))
        if not path.exists():
            text = "Not measured yet with this version."
            if "command" in self.options:
                command = f"{self.options['command']} --json docs/validation/{path.name}"
                text += f" ``{command}`` measures it."
            return self.parse_text_to_nodes(text)
        record = json.loads(path.read_text())
        lines = write_table(record)
        if "compare" in self.options:
            lines = [*(f"- {s}" for s in compare(record, self.options["compare"])), "", *lines]
        return self.parse_text_to_nodes("\n".join(lines)) or [nodes.paragraph()]


def setup(app):
    """Add the directive to Sphinx."""
    app.add_directive("measured", Measured)
    return {"version": "1", "parallel_read_safe": True}
