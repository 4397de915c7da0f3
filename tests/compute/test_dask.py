"""The step on a Dask cluster, and clusters that fail."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib.metadata import version

import pytest
from helpers import read_levels

from jwst_mosaic_skymatch import PixelSkyMatchStep
from jwst_mosaic_skymatch.compute.executors import open_workers

distributed = pytest.importorskip("distributed")


class Cluster:
    """A scheduler and worker processes, without nannies that would restart them."""

    def __init__(self, directory):
        self.directory, self.file = directory, directory / "scheduler.json"
        self.scheduler = self._start("scheduler", "--port", "0", "--host", "127.0.0.1")
        self.workers = []
        for _ in range(600):
            if self.file.exists() and self.file.stat().st_size:
                break
            time.sleep(0.1)
        self.address = json.loads(self.file.read_text())["address"]

    def _start(self, name, *options):
        run = f"import sys; from distributed.cli import dask_{name} as c; c.main(sys.argv[1:])"
        options = ["--scheduler-file", str(self.file), "--no-dashboard", *options]
        return subprocess.Popen(
            [sys.executable, "-c", run, *options],
            cwd=self.directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def add_workers(self, n):
        for _ in range(n):
            self.workers.append(self._start("worker", "--nthreads", "1", "--no-nanny"))
        with distributed.Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(self.n_alive, timeout=120)

    @property
    def n_alive(self):
        return sum(process.poll() is None for process in self.workers)

    def close(self):
        for process in (self.scheduler, *self.workers):
            process.kill()
            process.wait()


@contextmanager
def cluster_of(n_workers, directory):
    cluster = Cluster(directory)
    try:
        cluster.add_workers(n_workers)
        yield cluster
    finally:
        cluster.close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with cluster_of(2, tmp_path_factory.mktemp("dask")) as cluster:
        yield cluster


def levels(inputs, **parameters):
    return read_levels(PixelSkyMatchStep.call(inputs, configure_log=False, **parameters))


# --- levels ------------------------------------------------------------------


def test_levels_do_not_depend_on_the_cluster(mosaic, cluster):
    association = str(mosaic.association)
    on_cluster = levels(association, dask_scheduler=cluster.address)
    assert on_cluster == pytest.approx(levels(association), abs=1e-9)


def test_worker_that_dies_is_survived(cluster):
    cluster.add_workers(2)
    before = cluster.n_alive

    def slow(number):
        time.sleep(0.5)
        return number

    def jobs():
        for number in range(12):
            if number == 7:
                kill_a_worker_at_work(cluster.address)
            yield slow, number

    with open_workers(dask_scheduler=cluster.address) as workers:
        assert list(workers.run(jobs())) == list(range(12))
    assert cluster.n_alive == before - 1


def kill_a_worker_at_work(address):
    with distributed.Client(address, set_as_default=False) as client:
        pids = client.run(os.getpid)
        for _ in range(600):
            busy = [*client.has_what().items(), *client.processing().items()]
            victims = [worker for worker, tasks in busy if tasks]
            if victims:
                os.kill(pids[victims[0]], signal.SIGKILL)
                return
            time.sleep(0.01)
    pytest.fail("no worker has anything to do")


# --- what can go wrong -------------------------------------------------------


def test_dask_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(ImportError, match="pip install distributed"),
        open_workers("1", "tcp://h:1"),
    ):
        pass


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://127.0.0.1:9"])
def test_no_scheduler_is_one_clear_error(monkeypatch, address):
    monkeypatch.setattr("jwst_mosaic_skymatch.compute.dask.CONNECT_TIME", "1s")
    message = f"dask_scheduler={address}: no scheduler can be reached"
    with pytest.raises(OSError, match=message), open_workers(dask_scheduler=address):
        pass


def test_workers_with_another_version_are_refused(cluster, monkeypatch):
    own, theirs = os.getpid(), version("jwst-mosaic-skymatch")

    def other_here(name):
        return "0.0.1" if os.getpid() == own else version(name)

    monkeypatch.setattr("jwst_mosaic_skymatch.compute.dask.version", other_here)
    message = re.escape(f"is 0.0.1 here, but on Dask workers {theirs}; start them from")
    with pytest.raises(RuntimeError, match=message), open_workers(dask_scheduler=cluster.address):
        pass


def test_error_of_a_task_is_that_of_its_job(cluster):
    """After some more attempts: reading a file may fail where many do."""
    with open_workers(dask_scheduler=cluster.address) as workers:
        assert workers.n_remote == cluster.n_alive
        with pytest.raises(ZeroDivisionError):
            list(workers.run([(divmod, 7, 2), (divmod, 1, 0)]))


def test_task_that_kills_its_workers(tmp_path, monkeypatch):
    """One after the other, and then nobody takes it any more."""
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")

    def run(address):
        with open_workers(dask_scheduler=address) as workers:
            list(workers.run([(os._exit, 1)]))

    with cluster_of(1, tmp_path) as cluster:
        with pytest.raises(RuntimeError, match="Several Dask workers died at the same task"):
            run(cluster.address)
        assert cluster.n_alive == 0


def test_scheduler_that_dies(tmp_path):
    def run(cluster):
        with open_workers(dask_scheduler=cluster.address) as workers:
            task = workers.executor.submit(time.sleep, 600.0)
            cluster.scheduler.kill()
            task.result()

    refused = pytest.raises(RuntimeError, match="The Dask scheduler has died")
    with cluster_of(1, tmp_path) as cluster, refused:
        run(cluster)
