"""Code in the documentation: what is there, and how it is executed."""

import doctest
import os
import re
import subprocess
import textwrap
from dataclasses import dataclass

# Languages that are executed, and those that are no code; any other needs a reason.
EXECUTED = ("python", "pycon", "sh", "console")
SHOWN = ("none", "text", "rst")
_DIRECTIVE = re.compile(r"^(?P<indent> *)\.\. code-block::\s*(?P<language>\S*)\s*$")
_REASON = re.compile(r"^ *\.\. not executed:(?P<reason>.*)$")
# What a literal block of the README begins with that is a command, or is Python.
_COMMAND = re.compile(r"(strun|stpipe|python3?|pip|git|tox|dask) ")
_PYTHON = re.compile(r"(from|import|with) |\w[\w.]*(\(| = )")


@dataclass(frozen=True)
class CodeBlock:
    """A piece of code of a page.

    Attributes
    ----------
    line : int
        Where it begins, from 1.
    language : str
        What it is written in.
    code : str
        Its text.
    reason : str or None
        Why it is not executed; None if it is.
    """

    line: int
    language: str
    code: str
    reason: str | None


def find_blocks(text, *, literal=False):
    """Find the code of a page, and with ``literal`` that of blocks behind ``::`` too."""
    lines = text.splitlines()
    blocks = []
    for number, line in enumerate(lines):
        directive = _DIRECTIVE.match(line)
        if directive:
            language, indent = directive["language"], len(directive["indent"])
        elif literal and line.endswith("::") and not line.lstrip().startswith(".."):
            language, indent = "", len(line) - len(line.lstrip())
        else:
            continue
        first, code = _body(lines, number + 1, indent)
        if not directive:
            language = "sh" if _COMMAND.match(code) else "python" if _PYTHON.match(code) else "none"
        blocks.append(CodeBlock(first + 1, language, code, _reason(lines, number)))
    return blocks


def _body(lines, start, indent):
    """Give the first line and the text of what is indented, but for options of a directive."""
    end = start
    while end < len(lines) and (not lines[end].strip() or _indent(lines[end]) > indent):
        end += 1
    while start < end and (not lines[start].strip() or lines[start].lstrip().startswith(":")):
        start += 1
    return start, textwrap.dedent("\n".join(lines[start:end])).strip() + "\n"


def _indent(line):
    return len(line) - len(line.lstrip())


def _reason(lines, number):
    """Read the comment right above a block, or above the paragraph that ends in its ``::``."""
    above = number - 1
    if not lines[number].lstrip().startswith(".."):
        while above >= 0 and lines[above].strip():
            above -= 1
    while above >= 0 and not lines[above].strip():
        above -= 1
    paragraph = []
    while above >= 0 and lines[above].strip():
        paragraph.insert(0, lines[above])
        above -= 1
    for first, line in reversed(list(enumerate(paragraph))):
        comment = _REASON.match(line)
        if comment:
            return " ".join([comment["reason"], *map(str.strip, paragraph[first + 1 :])]).strip()
    return None


def execute(block, namespace, *, page):
    """Execute a block; what it defines stays in the namespace.

    Raises
    ------
    AssertionError
        If a command fails, or shows something else than the page says.
    """
    where = f"{page}, line {block.line}"
    if block.language == "python":
        # Lines count as on the page.
        exec(compile("\n" * (block.line - 1) + block.code, str(page), "exec"), namespace)
    elif block.language == "pycon":
        _run_session(block, namespace, where)
    else:
        _run_commands(block, where)


def _run_session(block, namespace, where):
    test = doctest.DocTestParser().get_doctest(block.code, namespace, where, where, block.line - 1)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    said = []
    failed, _ = runner.run(test, out=said.append, clear_globs=False)
    namespace.update(test.globs)
    assert not failed, "".join(said)


def _run_commands(block, where):
    code = block.code
    if block.language == "console":
        code = "\n".join(re.findall(r"^\$ (.*)$", code, re.MULTILINE))
    # Reference files and a network are what these two steps want; exposures are aligned.
    skip = " --steps.tweakreg.skip=true --steps.source_catalog.skip=true"
    code = re.sub(
        r"^(strun .*(calwebb_image3|IMAGE3_PARAMETERS).*)$", rf"\1{skip}", code, flags=re.M
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{where}\n{done.stdout}{done.stderr}"
    print(done.stdout)
