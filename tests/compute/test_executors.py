"""Where tasks run, and that levels do not depend on it."""

import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from helpers import read_levels
from stdatamodels.jwst.datamodels import open as open_model
from threadpoolctl import threadpool_info, threadpool_limits

from jwst_mosaic_skymatch import PixelSkyMatchStep
from jwst_mosaic_skymatch.compute.executors import Workers, number_of_cores, open_workers

DEAD_PROCESS = r"A worker process died .* maximum_cores to '1'"


@pytest.fixture
def two_cores(monkeypatch):
    """Run as on a machine with two cores."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)


def levels(inputs, **parameters):
    return read_levels(PixelSkyMatchStep.call(inputs, configure_log=False, **parameters))


# --- the step ----------------------------------------------------------------


@pytest.mark.parametrize("from_models", [False, True])
def test_levels_do_not_depend_on_the_number_of_processes(mosaic, two_cores, from_models):
    """From files, and from models, whose pixels go to other processes."""
    inputs = list(map(open_model, mosaic.files)) if from_models else str(mosaic.association)
    serial, parallel = (levels(inputs, maximum_cores=cores) for cores in ("1", "2"))
    assert parallel == pytest.approx(serial, abs=1e-9)


@pytest.mark.parametrize("maximum_cores", ["1", "2"])
def test_no_mean_is_left_in_the_temporary_directory(
    mosaic, tmp_path, monkeypatch, two_cores, maximum_cores
):
    """Also when the last exposure has no WCS."""
    files = [str(path) for path in mosaic.files]
    with open_model(files[-1]) as model:
        model.meta.wcs = None
        files[-1] = model.save(tmp_path / mosaic.files[-1].name)
    directory = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(directory))
    with pytest.raises(ValueError, match=f"{mosaic.files[-1].name}: no WCS"):
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
        assert started == [0, 1, 2, 3, 4]
        waiting.release(9)
        assert list(results) == list(range(1, 10))


@pytest.mark.parametrize("cores", ["1", "2"])
def test_workers(two_cores, cores):
    """Tasks run here or elsewhere, with one thread of linear algebra, and errors are theirs."""
    with threadpool_limits(2, user_api="blas"), open_workers(cores) as workers:
        assert workers.remote == (cores == "2")
        pid, here, there = workers.run(
            [
                (os.getpid,),
                (eval, str(blas_threads(threadpool_info()))),
                (threadpool_info,),
            ]
        )
        assert (pid != os.getpid()) == workers.remote
        assert here == blas_threads(there) == {1}
        results = workers.run([(divmod, 7, 2), (divmod, 1, 0)])
        if not workers.remote:
            assert next(results) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            list(results)


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


def test_processes_end_with_one_that_is_killed(tmp_path):
    """The pipe of the standard output is closed when its last process ends."""
    script = script_of(
        tmp_path,
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
        try:
            main.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.kill(worker, signal.SIGKILL)
            raise


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
