"""Tasks on the workers of a Dask cluster."""

import warnings
from concurrent.futures import CancelledError
from importlib.metadata import PackageNotFoundError, version

from jwst_mosaic_skymatch.engine import ThreadedEngine

__all__ = ["DaskEngine"]

DISTRIBUTION = "jwst-mosaic-skymatch"
# How long to wait for a scheduler, and how often to repeat a task that failed, as reading
# a file may when a network file system is busy.
CONNECT_TIME = "10s"
RETRIES = 5
# Tasks handed out before the first result is collected: for each core, and at least.
AHEAD, LEAST_AHEAD = 4, 8


class DaskEngine(ThreadedEngine):
    """Runs tasks on the workers of a Dask cluster, where their results stay.

    Parameters
    ----------
    address : str
        Address of a running ``dask.distributed`` scheduler.
    budget : int or None, optional
        As for `Engine`, for values that are set aside here.

    Raises
    ------
    ImportError
        If ``dask.distributed`` is not installed.
    OSError
        If no scheduler answers.
    """

    def __init__(self, address, budget=None):
        super().__init__(budget)
        try:
            import distributed
        except ImportError as error:
            raise ImportError(
                "dask_scheduler needs dask.distributed: pip install distributed"
            ) from error
        self._distributed = distributed
        try:
            self._client = distributed.Client(address, timeout=CONNECT_TIME, set_as_default=False)
        except (OSError, ValueError) as error:
            raise OSError(
                f"dask_scheduler={address}: no scheduler can be reached there ({error}); start "
                "one with 'dask scheduler' and workers with 'dask worker', or leave "
                "dask_scheduler unset."
            ) from error
        # Pixels travel with their task: scattered, they would die with a worker.
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.filterwarnings("ignore", "Sending large graph", UserWarning)

    @property
    def n_cores(self):
        """Number of tasks that all workers can run at once."""
        return sum(self._client.ncores().values())

    def prepare(self):
        """Wait for the first worker, and make sure that workers know the tasks.

        Raises
        ------
        RuntimeError
            If a worker's Python has not this version of this package.
        """
        self._client.wait_for_workers(1)
        self.width = max(AHEAD * self.n_cores, LEAST_AHEAD)
        own = version(DISTRIBUTION)
        try:
            theirs = set(self._client.run(version, DISTRIBUTION).values())
        except PackageNotFoundError:
            theirs = {"not there"}
        if theirs != {own}:
            raise RuntimeError(
                f"{DISTRIBUTION} is {own} here, but on Dask workers {', '.join(sorted(theirs))}; "
                "start them from the same environment."
            )

    def close(self):
        """Leave the scheduler, which goes on running."""
        # Threads may be waiting for tasks, which they give up when the client is gone.
        self._client.close()
        super().close()
        self._warnings.__exit__(None, None, None)

    def _submit(self, function, arguments):
        # What a dead worker held is made again by others, without being asked to.
        return self._client.submit(
            function, *map(self._sent, arguments), pure=False, retries=RETRIES
        )

    def _result(self, handle):
        if not isinstance(handle, self._distributed.Future):
            return super()._result(handle)
        try:
            return handle.result()
        except self._distributed.scheduler.KilledWorker as error:
            raise RuntimeError(
                f"Several Dask workers died at the same task ({error}); give each more memory, or "
                "start fewer threads in each."
            ) from error
        except CancelledError as error:
            raise RuntimeError(
                f"The Dask scheduler was lost ({error}); start it and its workers again."
            ) from error

    def _wait(self, handle):
        self._distributed.wait(handle)

    def _beside(self, function, arguments):
        return self.result(self._submit(function, arguments))
