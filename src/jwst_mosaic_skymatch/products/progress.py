"""Progress of long work: a bar on a terminal, log lines otherwise."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from astropy.utils.console import ProgressBar

__all__ = ["progress"]

# Work that is done sooner says nothing; later log lines come this often. Seconds.
PATIENCE = 30.0


@contextmanager
def progress(  # numpydoc ignore=PR01,YD01
    total: int, what: str, log: logging.Logger
) -> Iterator[Callable[[], object]]:
    """Report the progress of a loop over some items: yields what to call once for each.

    On a terminal that is a bar, else now and then a line in the log.
    """
    if sys.stderr.isatty() and total > 1:
        with ProgressBar(total, file=sys.stderr) as bar:
            yield bar.update
        return
    done, said = 0, time.monotonic()

    def advance() -> None:
        nonlocal done, said
        done += 1
        now = time.monotonic()
        if now - said > PATIENCE and done < total:
            log.info("%s: %d of %d", what, done, total)
            said = now

    yield advance
