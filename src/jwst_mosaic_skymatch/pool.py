"""Tasks in several processes of this machine."""

import os
import pickle
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from itertools import chain
from multiprocessing import get_context, parent_process
from threading import Lock, Thread

from jwst_mosaic_skymatch.engine import ThreadedEngine, one_thread

__all__ = ["PoolEngine"]

# Bytes of results up to which a list of them goes to a process of the pool as a whole.
SENT_AT_ONCE = 64 * 2**20


class PoolEngine(ThreadedEngine):
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
        arguments = [self._sent(argument) for argument in arguments]
        with _explained():
            task = _Task(self._pool.submit(_call, function, *arguments))
        if self._shelf.limited:  # else many results might wait to be asked for
            task.shelve_when_done(self._shelf)
        return task

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
    # A main process that is killed cannot tell the others to end.
    Thread(target=_end_with, args=(parent_process(),), daemon=True).start()
    import_module("jwst_mosaic_skymatch.match")
    # After the import, for it concerns the libraries that are loaded.
    one_thread()


def _end_with(process):
    process.join()
    os._exit(1)


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
    """A task of the pool, whose result goes to the shelf."""

    def __init__(self, future):
        self._future, self._shelved, self._lock = future, None, Lock()

    def shelved(self, shelf):
        with self._lock:
            if self._shelved is None:
                with _explained():
                    self._shelved = shelf.put(self._future.result())
                self._future = None
            return self._shelved

    def shelve_when_done(self, shelf):
        def done(future):
            if not future.cancelled() and future.exception() is None:
                self.shelved(shelf)

        self._future.add_done_callback(done)


@contextmanager
def _explained():
    """Say in other words that the pool is broken."""
    try:
        yield
    except BrokenProcessPool as error:
        raise RuntimeError(
            "A worker process died (out of memory?). In a script, call the step under "
            "if __name__ == '__main__':, or set maximum_cores to '1'."
        ) from error
