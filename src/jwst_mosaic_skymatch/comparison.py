"""Offsets of stacks, with what MIRI's Lyot fields add to them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self, cast

import numpy as np

from jwst_mosaic_skymatch.compute.executors import Workers, run_jobs
from jwst_mosaic_skymatch.levels.results import Stack
from jwst_mosaic_skymatch.levels.solution import pair_ends
from jwst_mosaic_skymatch.offsets.graph import connected_parts
from jwst_mosaic_skymatch.offsets.lyot import (
    LyotContrast,
    LyotOffset,
    better_known,
    common_offset,
    measure_contrast,
    refine_offset,
)
from jwst_mosaic_skymatch.offsets.measure import PairOffset
from jwst_mosaic_skymatch.offsets.selection import choose_pairs
from jwst_mosaic_skymatch.stack import MatchSettings, all_quoted, measure_pair
from jwst_mosaic_skymatch.tiles.lyot import has_lyot
from jwst_mosaic_skymatch.tiles.tile import StoredTile, Tile, crop_to_overlap

__all__ = ["ComparedStacks", "compare_stacks"]

# A pair with a larger share of Lyot fields on an imager hangs on these.
MOSTLY = 0.5


@dataclass(frozen=True)
class ComparedStacks:
    """Stacks after all pairs of them have been measured.

    Attributes
    ----------
    offsets : tuple of PairOffset
        The pairs, between positions of stacks.
    failed : collection of int
        Stacks in pairs with too few common cells.
    lyot : LyotOffset
        How much Lyot fields lie above the imager; it has been taken out.
    lyot_pairs : tuple of int
        See `~jwst_mosaic_skymatch.levels.results.Match`.
    """

    offsets: tuple[PairOffset, ...]
    failed: Collection[int]
    lyot: LyotOffset
    lyot_pairs: tuple[int, ...]


def compare_stacks(
    stacks: Sequence[Stack],
    settings: MatchSettings,
    workers: Workers,
    contrasts: Sequence[LyotContrast],
) -> ComparedStacks:
    """Measure the pairs of all stacks.

    Parameters
    ----------
    stacks : sequence of Stack
        The stacks, whose means wait in files.
    settings : MatchSettings
        How to match them.
    workers : Workers
        Where to.
    contrasts : sequence of LyotContrast
        What pairs inside stacks show of Lyot fields.

    Returns
    -------
    ComparedStacks
        The offsets.
    """
    pairs = _Pairs.of(stacks, settings, workers)
    shown = pairs.contrasts()
    lyot = common_offset([*contrasts, *shown.values()])
    offsets = pairs.measure(pairs.ends, shown, lyot)
    if lyot.value:
        offsets, lyot = _with_lyot_fields(pairs, offsets, shown, lyot)
    found = {ends: replace(o, first=ends[0], second=ends[1]) for ends, o in offsets.items() if o}
    doubtful = set() if lyot.n_pairs else {e for e, c in shown.items() if abs(c.share) > MOSTLY}
    return ComparedStacks(
        offsets=tuple(found.values()),
        failed={end for ends in pairs.ends if ends not in found for end in ends},
        lyot=lyot,
        lyot_pairs=_that_tie(doubtful, len(stacks), list(found.values())),
    )


def _with_lyot_fields(
    pairs: "_Pairs",
    offsets: Mapping[tuple[int, int], PairOffset | None],
    shown: Mapping[tuple[int, int], LyotContrast],
    lyot: LyotOffset,
) -> tuple[dict[tuple[int, int], PairOffset | None], LyotOffset]:
    """Let Lyot fields tell of levels as well, where imagers alone have been compared."""
    told = [e for e, contrast in shown.items() if offsets[e] and np.isfinite(contrast.value)]
    if not told:
        return dict(offsets), lyot
    imagers = [cast(PairOffset, offsets[ends]) for ends in told]
    contrasts = [shown[ends] for ends in told]

    def less(lyot: LyotOffset) -> list[PairOffset]:
        found = pairs.measure(told, shown, lyot, all_cells=True)
        return [cast(PairOffset, found[ends]) for ends in told]

    refined = refine_offset(imagers, less(lyot), contrasts, lyot)
    # Measured again, as what a coarse offset leaves in an overlap looks like a gradient.
    better = better_known(imagers, less(refined), contrasts, refined)
    return dict(offsets) | dict(zip(told, better, strict=True)), refined


def _that_tie(
    doubtful: Collection[tuple[int, int]], n: int, offsets: Sequence[PairOffset]
) -> tuple[int, ...]:
    """Choose of some pairs those without which their stacks would not be connected."""
    sure = [offset for offset in offsets if (offset.first, offset.second) not in doubtful]
    parts = connected_parts(n, *pair_ends(sure))
    return tuple(k for k, o in enumerate(offsets) if parts[o.first] != parts[o.second])


@dataclass(frozen=True)
class _Pairs:
    """Pairs of stacks that are to be compared."""

    ends: Sequence[tuple[int, int]]
    means: Sequence[StoredTile]
    quoted: bool
    settings: MatchSettings
    workers: Workers

    @classmethod
    def of(cls, stacks: Sequence[Stack], settings: MatchSettings, workers: Workers) -> Self:
        return cls(
            ends=choose_pairs([stack.summary.coverage for stack in stacks]),
            means=[cast(StoredTile, stack.mean) for stack in stacks],
            quoted=all_quoted([stack.summary for stack in stacks]),
            settings=settings,
            workers=workers,
        )

    def contrasts(self) -> dict[tuple[int, int], LyotContrast]:
        """See what pairs show of Lyot fields; without those that show nothing."""
        if not any(has_lyot(mean.outline) for mean in self.means):
            return {}
        jobs = ((measure_contrast, *self._overlap(ends)) for ends in self.ends)
        found = run_jobs(self.workers.executor, jobs, self.workers.n_ahead)
        return {ends: one for ends, one in zip(self.ends, found, strict=True) if one is not None}

    def measure(
        self,
        some: Sequence[tuple[int, int]],
        shown: Mapping[tuple[int, int], LyotContrast],
        lyot: LyotOffset,
        *,
        all_cells: bool = False,
    ) -> dict[tuple[int, int], PairOffset | None]:
        """Measure the offsets of some pairs, see `measure_pair`; None for too few common cells."""
        fixed = self.settings, self.quoted, False
        jobs = (
            (measure_pair, *self._overlap(ends), *fixed, shown.get(ends), lyot, all_cells)
            for ends in some
        )
        found = run_jobs(self.workers.executor, jobs, self.workers.n_ahead)
        return dict(zip(some, found, strict=True))

    def _overlap(self, ends: tuple[int, int]) -> tuple[Tile, Tile]:
        first, second = ends
        return crop_to_overlap(self.means[first], self.means[second])
