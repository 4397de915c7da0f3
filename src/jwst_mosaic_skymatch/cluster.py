"""Tasks on the workers of a Dask cluster."""

import warnings

from jwst_mosaic_skymatch.engine import ThreadedEngine

__all__ = ["DaskEngine"]

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
                "dask_scheduler needs dask.distributed: pip install 'jwst-mosaic-skymatch[dask]'"
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
        self.width = max(AHEAD * sum(self._client.ncores().values()), LEAST_AHEAD)
        # Pixels travel with their task: scattered, they would die with a worker.
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.filterwarnings("ignore", "Sending large graph", UserWarning)

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

    def _wait(self, handle):
        self._distributed.wait(handle)

    def _beside(self, function, arguments):
        return self.result(self._submit(function, arguments))
