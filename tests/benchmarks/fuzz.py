"""Damaged associations, skylists and parameter files: every error must be a clear one.

``python tests/benchmarks/fuzz.py [--seconds 300] [--cases N] [--seed 1] [--case K]``

Four small exposures are simulated. Each case damages one of their association, a skylist, and a
file of parameters, in its text or in its structure, and runs the step. It may run, or end with a
ValueError or OSError that names a file or a parameter, or with stpipe's ValidationError. Anything
else is a finding: it is printed with its traceback and the number of its case, with which
``--case`` repeats it alone. Findings make the exit code 1.

Parameter files that stpipe itself cannot read never reach the step and are only counted.
"""

import argparse
import gc
import json
import logging
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from contextlib import chdir, contextmanager, suppress
from pathlib import Path

import asdf
from stpipe import config_parser

import jwst_mosaic_skymatch
from jwst_mosaic_simulation import simulate_mosaic, stephans_quintet
from jwst_mosaic_skymatch import PixelSkyMatchStep

PACKAGE = Path(jwst_mosaic_skymatch.__file__).parent
ASSOCIATION, SKYLIST, PARAMETERS = "asn.json", "sky.txt", "pars.asdf"

# A case that takes longer hangs, or does without being told what costs that much.
LONGEST = 60

# Values that stand where something else belongs.
TEXTS = ("", " ", "x", ".", "..", "a/b", "/", "a" * 300, "~", "$HOME", "é\u2028 {} %s", "a\x00b")
TEXTS += ("\ud800", "science", "SCIENCE", "background", "none", "nan", "1e999", "9" * 5000)
TEXTS += ("half", "0", "tcp://127.0.0.1:1", "~SATURATED", "user", "local", "global+match", "mode")
NUMBERS = (None, True, False, 0, -1, 1, 2, 3, 10**9, 10**30, 0.5, -0.5, 1e-300, 1e300, -1e300)
NUMBERS += (float("inf"), float("-inf"), float("nan"))
# What is inserted into texts.
TOKENS = (
    '"',
    "'",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\n",
    "\t",
    "\\",
    "#",
    "\x00",
    "\ufeff",
    "- ",
    "!",
)
TOKENS += ("null", "NaN", "1e999", "é", "\u2028", "&a ", "*a", "<<: ", "%", "inf", "-inf", "0x1")
# A hook that is no class is run as a command of the shell.
NEVER = {"pre_hooks", "post_hooks"}


class TooSlow(BaseException):
    """Not an Exception, so that nothing takes it for an error of the input."""


def main():
    """Run the cases and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--cases", type=int, default=10**9, help="end after so many")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", type=int, help="this one alone")
    options = parser.parse_args()
    numbers = range(options.cases) if options.case is None else [options.case]
    end = time.monotonic() + options.seconds
    with _quiet(), tempfile.TemporaryDirectory(prefix="fuzz-") as directory:
        origin, work = Path(directory, "origin"), Path(directory, "work")
        simulate_mosaic(stephans_quintet(4, binning=16, seed=options.seed), origin)
        # Of what is made of "~" nothing shall lie in anybody's home.
        os.environ["HOME"] = str(work)
        os.environ["DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT"] = "1s"
        tally, findings = Counter(), Counter()
        for number in numbers:
            if time.monotonic() > end:
                break
            case = Case(origin, work, random.Random(f"{options.seed} {number}"))
            outcome, error = case.run()
            tally[case.kind, outcome] += 1
            if outcome.startswith("!"):
                findings[_place(error)] += 1
                _report(number, case, outcome, error, brief=findings[_place(error)] > 1)
            gc.collect()
    for (kind, outcome), count in sorted(tally.items()):
        print(f"{count:6} {kind:12} {outcome}")
    print(f"{tally.total()} cases, {findings.total()} findings at {len(findings)} places")
    return 1 if findings else 0


def _report(number, case, outcome, error, *, brief):
    print(f"\n{outcome} in case {number}, {case.kind}: {'; '.join(case.damage)}"[:1000])
    print(f"    {type(error).__name__}: {str(error)[:500]!a}")
    if not brief:
        for frame in traceback.extract_tb(error.__traceback__)[-12:]:
            print(f"    {frame.filename}:{frame.lineno} {frame.name}")
    sys.stdout.flush()


def _place(error):
    """Give the type of an error, and the last line of this package that it came through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if Path(f.filename).is_relative_to(PACKAGE)]
    last = (own or frames)[-1]
    return type(error).__name__, last.filename, last.lineno


