"""The step on several processes and on a Dask cluster; results that go to disk."""

import gc
import io
import json
import logging
import os
import pickle
import signal
import subprocess
import sys
import time
import warnings
import weakref
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from itertools import chain
from pathlib import Path

import asdf
import numpy as np
import pytest
from helpers import make_tile, read_levels, rms, structured_sky
from stdatamodels.jwst.datamodels import open as open_model
from stpipe.library import AbstractModelLibrary
from threadpoolctl import threadpool_info, threadpool_limits

from jwst_mosaic_skymatch import PixelSkyMatchStep
from jwst_mosaic_skymatch.cluster import DaskEngine
from jwst_mosaic_skymatch.engine import Engine
from jwst_mosaic_skymatch.match import (
    Method,
    _among_themselves,
    _batches,
    match_groups,
    match_members,
)
from jwst_mosaic_skymatch.pool import PoolEngine
from jwst_mosaic_skymatch.progress import progress
from jwst_mosaic_skymatch.selection import choose_pairs
from jwst_mosaic_skymatch.statistic import Statistic
from jwst_mosaic_skymatch.tasks import summarize


def levels(inputs, **parameters):
    return read_levels(PixelSkyMatchStep.call(inputs, configure_log=False, **parameters))


@pytest.fixture(scope="module")
def serial(mosaic):
    return levels(str(mosaic.association))


