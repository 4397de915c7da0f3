"""Where tasks run: in this process; `pool` and `cluster` have other places.

An engine hands out a handle for the result of each task. Handles may stand for
arguments of other tasks, so that large results need not come here.
"""

from collections import deque
from concurrent.futures import ThreadPoolExecutor

from threadpoolctl import threadpool_limits

from jwst_mosaic_skymatch.shelf import Shelf, Shelved

__all__ = ["Engine", "ThreadedEngine", "one_thread"]


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
        return self._shelf.put(self._beside(function, arguments))

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


class ThreadedEngine(Engine):
    """Has threads that wait for workers elsewhere while the caller submits more.

    Parameters
    ----------
    budget : int or None
        As for `Engine`.
    """

    def __init__(self, budget):
        super().__init__(budget)
        # While one group's mean is awaited, the pairs of the next can be under way.
        self._threads = ThreadPoolExecutor(2)

    def close(self):
        """Give threads and temporary files back."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        super().close()

    def _each(self, function, handles):
        return list(self.run(function, ((handle,) for handle in handles)))

    def _background(self, function, arguments):
        return self._threads.submit(function, *arguments).result

    def _sent(self, argument):
        """What goes to a worker in place of an argument."""
        if isinstance(argument, list):
            return [self._sent(item) for item in argument]
        return self._held(argument)

    def _held(self, handle):
        """What the shelf holds for a handle; anything else stands for itself."""
        return super()._result(handle)


class _Lazy:
    """A list of results of which one at a time is fetched."""

    def __init__(self, engine, handles):
        self._engine, self._handles = engine, handles

    def __len__(self):
        return len(self._handles)

    def __getitem__(self, number):
        return self._engine.result(self._handles[number])


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
