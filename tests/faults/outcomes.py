"""What follows of a fault: one clear error, or right levels and whole outputs."""

import gc
from dataclasses import dataclass

import numpy as np
import pytest
from astropy.io import fits
from helpers import rootname

# Largest error of a level in units of the one that is quoted.
SIGMAS = 4.0


@dataclass(frozen=True)
class Refused:
    """One error, which names the broken thing and says what to do."""

    error: type
    said: tuple

    def check(self, work, name, run, caplog):
        before = work.tree()
        with pytest.raises(self.error) as caught:
            run()
        message = str(caught.value)
        # A user sees this one alone.
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
        assert type(caught.value) is self.error
        assert len(message.splitlines()) == 1
        for words in (name, *self.said):
            assert words in message
        del caught
        gc.collect()  # a library on disk removes its directory when it goes
        assert work.tree() == before


@dataclass(frozen=True)
class Matched:
    """Right levels and whole outputs, but for exposures that are skipped for a reason.

    Attributes
    ----------
    skipped : str
        Why; empty when none is.
    who : tuple of int
        Which they are.
    warned : tuple of tuple of str
        Words of each warning beyond that; ``{name}`` is that of the broken exposure.
    meaningless : bool
        Whether the middle exposure's level has no true value.
    """

    skipped: str = ""
    who: tuple = (1,)
    warned: tuple = ()
    meaningless: bool = False

    def check(self, work, name, run, caplog):
        before = work.tree()
        table = run().levels_table
        gc.collect()
        after = work.tree()
        names = table["filename"].tolist()
        bad = [names[k] for k in self.who] if self.skipped else []
        self._check_warnings(caplog, bad, name)
        good = np.array([name not in bad for name in names])
        assert table["status"].tolist() == np.where(good, "COMPLETE", "SKIPPED").tolist()
        levels = table["level"].value
        errors = levels - [work.truth[rootname(name)] for name in names]
        known = good & [k != 1 or not self.meaningless for k in range(len(names))]
        if known.any():
            # At least two roundings of single precision, which at 200 MJy/sr are 3e-5.
            rounding = max(1e-5, 2.0 * np.spacing(np.float32(np.abs(errors[known]).max())))
            limits = SIGMAS * table["level_error"].value[known] + rounding
            assert np.all(np.abs(errors[known] - errors[known].mean()) < limits)
        self._check_outputs(work, before, after, names, levels)

    def _check_warnings(self, caplog, bad, name):
        warned = [
            record.getMessage()
            for record in caplog.records
            if record.name.startswith("stpipe.pixel_skymatch") and record.levelname == "WARNING"
        ]
        expected = list(self.warned)
        if bad:
            expected.append((f"SKIPPED: {bad[0]}", *bad, self.skipped))
        assert len(warned) == len(expected), warned
        for sentence, words in zip(warned, expected, strict=True):
            for part in words:
                assert part.format(name=name) in sentence

    def _check_outputs(self, work, before, after, names, levels):
        outputs = [name.replace("_cal.fits", "_skymatch.fits") for name in names]
        new = {f"out/{name}" for name in outputs} | {"out/m_skymatch_asn.json"}
        assert after.keys() - before.keys() == new
        assert {path: after[path] for path in before} == before
        for name, level in zip(outputs, levels, strict=True):
            saved = fits.getheader(work.out / name).get("BKGLEVEL", np.nan)
            assert saved == pytest.approx(level, nan_ok=True)


def refused(error, *said):
    return Refused(error, said)


RIGHT = Matched()
# Of the first and the last, without the middle.
TIED_BY_LYOT = Matched(warned=(("MIRI's Lyot field alone ties", "miri_lyot='mask'"),))
# Parameters of a run.
ON_DISK = {"in_memory": False}
