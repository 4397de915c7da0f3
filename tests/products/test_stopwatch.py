"""Time by stage."""

from jwst_mosaic_skymatch.products import stopwatch


def test_stages_add_up(monkeypatch):
    times = iter([10.0, 12.0, 15.0, 16.5])
    monkeypatch.setattr(stopwatch.time, "monotonic", lambda: next(times))
    watch = stopwatch.Stopwatch()
    for stage in ("reading", "solving", "reading"):
        watch.lap(stage)
    assert watch.seconds == {"reading": 3.5, "solving": 3.0}
