"""The step on a Dask cluster, and clusters that fail."""

import os
import re
import subprocess
import sys
import time
from importlib.metadata import version
from threading import Timer

import pytest
from helpers import read_levels

from jwst_mosaic_skymatch import PixelSkyMatchStep
from jwst_mosaic_skymatch.compute.executors import open_workers

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")


def start_cluster(n_workers):
    """Start a scheduler in this process, and workers in others."""
    return distributed.LocalCluster(
        n_workers=n_workers, threads_per_worker=1, dashboard_address=":0"
    )


@pytest.fixture(scope="module")
def address():
    with start_cluster(2) as cluster:
        yield cluster.scheduler_address


def levels(inputs, **parameters):
    return read_levels(PixelSkyMatchStep.call(inputs, configure_log=False, **parameters))


def test_levels_do_not_depend_on_the_cluster(mosaic, address):
    association = str(mosaic.association)
    on_cluster = levels(association, maximum_cores=address)
    assert on_cluster == pytest.approx(levels(association), abs=1e-9)


def test_results_survive_a_worker_that_dies(address, tmp_path):
    mark = tmp_path / "died"

    def die_once(number):
        if number == 7 and not mark.exists():
            mark.touch()
            os._exit(1)
        return number

    with open_workers(dask_scheduler=address) as workers:
        assert list(workers.run((die_once, k) for k in range(12))) == list(range(12))
    assert mark.exists()


def test_error_of_a_task_is_that_of_its_job(address):
    """After some more attempts: reading a file may fail where many do."""
    with open_workers(dask_scheduler=address) as workers:
        assert workers.remote
        with pytest.raises(ZeroDivisionError):
            list(workers.run([(divmod, 7, 2), (divmod, 1, 0)]))


# --- errors ------------------------------------------------------------------


def test_dask_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    missing = pytest.raises(ImportError, match="pip install distributed")
    with missing, open_workers("1", "tcp://h:1"):
        pass


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://127.0.0.1:9"])
def test_no_scheduler_is_one_clear_error(monkeypatch, address):
    monkeypatch.setattr("jwst_mosaic_skymatch.compute.dask.CONNECT_TIME", "1s")
    message = f"maximum_cores={address}: no scheduler can be reached"
    with pytest.raises(OSError, match=message), open_workers(dask_scheduler=address):
        pass


def test_workers_with_another_version_are_refused(address, monkeypatch):
    own, theirs = os.getpid(), version("jwst-mosaic-skymatch")

    def other_here(name):
        return "0.0.1" if os.getpid() == own else version(name)

    monkeypatch.setattr("jwst_mosaic_skymatch.compute.dask.version", other_here)
    message = re.escape(f"is 0.0.1 here, but on Dask workers {theirs}; start them from")
    with pytest.raises(RuntimeError, match=message), open_workers(dask_scheduler=address):
        pass


def test_task_that_kills_its_workers():
    """One after the other, and then nobody takes it any more."""

    def run(address):
        with open_workers(dask_scheduler=address) as workers:
            list(workers.run([(os._exit, 1)]))

    once = dask.config.set({"distributed.scheduler.allowed-failures": 0})
    died = pytest.raises(RuntimeError, match="Several Dask workers died at the same task")
    with once, start_cluster(1) as cluster, died:
        run(cluster.scheduler_address)


def test_scheduler_that_dies():
    code = (
        "import distributed, time\n"
        "options = {'processes': False, 'protocol': 'tcp', 'dashboard_address': ':0'}\n"
        "cluster = distributed.LocalCluster(n_workers=1, **options)\n"
        "print(cluster.scheduler_address, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as main:
        died = pytest.raises(RuntimeError, match="The Dask scheduler has died")
        with died, open_workers(dask_scheduler=main.stdout.readline().strip()) as workers:
            Timer(1.0, main.kill).start()
            list(workers.run([(time.sleep, 600.0)]))
