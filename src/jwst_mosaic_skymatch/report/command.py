"""Reports from saved files: ``python -m jwst_mosaic_skymatch.report``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from jwst_mosaic_skymatch.products.files import require_writable, save_text
from jwst_mosaic_skymatch.report.archive import ENDINGS, find_prefix, read_result
from jwst_mosaic_skymatch.report.compare import compare_runs, read_run

__all__ = ["main"]

PROGRAM = "python -m jwst_mosaic_skymatch.report"


def main(argv: Sequence[str] | None = None) -> int:
    """Make a report again, or compare two runs.

    Parameters
    ----------
    argv : sequence of str or None, optional
        Command-line arguments; None takes those of the process.

    Returns
    -------
    int
        Exit code: 0, or 1 if something is wrong with files, which is printed.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        path = _compare(argv[1:]) if argv[:1] == ["compare"] else _report(argv)
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("matplotlib", "jinja2", "markupsafe"):
            raise
        print(
            f'{error.name} is missing: pip install "jwst-mosaic-skymatch[plots]"', file=sys.stderr
        )
        return 1
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(path)
    return 0


def _report(argv: Sequence[str]) -> Path:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Make the report of a run again from the files that save_diagnostics has "
        f"written. To compare two runs: {PROGRAM} compare -h",
    )
    parser.add_argument(
        "product",
        help="name of the product with its directory, or one of the files, or their directory",
    )
    _add_output(parser, "<product>_skymatch_report.html beside them")
    options = parser.parse_args(argv)
    from jwst_mosaic_skymatch.report.page import render_report

    prefix = find_prefix(options.product)
    path = Path(options.output or prefix.with_name(prefix.name + ENDINGS["report"]))
    result = read_result(prefix)
    print(result.verdict)
    return _save(path, render_report(result))


def _compare(argv: Sequence[str]) -> Path:
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} compare",
        description="Put two runs side by side. Each is the name of a product of ours, as above; "
        "or the association, the directory, or a file that any step has saved.",
    )
    parser.add_argument("runs", metavar="RUN", nargs=2, help="the two; one has tables of ours")
    _add_output(parser, "skymatch_comparison.html in the working directory")
    options = parser.parse_args(argv)
    from jwst_mosaic_skymatch.report.comparison_page import render_comparison

    comparison = compare_runs(*(read_run(run) for run in options.runs))
    path = Path(options.output or "skymatch_comparison.html")
    return _save(path, render_comparison(comparison))


def _add_output(parser: argparse.ArgumentParser, where: str) -> None:
    parser.add_argument("-o", "--output", help=f"where to save it [{where}]")


def _save(path: Path, text: str) -> Path:
    require_writable(path.parent)
    save_text(path, text)
    return path
