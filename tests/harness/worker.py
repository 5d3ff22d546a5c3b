"""Stock arq workers in processes of their own."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis

__all__ = [
    "RAN",
    "ROOT",
    "WorkerFailedError",
    "WorkerProcess",
    "arq_process",
    "ended",
    "keys_of_arq",
    "python_with_arq",
    "run_burst",
    "started_jobs",
    "wait_until",
    "wait_until_started",
]

ROOT = Path(__file__).parents[2]

PYTHON_VARIABLE = "ARQADE_TEST_WORKER_PYTHON"
"""The Python that runs the stock workers and clients; it must have arq."""

# As in the app, which can't be imported without arq.
READY = "the stock worker is ready"
RAN = "test:ran"
"""A list: the ids of the jobs that stock workers started, once for each try."""

PAUSE = 0.01
PATIENCE = 20.0
"""Seconds for a worker to start, to end, or to empty its queue."""


class WorkerFailedError(AssertionError):
    """A stock worker did not do what it should; the message has its output."""


@functools.cache
def worker_python() -> str | None:
    """Find a Python that has arq."""
    if named := os.environ.get(PYTHON_VARIABLE):
        return named
    if importlib.util.find_spec("arq"):
        return sys.executable
    beside = ROOT / ".venv" / "bin" / "python"
    return str(beside) if beside.exists() else None


def python_with_arq() -> str:
    """Give a Python that has arq, or skip the test."""
    return worker_python() or pytest.skip("no Python with arq: run `make test`")


def wait_until(answer: Callable[[], object], *, timeout: float = PATIENCE) -> None:
    """Ask again and again until the answer is true.

    Raises:
        AssertionError: It was not in time.
    """
    end = time.monotonic() + timeout
    while not answer():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(PAUSE)


def started_jobs(client: redis.Redis) -> list[str]:
    """Give the ids of the jobs that stock workers started, once for each try."""
    return [job_id.decode() for job_id in client.lrange(RAN, 0, -1)]


def keys_of_arq(client: redis.Redis) -> set[bytes]:
    """Give the keys that hold jobs: not a worker's record of its health, nor arqade's markers."""
    keys: list[bytes] = client.keys("arq:*")
    return {key for key in keys if not key.endswith(b":health-check")}


def wait_until_started(client: redis.Redis, job_id: str = "k") -> None:
    """Wait until a stock worker runs a job."""
    wait_until(lambda: job_id in started_jobs(client))


@contextlib.contextmanager
def ended(process: subprocess.Popen[Any]) -> Iterator[subprocess.Popen[Any]]:
    """Let nothing be left of a process: it is asked to end, and then made to."""
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def arq_process(
    settings: str, *, cwd: Path = ROOT, **variables: str
) -> contextlib.AbstractContextManager[subprocess.Popen[Any]]:
    """Run a stock worker in silence for the length of a block.

    Args:
        settings: Where its settings are, as for arq.
        cwd: Where it looks for them.
        **variables: Of its environment.
    """
    return ended(
        subprocess.Popen(
            [python_with_arq(), "-m", "arq", settings],
            cwd=cwd,
            env=stock_environment(**variables),
            stderr=subprocess.DEVNULL,
        )
    )


def stock_environment(**variables: str) -> dict[str, str]:
    """Give the environment of a process of stock arq.

    It runs nearly no code of ours: measuring it would double its time, and that of the tests.
    """
    inherited = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    return {**inherited, **variables}


class WorkerProcess:
    """A stock worker: it is looking for jobs when the ``with`` block begins, and gone after it.

    Args:
        redis_url: The server.
        burst: Whether it ends when its queue is empty.
        app: The module that has its settings.
        **settings: arq's, and those of `stock_app.set_up`, or what the other module says.
    """

    def __init__(
        self,
        redis_url: str,
        *,
        burst: bool = False,
        app: str = "tests.harness.stock_app",
        **settings: Any,
    ) -> None:
        python = python_with_arq()
        self._stopped = False
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        self._process = subprocess.Popen(
            [
                python,
                *("-m", "arq", f"{app}.WorkerSettings"),
                "--burst" if burst else "--no-burst",
            ],
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env=stock_environment(
                ARQADE_TEST_WORKER_REDIS=redis_url,
                ARQADE_TEST_WORKER_SETTINGS=json.dumps(settings),
            ),
        )

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def output(self) -> str:
        """What the worker has said until now."""
        # Without a seek, which would move the worker's place in the file too.
        file = self._output.fileno()
        return os.pread(file, os.fstat(file).st_size, 0).decode(errors="replace")

    def wait_until_ready(self) -> None:
        """Wait until it looks for jobs.

        Raises:
            WorkerFailedError: It ended, or did not get there in time.
        """
        wait_until(lambda: READY in self.output or self._process.poll() is not None)
        if READY not in self.output:
            raise WorkerFailedError(f"the worker did not start:\n{self.output}")

    def wait_until_over(self, timeout: float = PATIENCE) -> None:
        """Wait until it has ended by itself.

        Raises:
            WorkerFailedError: It failed, or did not end in time.
        """
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise WorkerFailedError(f"the worker did not end:\n{self.output}") from None
        if code:
            raise WorkerFailedError(f"the worker ended with {code}:\n{self.output}")

    def stop(self) -> None:
        """Ask it to stop, as a process manager does: it puts its running jobs back.

        Its exit code says nothing: where a job is just ending, arq trips over its own cancelling.

        Raises:
            WorkerFailedError: It was not running any more, or did not stop in time.
        """
        if self._process.poll() is not None:
            raise WorkerFailedError(f"the worker has ended before:\n{self.output}")
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise WorkerFailedError(f"the worker did not stop:\n{self.output}") from None
        self._stopped = True

    def kill(self) -> None:
        """Let it die on the spot."""
        self._process.kill()
        self._process.wait()
        self._stopped = True

    def __enter__(self) -> Self:
        try:
            self.wait_until_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, _: object, exc: object, __: object) -> None:
        try:
            if not self._stopped and exc is None:
                self.stop()
        finally:
            self.close()

    def close(self) -> None:
        """Leave nothing behind."""
        if self._process.poll() is None:
            self.kill()
        if self._process.stdin:
            self._process.stdin.close()
        self._output.close()


def run_burst(redis_url: str, *, timeout: float = PATIENCE, **settings: Any) -> str:
    """Run a stock worker until its queue is empty, and give what it said.

    Args:
        redis_url: The server.
        timeout: Seconds that it may take.
        **settings: As for `WorkerProcess`.

    Raises:
        WorkerFailedError: It failed, or was not done in time.
    """
    worker = WorkerProcess(redis_url, burst=True, **settings)
    try:
        worker.wait_until_over(timeout)
        return worker.output
    finally:
        worker.close()
