"""Progress of long work: a bar on a terminal, log lines otherwise."""

import sys
import time
from contextlib import contextmanager

from astropy.utils.console import ProgressBar

__all__ = ["progress"]

# Work that is done sooner says nothing; later log lines come this often. Seconds.
PATIENCE = 30.0


@contextmanager
def progress(total, what, log):
    """Report the progress of a loop.

    Parameters
    ----------
    total : int
        Number of items.
    what : str
        What is being done to them.
    log : `~logging.Logger`
        Where to report when standard error is not a terminal.

    Yields
    ------
    callable
        To be called once for each item.
    """
    if sys.stderr.isatty() and total > 1:
        with ProgressBar(total, file=sys.stderr) as bar:
            yield bar.update
        return
    done, said = 0, time.monotonic()

    def advance():
        nonlocal done, said
        done += 1
        now = time.monotonic()
        if now - said > PATIENCE and done < total:
            log.info("%s: %d of %d", what, done, total)
            said = now

    yield advance
