"""Where tasks run, that levels do not depend on it, and what fails there."""

import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import pytest
from helpers import read_levels, run
from stdatamodels.jwst.datamodels import open as open_model
from threadpoolctl import threadpool_info, threadpool_limits

from jwst_mosaic_skymatch.compute.executors import Workers, number_of_cores, open_workers

DEAD_PROCESS = r"A worker process died .* maximum_cores to '1'"


@pytest.fixture
def two_cores(monkeypatch):
    """Run as on a machine with two cores."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)


def start_cluster(n_workers):
    """Start a scheduler in this process, and workers in others."""
    distributed = pytest.importorskip("distributed")
    return distributed.LocalCluster(
        n_workers=n_workers, threads_per_worker=1, dashboard_address=":0"
    )


@pytest.fixture(scope="module")
def address():
    with start_cluster(2) as cluster:
        yield cluster.scheduler_address


# --- the step ----------------------------------------------------------------


@pytest.mark.parametrize("from_models", [False, True])
def test_levels_do_not_depend_on_where_tasks_run(mosaic, two_cores, address, from_models):
    """From files, and from models, whose pixels go to other processes."""
    inputs = list(map(open_model, mosaic.files)) if from_models else str(mosaic.association)
    expected = read_levels(run(inputs))
    for cores in ("2", address):
        levels = read_levels(run(inputs, maximum_cores=cores))
        assert levels == pytest.approx(expected, abs=1e-9)


# --- executors ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("maximum_cores", "expected"),
    [("none", 1), ("1", 1), ("3", 3), ("99", 8), ("quarter", 2), ("half", 4), ("All", 8)],
)
def test_numbers_of_cores(monkeypatch, maximum_cores, expected):
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert number_of_cores(maximum_cores) == expected


@pytest.mark.parametrize("cores", ["0.5", "many", "-1", "0"])
def test_bad_number_of_cores(cores):
    with pytest.raises(ValueError, match=f"maximum_cores='{cores}': give a number"):
        number_of_cores(cores)


def test_jobs_come_back_in_order_and_only_some_are_ahead():
    waiting, started = threading.Semaphore(0), []

    def task(number):
        waiting.acquire(timeout=60)
        return number

    def jobs():
        for number in range(10):
            started.append(number)
            yield task, number

    with ThreadPoolExecutor(4) as executor:
        results = Workers(executor, 2).run(jobs())
        waiting.release()
        assert next(results) == 0
        assert len(started) == 9
        waiting.release(9)
        assert list(results) == list(range(1, 10))


@pytest.mark.parametrize("cores", ["1", "2"])
def test_linear_algebra_has_one_thread(two_cores, cores):
    with threadpool_limits(2, user_api="blas"), open_workers(cores) as workers:
        pid, threads = workers.run([(os.getpid,), (threadpool_info,)])
        assert (pid == os.getpid()) == (workers.n_remote == 0)
        assert blas_threads(threadpool_info()) == blas_threads(threads) == {1}


@pytest.mark.parametrize("cores", ["1", "2", "dask"])
def test_error_of_a_task_is_that_of_its_job(two_cores, address, cores):
    """On a cluster after some more attempts: reading a file may fail where many do."""
    place = address if cores == "dask" else cores
    with open_workers(place) as workers, pytest.raises(ZeroDivisionError):
        list(workers.run([(divmod, 7, 2), (divmod, 1, 0)]))


def blas_threads(info):
    return {library["num_threads"] for library in info if library["user_api"] == "blas"}


def test_dead_process_is_one_clear_error(two_cores):
    with pytest.raises(RuntimeError, match=DEAD_PROCESS), open_workers("2") as workers:
        list(workers.run([(os._exit, 1)] * 3))


def script_of(directory, *lines):
    """Write a script that opens two workers."""
    path = directory / "main.py"
    head = "import os, time", "from jwst_mosaic_skymatch.compute.executors import open_workers"
    path.write_text("\n".join((*head, *lines, "")))
    return [sys.executable, path]


@pytest.mark.parametrize("directory", ["x", "x" * 90])
def test_processes_end_with_one_that_is_killed(tmp_path_factory, monkeypatch, directory):
    """The pipe of the standard output closes then; a server's socket has no room in a long path."""
    directory = tmp_path_factory.mktemp(directory)
    monkeypatch.setenv("TMPDIR", str(directory))
    script = script_of(
        directory,
        "if __name__ == '__main__':",
        "    os.cpu_count = lambda: 2",
        "    with open_workers('2') as workers:",
        "        print(workers.executor.submit(os.getpid).result(), flush=True)",
        "        workers.executor.submit(time.sleep, 600).result()",
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(script, **pipes) as main:
        worker = int(main.stdout.readline())
        os.kill(worker, 0)
        main.kill()
        main.communicate(timeout=60)


def test_script_that_starts_itself_again_fails_at_once(tmp_path):
    """Its processes import it, and would start processes of their own."""
    script = script_of(
        tmp_path,
        "os.cpu_count = lambda: 2",
        "with open_workers('2') as workers:",
        "    time.sleep(1.0)",
        "    workers.executor.submit(os.getpid).result()",
    )
    done = subprocess.run(script, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert re.search(DEAD_PROCESS, done.stderr)


# --- Dask --------------------------------------------------------------------


def test_dask_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    missing = pytest.raises(ImportError, match="pip install distributed")
    with missing, open_workers("tcp://h:1"):
        pass


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://127.0.0.1:9"])
def test_no_scheduler_is_one_clear_error(monkeypatch, address):
    monkeypatch.setattr("jwst_mosaic_skymatch.compute.executors.CONNECT_TIME", "1s")
    message = f"maximum_cores={address}: no scheduler can be reached"
    with pytest.raises(OSError, match=message), open_workers(address):
        pass


def test_workers_with_another_version_are_refused(address, monkeypatch):
    own, theirs = os.getpid(), version("jwst-mosaic-skymatch")

    def other_here(name):
        return "0.0.1" if os.getpid() == own else version(name)

    monkeypatch.setattr("jwst_mosaic_skymatch.compute.executors.version", other_here)
    message = re.escape(f"is 0.0.1 here, but on Dask workers {theirs}; start them from")
    with pytest.raises(RuntimeError, match=message), open_workers(address):
        pass


def test_task_that_kills_its_workers():
    """One after the other, and then nobody takes it any more."""

    once = pytest.importorskip("dask").config.set({"distributed.scheduler.allowed-failures": 0})
    died = pytest.raises(RuntimeError, match="Several Dask workers died at the same task")
    with once, start_cluster(1) as cluster, died, open_workers(cluster.scheduler_address) as w:
        list(w.run([(os._exit, 1)]))


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
        with died, open_workers(main.stdout.readline().strip()) as workers:
            threading.Timer(1.0, main.kill).start()
            list(workers.run([(time.sleep, 600.0)]))


def test_results_survive_a_worker_that_dies(address, tmp_path):
    mark = tmp_path / "died"

    def die_once(number):
        if number == 7 and not mark.exists():
            mark.touch()
            os._exit(1)
        return number

    with open_workers(address) as workers:
        assert list(workers.run((die_once, k) for k in range(12))) == list(range(12))
    assert mark.exists()
