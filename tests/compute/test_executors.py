"""Where tasks run, and that levels do not depend on it."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from helpers import read_levels
from stdatamodels.jwst.datamodels import open as open_model
from threadpoolctl import threadpool_info, threadpool_limits

from jwst_mosaic_skymatch import PixelSkyMatchStep
from jwst_mosaic_skymatch.compute.executors import (
    SerialExecutor,
    number_of_cores,
    open_workers,
    run_jobs,
)

DEAD_PROCESS = r"A worker process died .* maximum_cores to '1'"


@pytest.fixture
def two_cores(monkeypatch):
    """Run as on a machine with two cores."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)


def levels(inputs, **parameters):
    return read_levels(PixelSkyMatchStep.call(inputs, configure_log=False, **parameters))


@pytest.fixture(scope="module")
def serial_levels(mosaic):
    return levels(str(mosaic.association))


# --- the step ----------------------------------------------------------------


@pytest.mark.parametrize("in_memory", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("maximum_cores", ["1", "2"])
def test_levels_whole_stacks(
    mosaic, serial_levels, tmp_path, monkeypatch, two_cores, maximum_cores, in_memory
):
    monkeypatch.chdir(tmp_path)
    found = levels(str(mosaic.association), maximum_cores=maximum_cores, in_memory=in_memory)
    assert found == pytest.approx(serial_levels, abs=1e-9)


@pytest.mark.parametrize("cores", ["0.5", "many", "-1", "0"])
def test_bad_number_of_cores(mosaic, cores):
    with pytest.raises(ValueError, match=f"maximum_cores='{cores}': give a number"):
        levels(str(mosaic.association), maximum_cores=cores)


@pytest.mark.parametrize("maximum_cores", ["1", "2"])
@pytest.mark.parametrize("fails", [True, False])
def test_no_mean_is_left_in_the_temporary_directory(
    mosaic, tmp_path, monkeypatch, two_cores, maximum_cores, fails
):
    """Also when it turns out that the last exposure is no use."""
    files = [str(path) for path in mosaic.files]
    if fails:
        with open_model(files[-1]) as model:
            model.meta.wcs = None
            files[-1] = model.save(tmp_path / mosaic.files[-1].name)
    directory = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(directory))
    if fails:
        with pytest.raises(ValueError, match=f"{mosaic.files[-1].name}: no WCS"):
            levels(files, maximum_cores=maximum_cores)
    else:
        levels(files, maximum_cores=maximum_cores)
    # Python's own directory for its processes goes with the main process.
    assert [path for path in directory.iterdir() if not path.name.startswith("pymp-")] == []


# --- executors ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("maximum_cores", "expected"),
    [("none", 1), ("1", 1), ("3", 3), ("99", 8), ("quarter", 2), ("half", 4), ("All", 8)],
)
def test_numbers_of_cores(monkeypatch, maximum_cores, expected):
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert number_of_cores(maximum_cores) == expected


def test_serial_tasks():
    executor = SerialExecutor()
    assert executor.submit(divmod, 7, 2).result() == (3, 1)
    failed = executor.submit(divmod, 7, 0)
    with pytest.raises(ZeroDivisionError):
        failed.result()


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
        results = run_jobs(executor, jobs(), 3)
        waiting.release()
        assert next(results) == 0
        assert started == [0, 1, 2, 3]
        for _ in range(9):
            waiting.release()
        assert list(results) == list(range(1, 10))


@pytest.mark.parametrize("cores", ["1", "2"])
def test_error_of_a_task_is_that_of_its_job(two_cores, cores):
    with open_workers(cores) as workers:
        results = run_jobs(workers.executor, [(divmod, 7, 2), (divmod, 1, 0)], 1)
        assert next(results) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            next(results)


def blas_threads(info):
    return {library["num_threads"] for library in info if library["user_api"] == "blas"}


@pytest.mark.parametrize("cores", ["1", "2"])
def test_linear_algebra_has_one_thread_in_each_process(two_cores, cores):
    with threadpool_limits(2, user_api="blas"):
        with open_workers(cores) as workers:
            assert blas_threads(threadpool_info()) == {1}
            assert blas_threads(workers.executor.submit(threadpool_info).result()) == {1}
        assert blas_threads(threadpool_info()) == {2}


def test_dead_process_is_one_clear_error(two_cores):
    with pytest.raises(RuntimeError, match=DEAD_PROCESS), open_workers("2") as workers:
        list(run_jobs(workers.executor, [(os._exit, 1)] * 3, 4))


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # Nobody may have asked yet how it ended.
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_processes_end_with_one_that_is_killed(tmp_path):
    script = tmp_path / "main.py"
    script.write_text(
        "import os, time\n"
        "from jwst_mosaic_skymatch.compute.executors import open_workers\n"
        "if __name__ == '__main__':\n"
        "    os.cpu_count = lambda: 2\n"
        "    with open_workers('2') as workers:\n"
        "        print(workers.executor.submit(os.getpid).result(), flush=True)\n"
        "        workers.executor.submit(time.sleep, 600).result()\n"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, script], **pipes) as main:
        worker = int(main.stdout.readline())
        assert is_alive(worker)
        main.kill()
    for _ in range(600):
        if not is_alive(worker):
            return
        time.sleep(0.1)
    os.kill(worker, signal.SIGKILL)
    pytest.fail("the process goes on")


def test_script_that_starts_itself_again_fails_at_once(tmp_path):
    """Its processes import it, and would start processes of their own."""
    script = tmp_path / "main.py"
    script.write_text(
        "import os, time\n"
        "from jwst_mosaic_skymatch.compute.executors import open_workers\n"
        "os.cpu_count = lambda: 2\n"
        "with open_workers('2') as workers:\n"
        "    time.sleep(1.0)\n"
        "    workers.executor.submit(os.getpid).result()\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert re.search(DEAD_PROCESS, done.stderr)
