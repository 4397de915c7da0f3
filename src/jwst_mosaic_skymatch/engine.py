"""Where tasks run: in this process, in several, or on a cluster.

An engine hands out a handle for the result of each task. Handles may stand for
arguments of other tasks, so that large results need not come here.
"""

import os
import pickle
import warnings
from collections import deque
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from importlib import import_module
from itertools import chain
from multiprocessing import get_context
from threading import Lock

from threadpoolctl import threadpool_limits

from jwst_mosaic_skymatch.shelf import Shelf, Shelved

__all__ = ["DaskEngine", "Engine", "PoolEngine", "one_thread"]

# How long to wait for a scheduler, and how often to repeat a task that failed, as reading
# a file may when a network file system is busy.
CONNECT_TIME = "10s"
RETRIES = 5
# Bytes of results up to which a list of them goes to a process of the pool as a whole.
SENT_AT_ONCE = 64 * 2**20


class Engine:
    """Runs every task at once, in this process.

    Parameters
    ----------
    budget : int or None, optional
        Bytes of results to hold in memory; beyond these the oldest go to files
        in a temporary directory. None for no limit.
    """

    #: Number of tasks to hand out before collecting the first result.
    width = 1

    def __init__(self, budget=None):
        self._shelf = Shelf(budget)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        """Give processes and temporary files back."""
        self._shelf.close()

    def submit(self, function, *arguments):
        """Run a task.

        Parameters
        ----------
        function : callable
            A function of a module.
        *arguments
            Its arguments; handles, also in a list, stand for results.

        Returns
        -------
        object
            A handle for the result.

        Raises
        ------
        RuntimeError
            Here or where the result is asked for, if a process has died.
        """
        return self._submit(function, arguments)

    def result(self, handle):
        """Wait for a task and fetch its result.

        Parameters
        ----------
        handle : object
            What `submit` or `set_aside` returned; anything else is its own result.

        Returns
        -------
        object
            The result.
        """
        return self._result(handle)

    def wait(self, handle):
        """Wait for a task, and leave its result where it is.

        Parameters
        ----------
        handle : object
            What `submit` returned.
        """
        self._wait(handle)

    def run(self, function, jobs):
        """Run a function for many arguments.

        Parameters
        ----------
        function : callable
            A function of a module.
        jobs : iterable of tuple
            Arguments; handles, also in a list, stand for results.

        Yields
        ------
        object
            Results, in the order of the jobs.
        """
        waiting = deque()
        for arguments in jobs:
            waiting.append(self.submit(function, *arguments))
            if len(waiting) >= self.width:
                yield self.result(waiting.popleft())
        while waiting:
            yield self.result(waiting.popleft())

    def beside(self, function, *arguments):
        """Run a function where its arguments are and fetch what it returns.

        Parameters
        ----------
        function : callable
            A function of a module.
        *arguments
            Its arguments; handles, also in a list, stand for results.

        Returns
        -------
        object
            What the function returns.
        """
        return self._beside(function, arguments)

    def each(self, function, handles):
        """Run a short function on each result, where that is.

        Parameters
        ----------
        function : callable
            A function of a module, of one argument.
        handles : sequence of object
            Handles.

        Returns
        -------
        list
            What the function returns for each.
        """
        return self._each(function, handles)

    def background(self, function, *arguments):
        """Run a function that submits tasks, if possible while the caller goes on.

        Parameters
        ----------
        function : callable
            Any function.
        *arguments
            Its arguments.

        Returns
        -------
        callable
            Waits and returns what the function returns.
        """
        return self._background(function, arguments)

    def set_aside(self, value):
        """Put a value away that is not needed for a while.

        Parameters
        ----------
        value : object
            The value; it goes to a file unless all results may stay in memory.

        Returns
        -------
        object
            A handle for it.
        """
        return self._shelf.put(value, to_file=True)

    # What engines do differently.

    def _submit(self, function, arguments):
        return self._shelf.put(Engine._beside(self, function, arguments))

    def _result(self, handle):
        return handle.get() if isinstance(handle, Shelved) else handle

    def _wait(self, handle):
        pass

    def _beside(self, function, arguments):
        return function(
            *(_Lazy(self, a) if isinstance(a, list) else self.result(a) for a in arguments)
        )

    def _each(self, function, handles):
        return [function(self.result(handle)) for handle in handles]

    def _background(self, function, arguments):
        result = function(*arguments)
        return lambda: result


