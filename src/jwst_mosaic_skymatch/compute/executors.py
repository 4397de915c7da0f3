"""Where tasks run: in this process, in several, or on a Dask cluster."""

import logging
import os
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from itertools import islice, starmap
from multiprocessing import get_context, parent_process
from multiprocessing.context import BaseContext
from multiprocessing.forkserver import ensure_running
from multiprocessing.process import BaseProcess
from operator import call
from threading import Thread
from typing import Any

from threadpoolctl import threadpool_limits

__all__ = ["Workers", "number_of_cores", "open_workers"]

log = logging.getLogger("stpipe.pixel_skymatch")

DISTRIBUTION = "jwst-mosaic-skymatch"
NUMERICS = "jwst_mosaic_skymatch.match"
# Parts of the cores by jwst's names.
FRACTIONS = {"none": 0.0, "one": 0.0, "quarter": 0.25, "half": 0.5, "all": 1.0}
# How long to wait for a scheduler, and how often to repeat a task that failed, as reading
# a file may when a network file system is busy.
CONNECT_TIME = "10s"
RETRIES = 5
# Tasks ahead beside two for each worker, so that this process goes on while the others start.
N_SPARE = 4


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
        # A loop over jobs would keep the pixels of one while those of the next are taken.
        futures = starmap(self.executor.submit, jobs)
        # Enough that no worker waits, and no more pixels and means than that in memory.
        waiting = deque(islice(futures, 2 * self.n_remote + N_SPARE))
        while waiting:
            waiting.extend(islice(futures, 1))
            yield waiting.popleft().result()


@contextmanager
def open_workers(maximum_cores: str = "1") -> Iterator[Workers]:
    """Choose where tasks run.

    Parameters
    ----------
    maximum_cores : str, optional
        A number, 'none', 'quarter', 'half' or 'all', as jwst has it; or the address of a Dask
        scheduler, which has a colon.

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
    opened = _dask_workers if ":" in maximum_cores else _local_workers
    # Linear algebra in one thread: 12 s instead of 27 for 96 exposures on two cores.
    with threadpool_limits(1, user_api="blas"), opened(maximum_cores) as workers:
        yield workers


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
    available, name = os.cpu_count() or 1, maximum_cores.lower()
    if name.isdecimal() and int(name):
        return min(int(name), available)
    if name not in FRACTIONS:
        raise ValueError(
            f"maximum_cores={maximum_cores!r}: give a number, 'quarter', 'half', 'all' or 'none'."
        )
    return max(int(FRACTIONS[name] * available), 1)


@contextmanager
def _local_workers(maximum_cores: str) -> Iterator[Workers]:
    """Start processes, which inherit nothing: threads of this one would not survive a fork.

    A server with the numerics imported makes them: a tenth of the time on two cores.
    """
    n_cores = number_of_cores(maximum_cores)
    if n_cores == 1:
        yield Workers()
        return
    context: BaseContext = get_context("forkserver")
    context.set_forkserver_preload([NUMERICS])
    try:
        ensure_running()  # now, as the first task would wait for its imports
    except OSError:  # the path of its socket, in the temporary directory, is too long
        context = get_context("spawn")
    executor = ProcessPoolExecutor(n_cores, context, _start_process)
    try:
        yield Workers(executor, n_cores)
    except BrokenProcessPool as error:
        raise RuntimeError(
            "A worker process died (out of memory?). In a script, call the step under "
            "if __name__ == '__main__':, or set maximum_cores to '1'."
        ) from error
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _start_process() -> None:
    """Prepare a process of the pool."""
    # A main process that is killed cannot tell the others to end.
    Thread(target=_end_with, args=(parent_process(),), daemon=True).start()
    import_module(NUMERICS)  # limits hold for libraries that are loaded
    threadpool_limits(1, user_api="blas")


def _end_with(process: BaseProcess) -> None:
    process.join()
    os._exit(1)


@contextmanager
def _dask_workers(address: str) -> Iterator[Workers]:
    """Connect to a Dask cluster, in which other workers repeat the tasks of a dead one."""
    try:
        import distributed
    except ImportError as error:
        raise ImportError(
            "A Dask scheduler as maximum_cores needs dask.distributed: pip install distributed"
        ) from error
    try:
        client = distributed.Client(address, timeout=CONNECT_TIME, set_as_default=False)
    except (OSError, ValueError) as error:
        raise OSError(
            f"maximum_cores={address}: no scheduler can be reached there ({error}); start "
            "one with 'dask scheduler' and workers with 'dask worker', or give "
            "maximum_cores a number."
        ) from error
    with client, warnings.catch_warnings():
        # Pixels travel with their task: scattered, they would die with a worker.
        warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
        if not client.ncores():
            log.warning("%s: no worker yet; waiting for the first", address)
        client.wait_for_workers(1)
        n_threads = sum(client.ncores().values())
        log.info("Dask workers with %d cores in all at %s", n_threads, address)
        own, answers = version(DISTRIBUTION), client.run(version, DISTRIBUTION, on_error="return")
        # A worker may die before it answers; others do its tasks.
        theirs = {str(answer) for answer in answers.values() if not isinstance(answer, OSError)}
        if theirs - {own}:
            raise RuntimeError(
                f"{DISTRIBUTION} is {own} here, but on Dask workers {', '.join(sorted(theirs))}; "
                "start them from the same environment."
            )
        try:
            yield Workers(client.get_executor(pure=False, retries=RETRIES), n_threads)
        except distributed.scheduler.KilledWorker as error:
            raise RuntimeError(
                f"Several Dask workers died at the same task ({error}); give each more memory, "
                "or start fewer threads in each."
            ) from error
        except CancelledError as error:
            raise RuntimeError(
                f"The Dask scheduler has died ({error}); start it and its workers again."
            ) from error
