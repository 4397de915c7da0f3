"""User-given sky levels."""

from pathlib import Path

__all__ = ["read_skylist", "skylist_levels"]


def read_skylist(path):
    """Read a list of file names and levels.

    Parameters
    ----------
    path : str or Path
        Text file with two columns separated by white space: file name (any
        suffix, any directory) and level in the units of the data. Empty lines
        and lines that start with ``#`` are passed over.

    Returns
    -------
    list of tuple of (str, float)
        File names without directory, and levels.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a line does not hold a name and a number.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such skylist; give the path of a two-column text file."
        )
    entries = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            name, level = words[0], float(words[1])
            if len(words) != 2 or level != level:
                raise ValueError
        except (IndexError, ValueError):
            raise ValueError(
                f"{path}, line {number}: expected a file name and a level, found {line.strip()!r}."
            ) from None
        entries.append((Path(name).name, level))
    return entries


def skylist_levels(entries, filenames, stem):
    """Pick the level of each exposure from a list.

    Parameters
    ----------
    entries : sequence of tuple of (str, float)
        As returned by `read_skylist`.
    filenames : sequence of str
        The exposures.
    stem : callable
        Reduces a file name to what is compared (without extension and without
        the suffix of a pipeline product).

    Returns
    -------
    list of float
        Level of each exposure.

    Raises
    ------
    ValueError
        If an exposure has no entry or several, or an entry has no exposure.
    """
    levels = {}
    for name, level in entries:
        if stem(name) in levels:
            raise ValueError(f"{name}: listed more than once in the skylist; keep one line.")
        levels[stem(name)] = level
    missing = [name for name in filenames if stem(name) not in levels]
    if missing:
        raise ValueError(f"{missing[0]}: no entry in the skylist; add a line with its level.")
    known = {stem(name) for name in filenames}
    for name, _ in entries:
        if stem(name) not in known:
            raise ValueError(
                f"{name}: listed in the skylist but not among the input exposures; remove the line."
            )
    return [levels[stem(name)] for name in filenames]
