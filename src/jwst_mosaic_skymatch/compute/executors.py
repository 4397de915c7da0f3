"""Where tasks run: in this process, in several, or on a Dask cluster."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import starmap
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from operator import call
from tempfile import gettempdir
from threading import Event, Thread
from typing import Any

from threadpoolctl import threadpool_limits

from jwst_mosaic_skymatch.compute.dask import dask_executor

__all__ = [
    "Workers",
    "number_of_cores",
    "open_workers",
]

# Imported once, by the process that all others are forked from.
PRELOADED = ["jwst_mosaic_skymatch.match"]
# Of the 107 characters of a socket's path Python itself takes 36.
LONGEST_PATH = 70


@dataclass(frozen=True)
class Workers:
    """Where tasks run.

    Attributes
    ----------
    executor : `concurrent.futures.Executor` or None
        Runs them; None for this process.
    n_remote : int
        Number of tasks that run at once in other processes, to which arguments have to be sent;
        0 in this process.
    """

    executor: Executor | None = None
    n_remote: int = 0

    @property
    def remote(self) -> bool:
        """Whether tasks run in other processes."""
        return self.n_remote > 0

    def run(self, jobs: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """Run jobs, of which a bounded number is under way at a time.

        Parameters
        ----------
        jobs : iterable of tuple
            Function of a module, and its arguments.

        Yields
        ------
        object
            Results, in the order of the jobs.
        """
        if self.executor is None:
            yield from starmap(call, jobs)
            return
        waiting: deque[Future[Any]] = deque()
        for job in jobs:
            waiting.append(self.executor.submit(*job))
            del job  # or its pixels would stay while those of the next are taken
            # Enough that no worker waits, and no more pixels and means than that in memory.
            if len(waiting) > 2 * self.n_remote:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@contextmanager
def open_workers(maximum_cores: str = "1", dask_scheduler: str | None = None) -> Iterator[Workers]:
    """Choose where tasks run.

    Parameters
    ----------
    maximum_cores : str, optional
        A number, 'none', 'quarter', 'half' or 'all', as jwst has it.
    dask_scheduler : str or None, optional
        Address of a Dask scheduler; None for this machine.

    Yields
    ------
    Workers
        They end with the context; those of a Dask cluster go on.

    Raises
    ------
    ImportError
        If ``dask.distributed`` is needed and not installed.
    OSError
        If no scheduler answers.
    RuntimeError
        If a process dies or the cluster fails.
    ValueError
        If ``maximum_cores`` is none of these.
    """
    n_cores = number_of_cores(maximum_cores)
    # Linear algebra in one thread: 12 s instead of 27 for 96 exposures on two cores.
    with threadpool_limits(1, user_api="blas"):
        if dask_scheduler is not None:
            with dask_executor(dask_scheduler) as (executor, n_threads):
                yield Workers(executor, n_threads)
        elif n_cores > 1:
            with _process_executor(n_cores) as executor:
                yield Workers(executor, n_cores)
        else:
            yield Workers()


def number_of_cores(maximum_cores: str) -> int:
    """Read jwst's notation for a number of cores.

    Parameters
    ----------
    maximum_cores : str
        A number, 'none', 'quarter', 'half' or 'all', in any case of letters.

    Returns
    -------
    int
        Number of cores, not more than this machine has.

    Raises
    ------
    ValueError
        If it is none of these.
    """
    available = os.cpu_count() or 1
    names = {"none": 1, "one": 1, "all": available, "half": available // 2 or 1}
    names["quarter"] = available // 4 or 1
    name = maximum_cores.lower()
    n_cores = int(name) if name.isdecimal() else names.get(name, 0)
    if n_cores == 0:
        raise ValueError(
            f"maximum_cores={maximum_cores!r}: give a number, 'quarter', 'half', 'all' or 'none'."
        )
    return min(n_cores, available)


@contextmanager
def _process_executor(n_processes: int) -> Iterator[Executor]:
    # Nothing is inherited from this process, whose threads would not survive a fork. The server
    # that makes the others has a socket in the temporary directory; such a path must be short.
    short = len(gettempdir()) <= LONGEST_PATH
    context = get_context("forkserver" if short else "spawn")
    if short:
        context.set_forkserver_preload(PRELOADED)
    executor = ProcessPoolExecutor(n_processes, mp_context=context, initializer=_start_process)
    # They start while the caller prepares the work; to wait for them takes a second.
    started = Event()
    starter = Thread(target=_start_all, args=(executor, n_processes, started))
    starter.start()
    try:
        yield executor
    except BrokenProcessPool as error:
        raise RuntimeError(
            "A worker process died (out of memory?). In a script, call the step under "
            "if __name__ == '__main__':, or set maximum_cores to '1'."
        ) from error
    finally:
        starter.join()
        # Where none could start, as in a script without that line, nothing would ever end.
        executor.shutdown(wait=started.is_set(), cancel_futures=True)


def _start_all(executor: Executor, n_processes: int, started: Event) -> None:
    with suppress(RuntimeError):  # the next task will say so
        for _ in range(n_processes):
            executor.submit(os.getpid)
        started.set()


def _start_process() -> None:
    """Prepare a process of the pool."""
    # A main process that is killed cannot tell the others to end.
    Thread(target=_end_with, args=(parent_process(),), daemon=True).start()
    threadpool_limits(1, user_api="blas")


def _end_with(process: BaseProcess) -> None:
    process.join()
    os._exit(1)
