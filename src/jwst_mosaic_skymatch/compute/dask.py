"""Tasks on the workers of a Dask cluster."""

import logging
import warnings
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["dask_executor"]

log = logging.getLogger("stpipe.pixel_skymatch")

DISTRIBUTION = "jwst-mosaic-skymatch"
# How long to wait for a scheduler, and how often to repeat a task that failed, as reading
# a file may when a network file system is busy.
CONNECT_TIME = "10s"
RETRIES = 5


@contextmanager
def dask_executor(address: str) -> Iterator[tuple[Executor, int]]:
    """Connect to a Dask cluster.

    Parameters
    ----------
    address : str
        Address of a running ``dask.distributed`` scheduler.

    Yields
    ------
    executor : `distributed.cfexecutor.ClientExecutor`
        Runs tasks on the cluster. Other workers repeat the tasks of a dead one.
    n_threads : int
        Number of tasks that all workers can run at once.

    Raises
    ------
    ImportError
        If ``dask.distributed`` is not installed.
    OSError
        If no scheduler answers.
    RuntimeError
        If workers have another version of this package, or the cluster fails.
    """
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
        n_threads = _wait_for_workers(client, address)
        try:
            yield client.get_executor(pure=False, retries=RETRIES), n_threads
        except distributed.scheduler.KilledWorker as error:
            raise RuntimeError(
                f"Several Dask workers died at the same task ({error}); give each more memory, "
                "or start fewer threads in each."
            ) from error
        except CancelledError as error:
            raise RuntimeError(
                f"The Dask scheduler has died ({error}); start it and its workers again."
            ) from error


def _wait_for_workers(client: "Client", address: str) -> int:
    """Wait for the first worker, and make sure that workers know the tasks."""
    if not client.ncores():
        log.warning("%s: no worker yet; waiting for the first", address)
    client.wait_for_workers(1)
    n_threads = sum(client.ncores().values())
    log.info("Dask workers with %d cores in all at %s", n_threads, address)
    own = version(DISTRIBUTION)
    theirs = set(client.run(version, DISTRIBUTION).values())
    if theirs != {own}:
        raise RuntimeError(
            f"{DISTRIBUTION} is {own} here, but on Dask workers {', '.join(sorted(theirs))}; "
            "start them from the same environment."
        )
    return n_threads
