"""Results in memory, and in temporary files when these are too many."""

import pickle
import tempfile
import weakref
from collections import OrderedDict
from pathlib import Path
from threading import Lock

__all__ = ["Shelf", "Shelved"]


class Shelf:
    """Results in memory up to a budget, older ones in files.

    Parameters
    ----------
    budget : int or None
        Bytes to hold in memory; beyond these the oldest results go to files in a
        temporary directory. None for no limit.
    """

    def __init__(self, budget):
        self._budget, self._used, self._count = budget, 0, 0
        self._held, self._lock, self._directory = OrderedDict(), Lock(), None

    @property
    def limited(self):
        """Whether there is a budget."""
        return self._budget is not None

    def put(self, value, *, to_file=False):
        """Put a result on the shelf.

        Parameters
        ----------
        value : object
            The result; what has no ``nbytes`` stays in memory.
        to_file : bool, optional
            Write it to a file at once, unless there is no limit.

        Returns
        -------
        Shelved
            Hand it on to whoever needs the result; when nobody has it any more,
            the result is gone.
        """
        shelved = Shelved(value)
        size = shelved.size
        if not size or self._budget is None:
            return shelved
        with self._lock:
            self._count += 1
            self._held[self._count] = (weakref.ref(shelved), size)
            self._used += size
            weakref.finalize(shelved, self._release, self._count)
            if to_file:
                self._spill(*self._held.popitem())
            while self._used > self._budget and len(self._held) > 1:
                self._spill(*self._held.popitem(last=False))
        return shelved

    def _spill(self, number, entry):
        reference, size = entry
        self._used -= size
        shelved = reference()
        if shelved is None:
            return
        if self._directory is None:
            self._directory = tempfile.TemporaryDirectory(prefix="pixel_skymatch_")
        path = self._path(number)
        with path.open("wb") as file:
            pickle.dump(shelved.value, file, protocol=5)
        # In this order: another thread may be about to read.
        shelved.path, shelved.value = path, None

    def _path(self, number):
        return Path(self._directory.name) / f"{number}.pickle"

    def _release(self, number):
        entry = self._held.pop(number, None)
        if entry is not None:
            self._used -= entry[1]
        elif self._directory is not None:
            self._path(number).unlink(missing_ok=True)

    def close(self):
        """Remove all files."""
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None


class Shelved:
    """A result on the shelf, as long as anybody refers to it.

    Parameters
    ----------
    value : object
        The result.

    Attributes
    ----------
    value : object
        The result; None while it is in a file.
    path : Path or None
        That file.
    size : int
        Bytes of the result; 0 if it does not say.
    """

    def __init__(self, value):
        self.value, self.path = value, None
        self.size = getattr(value, "nbytes", 0)

    def get(self):
        """Fetch the result.

        Returns
        -------
        object
            The result, from its file if it is there.
        """
        value = self.value
        if value is not None or self.path is None:
            return value
        with self.path.open("rb") as file:
            return pickle.load(file)
