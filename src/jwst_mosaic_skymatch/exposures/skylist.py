"""User-given sky levels."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

__all__ = ["user_levels"]


def user_levels(
    path: str | Path, filenames: Sequence[str], stem: Callable[[str], str]
) -> np.ndarray:
    """Read the level of each exposure from a list.

    Parameters
    ----------
    path : str or Path
        Text file with two columns separated by white space: file name (any
        suffix, any directory) and level in the units of the data. Empty lines
        and lines that start with ``#`` are passed over.
    filenames : sequence of str
        The exposures.
    stem : callable
        Reduces a file name to what is compared (without extension and without
        the suffix of a pipeline product).

    Returns
    -------
    ndarray, shape (n,)
        Level of each exposure.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no text, a line does not hold a name and a finite number, an
        exposure has no entry or several, or an entry has no exposure.
    """
    path, wanted = Path(path), {stem(name) for name in filenames}
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such skylist; give the path of a two-column text file."
        )
    levels: dict[str, float] = {}
    for name, level in _read_lines(path):
        if stem(name) in levels:
            raise ValueError(f"{name}: listed more than once in the skylist; keep one line.")
        if stem(name) not in wanted:
            raise ValueError(
                f"{name}: listed in the skylist but not among the input exposures; remove the line."
            )
        levels[stem(name)] = level
    for name in filenames:
        if stem(name) not in levels:
            raise ValueError(f"{name}: no entry in the skylist; add a line with its level.")
    return np.array([levels[stem(name)] for name in filenames])


def _read_lines(path: Path) -> Iterator[tuple[str, float]]:
    """Yield file names without directory, and levels."""
    try:
        text = path.read_text()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: not a text file ({error}); give the path of a two-column text file."
        ) from None
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            name, level = Path(words[0]).name, float(words[1])
            if len(words) != 2 or not name or not np.isfinite(level):
                raise ValueError
        except (IndexError, ValueError):
            raise ValueError(
                f"{path}, line {number}: expected a file name and a level, found {line.strip()!r}."
            ) from None
        yield name, level