@contextmanager
def _quiet():
    """Say nothing of what is logged or warned of: most cases run, on odd input."""
    os.environ["STPIPE_DISABLE_CRDS_STEPPARS"] = "true"
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)


# --- one case ----------------------------------------------------------------


class Case:
    """A damaged input, and what the step says to it.

    Parameters
    ----------
    origin : Path
        Directory of simulated exposures, which are only linked to.
    work : Path
        Directory to run in; made, and removed.
    chance : random.Random
        Decides all.
    """

    def __init__(self, origin, work, chance):
        self._origin, self._work, self._chance = origin, work, chance
        self.kind = chance.choices(("association", "skylist", "parameters"), (5, 2, 5))[0]
        self.damage = []
        self._known = set()  # what a clear message may name

    def run(self):
        """Give the outcome, which for a finding begins with "!", and the error or None."""
        shutil.rmtree(self._work, ignore_errors=True)
        self._work.mkdir()
        try:
            with chdir(self._work):
                before = self._prepare()
                outcome = self._outcome()
                if outcome[1] is None and _states(self._origin) != before:
                    return "!input changed", AssertionError("the step wrote to its input")
                return outcome
        finally:
            shutil.rmtree(self._work, ignore_errors=True)

    def _outcome(self):
        try:
            step = _step(self._parameters)
        except Exception as error:
            return f"not read by stpipe: {type(error).__name__}", error
        try:
            with _limited(LONGEST):
                step.run(ASSOCIATION)
        except TooSlow as error:
            return "!slow", error
        except Exception as error:
            if is_clear(error, self._known):
                return f"refused: {type(error).__name__}", error
            return "!unclear", error
        return "ran", None

    def _prepare(self):
        """Write the input, and give the state of the exposures."""
        files = sorted(self._origin.glob("*_cal.fits"))
        for path in files:
            os.link(path, path.name)
        (association,) = self._origin.glob("*_asn.json")
        content = json.loads(association.read_text())
        lines = [f"{path.name} {k / 8}\n" for k, path in enumerate(files)]
        # Outputs are named after the exposures, with another suffix.
        self._known |= {path.name.removesuffix("_cal.fits") for path in files}
        self._known |= {ASSOCIATION, SKYLIST, PARAMETERS}
        self._parameters = {
            "save_results": True,
            "save_diagnostics": True,
            "save_tiles": self._chance.random() < 0.2,
            "in_memory": self._chance.random() < 0.8,
            "grouping": self._chance.choice(("visit", "exposure", "none")),
            "skymethod": self._chance.choice(("match", "match", "global+match", "local", "user")),
            "skylist": SKYLIST,
            "output_dir": "out",
        }
        text, skylist = json.dumps(content, indent=1), "".join(lines).encode()
        if self.kind == "association":
            text = self._damaged_json(content)
        elif self.kind == "skylist":
            self._parameters["skymethod"] = "user"
            skylist = self._damaged_text("".join(lines))
        Path(ASSOCIATION).write_bytes(text if isinstance(text, bytes) else text.encode())
        Path(SKYLIST).write_bytes(skylist)
        if self.kind == "parameters":
            self._write_parameters()
            self._parameters = PARAMETERS
        return _states(self._origin)

    # --- damage ----------------------------------------------------------

    def _damaged_json(self, content):
        if self._chance.random() < 0.3:
            return self._damaged_text(json.dumps(content, indent=1))
        for _ in range(self._chance.choice((1, 1, 1, 2, 4))):
            content = self._damaged_tree(content)
        self._known |= {part for part in _texts(content) if part.strip()}
        return json.dumps(content).encode("utf-8", "surrogatepass")

    def _write_parameters(self):
        """Write what ``--save-parameters`` writes, and damage it."""
        PixelSkyMatchStep(**self._parameters).export_config(PARAMETERS)
        with asdf.open(PARAMETERS) as file:
            tree = {k: v for k, v in file.tree.items() if k not in ("asdf_library", "history")}
        pars = {k: v for k, v in tree["parameters"].items() if k not in NEVER}
        for _ in range(self._chance.choice((0, 1, 1, 2, 3))):
            name = self._chance.choice(sorted(pars))
            pars[name] = self._chance.choice((*NUMBERS, *TEXTS[:-9], *TEXTS[-8:]))
            self.damage.append(f"{name} = {pars[name]!a:.40}")
            self._known.add(f"{pars[name]}")
        tree["parameters"] = pars
        with suppress(Exception):  # what ASDF cannot write is no file that anybody could have
            asdf.AsdfFile(tree).write_to(PARAMETERS)
        if self._chance.random() < 0.1:
            with suppress(Exception):
                asdf.AsdfFile(self._damaged_tree(tree)).write_to(PARAMETERS)
        if self._chance.random() < 0.3:
            content = Path(PARAMETERS).read_text("utf-8")
            Path(PARAMETERS).write_bytes(self._damaged_text(content))

    def _damaged_text(self, text):
        """Cut, insert, repeat and overwrite."""
        chance, content = self._chance, text.encode("utf-8", "surrogatepass")
        for _ in range(chance.choice((1, 1, 2, 5))):
            start = chance.randrange(len(content) + 1)
            stop = min(start + chance.choice((1, 2, 10, 100)), len(content))
            part = content[start:stop]
            how = chance.choice(("cut", "cut off", "insert", "repeat", "overwrite", "bytes"))
            new = {
                "cut": b"",
                "cut off": b"",
                "insert": chance.choice(TOKENS).encode("utf-8") + part,
                "repeat": part * chance.choice((2, 50)),
                "overwrite": chance.choice(TOKENS).encode("utf-8"),
                "bytes": bytes(chance.randrange(256) for _ in range(4)),
            }[how]
            content = content[:start] + new + (b"" if how == "cut off" else content[stop:])
            self.damage.append(f"{how} at byte {start} to {stop}: {new[:20]!r}")
        self._known |= {word.strip('",') for word in content.decode("utf-8", "replace").split()}
        return content

    def _damaged_tree(self, tree):
        """Change one node of nested dicts and lists."""
        chance, where = self._chance, self._chance.choice(_paths(tree))
        if not where:
            new = chance.choice((None, [], {}, [tree], "x", 1))
            self.damage.append(f"all = {new!a:.40}")
            return new if chance.random() < 0.3 else tree
        *above, key = where
        parent = tree
        for part in above:
            parent = parent[part]
        how = chance.choice(("replace", "replace", "delete", "rename", "wrap", "repeat", "swap"))
        self.damage.append(f"{how} {'.'.join(map(str, where))}")
        if how == "delete":
            del parent[key]
        elif how == "rename" and isinstance(parent, dict):
            parent[chance.choice((f"{key}x", str(key).upper(), "", "group_id"))] = parent.pop(key)
        elif how == "wrap":
            parent[key] = chance.choice(([parent[key]], {"a": parent[key]}))
        elif how == "repeat" and isinstance(parent, list):
            parent.insert(key, parent[key])
        elif how == "swap":
            other = chance.choice(_paths(tree))
            value = tree
            for part in other:
                value = value[part]
            parent[key] = json.loads(json.dumps(value, default=str))
        else:
            parent[key] = chance.choice((*NUMBERS, *TEXTS, [], {}, [[]], {"a": [1]}))
            self.damage[-1] += f" = {parent[key]!a:.40}"
        return tree


