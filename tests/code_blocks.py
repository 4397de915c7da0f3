"""Code in the documentation: its blocks, and how they are executed."""

import doctest
import os
import re
import subprocess
import textwrap
from typing import NamedTuple

# Languages that are executed, and languages without code; any other needs a reason.
EXECUTED = ("python", "pycon", "sh", "console")
SHOWN = ("none", "text", "rst")
_DIRECTIVE = re.compile(
    r"^(?P<indent> *)\.\. code-block:: *(?P<language>\S*)\n"
    r"(?:(?P=indent)   :.*\n)*(?P<code>(?:(?P=indent)  +.*\n|\s*\n)+)",
    re.MULTILINE,
)
# A paragraph of the README that ends in ``::``.
_LITERAL = re.compile(
    r"^(?!\.\.)\S(?:.*\n(?!\.\.)\S)*.*::\n(?P<code>(?:  +.*\n|\n)+)", re.MULTILINE
)
_REASON = re.compile(r"^ *\.\. not executed:(?P<reason>.*\n(?: *\S.*\n)*)\s*\Z", re.MULTILINE)


class CodeBlock(NamedTuple):
    """A piece of code of a page: its first line, from 1, and why it is not executed, or None."""

    line: int
    language: str
    code: str
    reason: str | None


def find_blocks(text, *, literal=False):
    """List the code of a page, or with ``literal`` the commands behind ``::``."""
    blocks = []
    for match in (_LITERAL if literal else _DIRECTIVE).finditer(text.rstrip() + "\n"):
        own = match["code"]
        first = match.end("code") - len(own.lstrip())
        line = text[:first].count("\n") + 1
        code = textwrap.dedent(own).strip() + "\n"
        language = "sh" if literal else match["language"]
        reason = _REASON.search(text[: match.start()])
        blocks.append(CodeBlock(line, language, code, reason and " ".join(reason[1].split())))
    return blocks


def execute(block, namespace, *, page):
    """Execute a block; its definitions stay in the namespace.

    Raises
    ------
    AssertionError
        If a command fails, or its output is not that of the page.
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
    # These two steps need reference files and a network; exposures are aligned.
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