class _Threaded(Engine):
    """Has a thread that collects results while the caller submits more."""

    def __init__(self, budget):
        super().__init__(budget)
        self._thread = ThreadPoolExecutor(2)

    def close(self):
        self._thread.shutdown(wait=True, cancel_futures=True)
        super().close()

    def _each(self, function, handles):
        return list(self.run(function, ((handle,) for handle in handles)))

    def _background(self, function, arguments):
        return self._thread.submit(function, *arguments).result

    def _sent(self, argument):
        """What goes to a worker in place of an argument."""
        if isinstance(argument, list):
            return [self._sent(item) for item in argument]
        return self._held(argument)

    def _held(self, handle):
        """What the shelf holds for a handle; anything else stands for itself."""
        return super()._result(handle)


class PoolEngine(_Threaded):
    """Runs tasks in processes of this machine.

    Parameters
    ----------
    n_processes : int
        Number of processes.
    budget : int or None, optional
        As for `Engine`.
    """

    def __init__(self, n_processes, budget=None):
        super().__init__(budget)
        self.width = 2 * n_processes
        # As jwst's own steps do: nothing is inherited from this process.
        self._pool = ProcessPoolExecutor(
            n_processes, mp_context=get_context("spawn"), initializer=_start_process
        )
        for _ in range(n_processes):  # they start while the caller prepares the work
            self._pool.submit(os.getpid)

    def close(self):
        """Give processes and temporary files back."""
        # First, so that a thread that waits for tasks ends.
        self._pool.shutdown(wait=True, cancel_futures=True)
        super().close()

    def _submit(self, function, arguments):
        return _Task(self._pool.submit(_call, function, *map(self._sent, arguments)))

    def _result(self, handle):
        return _unpack(self._sent(handle))

    def _wait(self, handle):
        handle.shelved(self._shelf)

    def _beside(self, function, arguments):
        handles = chain.from_iterable(a for a in arguments if isinstance(a, list))
        sizes = [h.shelved(self._shelf).size for h in handles if isinstance(h, _Task)]
        if sum(sizes) > SENT_AT_ONCE:
            return super()._beside(function, arguments)
        return self.result(self._submit(function, arguments))

    def _held(self, handle):
        if isinstance(handle, _Task):
            handle = handle.shelved(self._shelf)
        return super()._held(handle)


class DaskEngine(_Threaded):
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
        self.width = max(4 * sum(self._client.ncores().values()), 8)
        # Pixels travel with their task: scattered, they would die with a worker.
        warnings.filterwarnings("ignore", "Sending large graph", UserWarning)

    def close(self):
        """Leave the scheduler, which goes on running."""
        super().close()
        self._client.close()

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


def one_thread():
    """Keep linear algebra from starting threads of its own.

    Matrices are small here. Threads that wait for each other would take more time
    than they save, several times as much where processes share the cores.

    Returns
    -------
    contextlib.AbstractContextManager
        Gives the threads back at its end; without it they stay away.
    """
    return threadpool_limits(1, user_api="blas")


@dataclass(frozen=True)
class _Packed:
    """A large result that passes through the main process as it is."""

    content: bytes

    @property
    def nbytes(self):
        return len(self.content)


def _start_process():
    """Prepare a process of the pool."""
    # The main process, which all others depend on, goes first where cores are few.
    if hasattr(os, "nice"):
        os.nice(10)
    import_module("jwst_mosaic_skymatch.match")
    # After the import, for it concerns the libraries that are loaded.
    one_thread()


def _call(function, *arguments):
    """Run a task in a process of the pool."""
    result = function(*map(_unpack, arguments))
    if not getattr(result, "nbytes", 0):
        return result
    return _Packed(pickle.dumps(result, protocol=pickle.HIGHEST_PROTOCOL))


def _unpack(argument):
    if isinstance(argument, list):
        return [_unpack(item) for item in argument]
    return pickle.loads(argument.content) if isinstance(argument, _Packed) else argument


class _Task:
    """A task of the pool; its result goes to the shelf as soon as somebody asks."""

    def __init__(self, future):
        self._future, self._shelved, self._lock = future, None, Lock()

    def shelved(self, shelf):
        with self._lock:
            if self._shelved is None:
                try:
                    self._shelved = shelf.put(self._future.result())
                except BrokenProcessPool as error:
                    raise RuntimeError(
                        "A worker process died (out of memory?). In a script, call the step "
                        "under if __name__ == '__main__':, or set maximum_cores to '1'."
                    ) from error
                self._future = None
            return self._shelved


class _Lazy:
    """A list of results of which one at a time is fetched."""

    def __init__(self, engine, handles):
        self._engine, self._handles = engine, handles

    def __len__(self):
        return len(self._handles)

    def __getitem__(self, number):
        return self._engine.result(self._handles[number])
