"""Queues of web applications under gunicorn, which loads them before it forks."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.harness.states import QUEUE, put_complete
from tests.harness.worker import ROOT, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUESTS = 240
WAITING = 40
"""Requests that wait for their job's result."""

CLIENTS = 16
MAX_REQUESTS = 50
"""After so many a process is replaced."""

NAME = "behind-gunicorn"
"""What its connections to the server are called."""


class Web(NamedTuple):
    """A running gunicorn."""

    process: subprocess.Popen[bytes]
    port: int
    output: tempfile._TemporaryFileWrapper

    @property
    def said(self) -> str:
        self.output.seek(0)
        return self.output.read().decode(errors="replace")

    def get(self, **query: object) -> dict[str, object]:
        """Ask for a page, on a connection of its own."""
        line = "&".join(f"{name}={value}" for name, value in query.items())
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", f"/?{line}", headers={"Connection": "close"})
            response = connection.getresponse()
            body = response.read()
        assert response.status == 200, self.said
        return json.loads(body)


@contextlib.contextmanager
def gunicorn(redis_url: str, app: str, *options: str):
    """Run an application, and stop it as a process manager does."""
    with socket.create_server(("127.0.0.1", 0)) as listener, tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "--preload", "--bind"),
                *(f"fd://{listener.fileno()}", "--no-control-socket", *options, app),
            ],
            cwd=ROOT,
            env={**os.environ, "ARQADE_TEST_WEB_REDIS": f"{redis_url}?client_name={NAME}"},
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield Web(process, listener.getsockname()[1], output)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextlib.contextmanager
def finishing(raw):
    """Stand for a worker that ends all jobs called ``wait-...``, each with its number.

    Gives the ids of the connections on which the server was asked to push results.
    """
    over = threading.Event()
    listeners = set()

    def finish():
        while not over.wait(0.01):
            listeners.update(c["id"] for c in raw.client_list() if "t" in c["flags"])
            for member in raw.zrange(QUEUE, 0, -1):
                job_id = member.decode()
                if job_id.startswith("wait-"):
                    put_complete(raw, job_id, value=int(job_id.removeprefix("wait-")))
                    raw.zrem(QUEUE, job_id)

    thread = threading.Thread(target=finish)
    thread.start()
    try:
        yield listeners
    finally:
        over.set()
        thread.join()


def ask(web: Web, numbers: Iterator[int]) -> dict[str, object]:
    """Ask until there is an answer: a process that ends drops connections that it did not read."""
    for number in numbers:
        wait = {} if number % (REQUESTS // WAITING) else {"wait": f"wait-{number}"}
        with contextlib.suppress(ConnectionError):
            return {"asked": number, **web.get(n=number, **wait)}
    raise AssertionError("numbers have no end")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.parametrize(
    ("app", "workers", "options"),
    [
        ("web_sync", 4, ["--worker-class", "sync"]),
        ("web_sync", 2, ["--worker-class", "gthread", "--threads", "8"]),
        ("web_async", 2, ["--worker-class", "uvicorn_worker.UvicornWorker"]),
    ],
    ids=["processes", "threads", "event loop"],
)
def test_queue_of_a_preloaded_application(redis_url, raw, app, workers, options):
    """Each request gets its own answer, however often processes are replaced meanwhile."""
    options += ["--workers", str(workers), "--max-requests", str(MAX_REQUESTS)]
    numbers = itertools.count()
    with gunicorn(redis_url, f"tests.harness.{app}:app", *options) as web:
        with finishing(raw) as listeners, ThreadPoolExecutor(CLIENTS) as clients:
            answers, processes = [], set()
            # One with an event loop may have answered them all before it notices their number.
            while len(processes) <= workers:
                answers += clients.map(lambda _: ask(web, numbers), range(REQUESTS))
                processes = {answer["pid"] for answer in answers}
        for answer in answers:
            assert answer["n"] == answer["asked"]
            if "result" in answer:
                assert answer["result"] == answer["asked"]
            else:
                assert answer["seen"] == answer["asked"]
            assert answer["imported_by"] == web.process.pid
        # Not only that of the process that has loaded the application.
        assert len(listeners) > 1
        assert web.process.pid not in processes
        web.process.terminate()
        assert web.process.wait(20) == 0, web.said
        for word in ("Traceback", "Exception ignored", "CRITICAL", "WORKER TIMEOUT", "SIGKILL"):
            assert word not in web.said, web.said
    wait_until(lambda: not [c for c in raw.client_list() if c["name"] == NAME])
    waited = [answer for answer in answers if "result" in answer]
    assert len(waited) > WAITING // 2
    # Nobody looks again who finds the result at once.
    assert "resp3" in {answer["mode"] for answer in waited} <= {"resp3", None}
    stored = {key.decode().removeprefix("arq:job:") for key in raw.keys("arq:job:*")}
    jobs = {job_id: pickle.loads(raw.get(f"arq:job:{job_id}")) for job_id in stored}
    assert {member.decode() for member in raw.zrange(QUEUE, 0, -1)} | {
        answer["id"] for answer in waited
    } == stored
    enqueued = Counter(job["a"][0] for job in jobs.values() if job["f"] == "work")
    assert set(enqueued.values()) == {1}
    for answer in answers:
        assert jobs[answer["id"]]["a"] == (answer["asked"],)
