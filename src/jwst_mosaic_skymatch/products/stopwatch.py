"""Time by stage."""

import time

__all__ = ["Stopwatch"]


class Stopwatch:
    """Measures stages that follow each other.

    Attributes
    ----------
    seconds : dict of str to float
        Time of each stage that has ended.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, stage: str) -> None:  # numpydoc ignore=PR01
        """Note that a stage has ended; one that comes again adds up."""
        now = time.monotonic()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self._last = now