@pytest.mark.parametrize(
    "parameters", [{"maximum_cores": "2"}, {"maximum_cores": "2", "in_memory": False}]
)
def test_two_processes_give_the_same_numbers(mosaic, serial, parameters, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("jwst_mosaic_skymatch.matching.os.cpu_count", lambda: 2)
    found = levels(str(mosaic.association), **parameters)
    assert found == pytest.approx(serial, abs=1e-9)


def test_asdf_files_go_to_other_processes(mosaic, serial, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("jwst_mosaic_skymatch.matching.os.cpu_count", lambda: 2)
    names = []
    for file in mosaic.files:
        with open_model(file) as model:
            names.append(model.save(tmp_path / f"{file.stem}.asdf"))
    found = levels(names, maximum_cores="2")
    assert list(found.values()) == pytest.approx(list(serial.values()), abs=1e-9)


def test_tiles_on_disk_give_the_same_numbers(mosaic, serial, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("jwst_mosaic_skymatch.matching.TILE_BUDGET", 10_000)
    assert levels(str(mosaic.association), in_memory=False) == serial


@pytest.mark.parametrize("cores", ["0.5", "many", "-1", "0"])
def test_bad_number_of_cores(mosaic, cores):
    with pytest.raises(ValueError, match="maximum_cores"):
        levels(str(mosaic.association), maximum_cores=cores)


def test_results_beyond_the_budget_go_to_disk_and_leave_it(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    tiles = [make_tile(0, 0, (30, 40), seed=k, noise=1.0) for k in range(5)]
    with Engine(budget=2 * tiles[0].nbytes) as engine:
        handles = [engine.submit(replace, tile) for tile in tiles[:4]]
        assert len(list(tmp_path.rglob("*.pickle"))) == 2
        handles.append(engine.set_aside(tiles[4]))
        assert len(list(tmp_path.rglob("*.pickle"))) == 3
        for handle, tile in zip(handles, tiles, strict=True):
            np.testing.assert_array_equal(engine.result(handle).data, tile.data)
        del handle, handles
        assert not list(tmp_path.rglob("*.pickle"))
    assert not list(tmp_path.iterdir())
    with Engine() as engine:
        engine.set_aside(tiles[0])
        assert not list(tmp_path.iterdir())


def test_dead_process_is_one_clear_error():
    with PoolEngine(1) as engine, pytest.raises(RuntimeError, match="maximum_cores"):
        engine.result(engine.submit(os._exit, 1))


def test_dead_process_is_the_same_error_when_it_is_noticed_late():
    with PoolEngine(1) as engine:
        with pytest.raises(RuntimeError, match="maximum_cores"):
            engine.result(engine.submit(os._exit, 1))
        with pytest.raises(RuntimeError, match="maximum_cores"):
            engine.submit(os.getpid)


def test_results_of_processes_keep_to_the_budget(tmp_path, monkeypatch):
    """Also those that nobody has asked for yet."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    tile = make_tile(0, 0, (30, 40))
    with PoolEngine(2, budget=3 * tile.nbytes) as engine:
        handles = [engine.submit(replace, tile) for _ in range(8)]
        for _ in range(600):
            if len(list(tmp_path.rglob("*.pickle"))) >= 5:
                break
            time.sleep(0.1)
        else:
            pytest.fail("results are held")
        assert all(np.array_equal(engine.result(h).data, tile.data) for h in handles)


def test_processes_end_with_one_that_is_killed():
    code = (
        "from jwst_mosaic_skymatch.pool import PoolEngine\nimport os, time\n"
        "if __name__ == '__main__':\n"
        "    engine = PoolEngine(1)\n"
        "    print(engine.result(engine.submit(os.getpid)), flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as main:
        worker = int(main.stdout.readline())
        main.kill()
    for _ in range(600):
        if not Path(f"/proc/{worker}").exists():
            return
        time.sleep(0.1)
    pytest.fail("the process goes on")


def test_deep_stack_is_compared_with_a_few():
    tiles = [make_tile(k % 5, k % 7, (64, 64)) for k in range(60)]
    pairs = choose_pairs([summarize(tile).coverage for tile in tiles])
    assert len(pairs) < 10 * 60
    assert set(np.ravel(pairs)) == set(range(60))


def test_each_region_keeps_its_comparisons():
    """Two stacks side by side: all members of both are compared across the overlap."""
    tiles = [make_tile(x + k % 3, k % 5, (96, 96)) for x in (0, 60) for k in range(40)]
    pairs = choose_pairs([summarize(tile).coverage for tile in tiles])
    across = [(i, j) for i, j in pairs if i < 40 <= j]
    assert {i for i, _ in across} == set(range(40))
    assert {j for _, j in across} == set(range(40, 80))
    assert len(pairs) < 80 * 79 / 4


def test_few_comparisons_lose_almost_nothing(monkeypatch):
    """Levels of 40 dithers, each with 3 % bad cells, against those from all pairs."""
    corners = np.random.default_rng(1).integers(0, 12, (40, 2))
    method = Method(Statistic(), 25)
    errors = {"few": [], "all": []}
    for seed in range(4):
        tiles = []
        for k, (x, y) in enumerate(corners.tolist()):
            tile = make_tile(x, y, (48, 48), noise=0.1, seed=100 * seed + k, sky=structured_sky)
            hole = np.random.default_rng(k).random(tile.shape) < 0.03
            tile.data[hole], tile.weight[hole] = np.nan, 0
            tiles.append(tile)
        for which, found in errors.items():
            with monkeypatch.context() as patch, Engine() as engine:
                if which == "all":
                    patch.setattr("jwst_mosaic_skymatch.selection.DEPTH", 40)
                matched = match_members("v", tiles, list(range(40)), method, engine)
                found.append(match_groups(40, [matched], method, engine).levels)
    assert rms(errors["few"]) < 1.08 * rms(errors["all"])


def test_shallow_mosaic_is_compared_in_full():
    tiles = [make_tile(20 * k, 0, (64, 64)) for k in range(10)]
    overlapping = [(i, j) for i in range(10) for j in range(i + 1, 10) if j - i <= 3]
    assert choose_pairs([summarize(tile).coverage for tile in tiles]) == overlapping


def test_import_is_light():
    heavy = ["matplotlib", "dask", "distributed", "jinja2"]
    code = f"import sys, jwst_mosaic_skymatch.step; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_scheduler_is_one_clear_error():
    pytest.importorskip("distributed")
    with pytest.raises(OSError, match="no scheduler can be reached"):
        DaskEngine("tcp://127.0.0.1:9")


class Killer(DaskEngine):
    """Kills a worker once some tiles are made."""

    submitted = 0

    def _submit(self, function, arguments):
        Killer.submitted += 1
        if Killer.submitted == 8:
            pid = next(iter(self._client.run(os.getpid).values()))
            os.kill(pid, signal.SIGKILL)
        return super()._submit(function, arguments)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A scheduler and two worker processes, without nannies that would restart them."""
    pytest.importorskip("distributed")
    directory = tmp_path_factory.mktemp("dask")
    file = directory / "scheduler.json"
    options = ["--scheduler-file", str(file)]
    commands = [
        ["scheduler", *options, "--port", "0", "--no-dashboard", "--host", "127.0.0.1"],
        *[["worker", *options, "--nthreads", "1", "--no-nanny", "--no-dashboard"]] * 2,
    ]
    run = "import sys; from distributed.cli import dask_{0} as c; c.main(sys.argv[1:])"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", run.format(name), *arguments],
            cwd=directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name, *arguments in commands
    ]
    yield _address(file)
    for process in processes:
        process.kill()
        process.wait()


def _address(file):
    from distributed import Client

    for _ in range(600):
        if file.exists() and file.stat().st_size:
            break
        time.sleep(0.1)
    address = json.loads(file.read_text())["address"]
    with Client(address, timeout="60s") as client:
        client.wait_for_workers(2, timeout=120)
    return address


def test_dask_workers_give_the_same_numbers(mosaic, serial, cluster):
    assert levels(str(mosaic.association), dask_scheduler=cluster) == pytest.approx(
        serial, abs=1e-9
    )


def test_models_in_memory_go_to_workers(mosaic, serial, cluster):
    """Pixels and WCS that are not those of any file."""
    models = [open_model(Path(path)) for path in mosaic.files]
    found = levels(models, dask_scheduler=cluster)
    assert found == pytest.approx(serial, abs=1e-9)
    for model in models:
        model.close()


def test_worker_that_dies_is_survived(mosaic, serial, cluster, monkeypatch):
    monkeypatch.setattr("jwst_mosaic_skymatch.matching.DaskEngine", Killer)
    found = levels(str(mosaic.association), dask_scheduler=cluster)
    assert Killer.submitted > 8
    assert found == pytest.approx(serial, abs=1e-9)


def test_workers_with_another_version_are_refused(cluster, monkeypatch):
    with DaskEngine(cluster) as engine:
        engine.prepare()
        monkeypatch.setattr(engine._client, "run", lambda *_: {"tcp://host:1": "0.0.1"})
        with pytest.raises(RuntimeError, match=r"on Dask workers 0\.0\.1; start them from"):
            engine.prepare()


def test_workers_without_the_package_are_refused(cluster, monkeypatch):
    def missing(*_):
        raise PackageNotFoundError

    with DaskEngine(cluster) as engine:
        monkeypatch.setattr(engine._client, "run", missing)
        with pytest.raises(RuntimeError, match="on Dask workers not there"):
            engine.prepare()


def test_error_does_not_wait_for_tasks(cluster):
    """Of a thread in the background, which would go on for minutes."""

    def tasks(engine):
        return list(engine.run(time.sleep, [(1.0,)] * 200))

    def failing():
        with DaskEngine(cluster) as engine:
            engine.background(tasks, engine)
            engine.background(tasks, engine)
            raise ValueError("while tasks are under way")

    before, start = warnings.filters[:], time.monotonic()
    with pytest.raises(ValueError, match="under way"):
        failing()
    assert time.monotonic() - start < 60
    assert warnings.filters == before


def test_handles_are_what_they_stand_for():
    with Engine() as engine:
        handle = engine.submit(pickle.dumps, 5)
        assert engine.result(engine.submit(pickle.loads, handle)) == 5
        assert engine.beside(len, [handle, handle]) == 2
        assert engine.each(pickle.loads, [handle]) == [5]


def test_open_files_do_not_grow(mosaic, tmp_path, monkeypatch):
    """Counted while each exposure of a library on disk is reduced."""
    from jwst_mosaic_skymatch import matching

    monkeypatch.chdir(tmp_path)
    original, counts = matching.make_tile, []

    def counting(*arguments):
        counts.append(len(list(Path("/proc/self/fd").iterdir())))
        return original(*arguments)

    monkeypatch.setattr(matching, "make_tile", counting)
    levels(str(mosaic.association), in_memory=False)
    assert len(counts) == 8
    assert max(counts) <= counts[0] + 1


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_a_bar_on_a_terminal(monkeypatch, caplog):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with progress(3, "Working", logging.getLogger("test")) as count:
        for _ in range(3):
            count()
    assert "3 /  3" in terminal.getvalue() or "3/3" in terminal.getvalue().replace(" ", "")
    assert caplog.text == ""


def test_progress_is_log_lines_elsewhere(monkeypatch, caplog, capsys):
    log = logging.getLogger("test")
    with caplog.at_level(logging.INFO, logger="test"):
        with progress(3, "Quick work", log) as count:
            count()
        monkeypatch.setattr("jwst_mosaic_skymatch.progress.PATIENCE", 0.0)
        with progress(3, "Long work", log) as count:
            for _ in range(3):
                count()
    assert [r.message for r in caplog.records] == ["Long work: 1 of 3", "Long work: 2 of 3"]
    assert capsys.readouterr() == ("", "")


def settings():
    """What the step changes in this process while it runs."""
    threads = {info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"}
    validates = asdf.get_config().validate_on_read
    return gc.get_threshold()[0], gc.isenabled(), gc.get_freeze_count() > 1000, validates, threads


def test_settings_are_as_before_afterwards(mosaic):
    inside = []

    class Spy(PixelSkyMatchStep):
        def _matched_levels(self, *args):
            inside.append(settings())
            return super()._matched_levels(*args)

    with threadpool_limits(2, user_api="blas"):
        before = settings()
        for wrong in ("no_such_asn.json", []):
            with pytest.raises((FileNotFoundError, ValueError)):
                PixelSkyMatchStep.call(wrong, configure_log=False)
            assert settings() == before
        for in_memory in (True, False):
            Spy.call(str(mosaic.association), in_memory=in_memory, configure_log=False)
            assert settings() == before
    in_memory, on_disk = inside
    assert in_memory[0] > before[0]
    assert in_memory[1:] == (True, False, False, {1})
    assert on_disk == (before[0], False, True, False, {1})


def test_one_model_at_a_time_on_disk(mosaic, monkeypatch):
    """Its arrays are gone before the next is loaded; stpipe, which writes, holds two."""
    alive, most = weakref.WeakSet(), []
    load = AbstractModelLibrary._load_member

    def watched(library, index):
        model = load(library, index)
        most.append(len(alive))
        alive.add(model.meta.wcs)
        return model

    monkeypatch.setattr(AbstractModelLibrary, "_load_member", watched)
    PixelSkyMatchStep.call(str(mosaic.association), in_memory=False, configure_log=False)
    n = len(mosaic.files)
    assert len(most) == 1 + n + n  # for the grid, for the tiles, and to be written
    assert max(most[: 1 + n]) == 0
    assert max(most) == 1


def test_processes_use_one_thread_each():
    with PoolEngine(1) as engine:
        found = engine.result(engine.submit(threadpool_info))
    assert {info["num_threads"] for info in found if info["user_api"] == "blas"} == {1}


def test_tiles_of_many_pairs_are_sent_once():
    """With each list of pairs; lists hold all pairs, in order, within their limits."""
    assert _among_themselves("abcdef", [(1, 3), (1, 5), (3, 5)]) == (
        ["b", "d", "f"],
        [(0, 1), (0, 2), (1, 2)],
    )
    pairs = [(i, j) for i in range(8) for j in range(i + 1, 8)]
    one = list(_batches(pairs, [100] * 8, width=1))
    assert [len(batch) for batch in one] == [16, 12]
    assert list(chain(*one)) == pairs
    assert [len(batch) for batch in _batches(pairs, [100] * 8, width=8)] == [7, 7, 7, 7]
    large = list(_batches(pairs, [1_500_000] * 8, width=1))
    assert list(chain(*large)) == pairs
    assert all(len(set(chain(*batch))) <= 2 for batch in large)
    assert list(_batches([], [], width=4)) == []
