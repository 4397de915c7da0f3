"""User-given sky levels: read from a list, and written into one."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

__all__ = ["skylist_of", "user_levels"]

# The stock step reads no longer names, and takes what follows as a comment or another column.
LONGEST_NAME = 128


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


def skylist_of(
    filenames: Sequence[str], levels: np.ndarray, reasons: Sequence[str], stem: Callable[[str], str]
) -> str:
    """Write levels as a list that both this and the stock step read.

    Parameters
    ----------
    filenames : sequence of str
        The exposures.
    levels : ndarray, shape (n,)
        Their levels, to all digits; NaN for none.
    reasons : sequence of str
        Why exposures have no level.
    stem : callable
        See `user_levels`.

    Returns
    -------
    str
        The text of the list. The stock step needs a number for each exposure: one without a level
        has zero, with which nothing is subtracted, and a comment before it.

    Raises
    ------
    ValueError
        If names are equal, or cannot be told from comments or columns.
    """
    times = Counter(stem(name) for name in filenames)
    for name in filenames:
        if times[stem(name)] > 1:
            raise ValueError(f"{name}: several exposures have this name.")
        if len(name.split()) != 1 or "#" in name or len(name) > LONGEST_NAME:
            raise ValueError(f"{name}: no line of a skylist can hold this name.")
    lines = ["# Sky level of each exposure, in the units of its data; for skymethod='user'"]
    for name, level, reason in zip(filenames, levels.tolist(), reasons, strict=True):
        if np.isfinite(level):
            lines.append(f"{name} {level!r}")
        else:
            lines += [f"# No level: {reason or 'not found'}", f"{name} 0.0"]
    return "\n".join(lines) + "\n"


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