def _step(parameters):
    """Make the step as `Step.call` does, of a parameter file or a dict."""
    if isinstance(parameters, dict):
        return PixelSkyMatchStep(**parameters)
    config = config_parser.load_config_file(parameters)
    return PixelSkyMatchStep.from_config_section(config, config_file=parameters)


def _states(directory):
    return {p.name: (p.stat().st_size, p.stat().st_mtime_ns) for p in directory.iterdir()}


def _paths(tree, above=()):
    """List the way to every node."""
    found = [above]
    if isinstance(tree, dict):
        for key in tree:
            found += _paths(tree[key], (*above, key))
    elif isinstance(tree, list):
        for k, value in enumerate(tree):
            found += _paths(value, (*above, k))
    return found


def _texts(tree):
    """Yield all texts in a tree, and its numbers as these are written."""
    if isinstance(tree, dict):
        yield from tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for value in tree:
            yield from _texts(value)
    else:
        yield str(tree)


def is_clear(error, known):
    """Tell whether an error is one that users can act upon.

    Parameters
    ----------
    error : Exception
        The error.
    known : set of str
        Files and values of the input; a message must name one, or a parameter.

    Returns
    -------
    bool
        Whether its type is stated and its message names something.
    """
    if isinstance(error, config_parser.ValidationError):
        return bool(str(error))
    # Of kinds of ValueError that others raise, such as UnicodeDecodeError, none.
    if type(error) is not ValueError and not isinstance(error, OSError):
        return False
    message = str(error)
    named = re.findall(r"[\w.+-]+", message)
    parameters = PixelSkyMatchStep().get_pars()
    return any(text and text in message for text in known if len(text) > 2) or any(
        word in parameters for word in named
    )


@contextmanager
def _limited(seconds):
    """Raise TooSlow after so many seconds."""

    def stop(*_):
        raise TooSlow(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


if __name__ == "__main__":
    sys.exit(main())
