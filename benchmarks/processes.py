"""The server, and the processes of the subjects."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any, Self

import redis

from arqade.embedded import RedisServer
from benchmarks.catalogue import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.catalogue import Subject

Message = dict[str, Any]
CLIENT_NAME = "benchmarks"
"""The name of the harness's own connections."""


class Skipped(Exception):  # noqa: N818 - it is no error of the harness
    """A subject can't do what was asked; the text says why."""


class SubjectProcess:
    """A process in an environment of its own, which is sent requests and answers them.

    Args:
        subject: What it measures.
        module: What it runs.
        opener: What opens the subject there.

    Raises:
        Skipped: The environment is missing.
    """

    patience = 10.0
    """Seconds that it has to end."""

    def __init__(self, subject: Subject, module: str, opener: str) -> None:
        if not subject.python.exists():
            raise Skipped(f"{subject.environment} is missing: make bench makes it")
        # A file: a pipe that nobody reads would stop a client that has much to say.
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(  # noqa: S603 - our own modules
            [subject.python, "-m", module, opener],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )

    def send(self, request: Message) -> None:
        """Send a request, if the process still listens."""
        assert self._process.stdin is not None  # noqa: S101 - for the type checkers
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()

    def said(self) -> str:
        """Give what it wrote to its standard error."""
        self._said.seek(0)
        return self._said.read().strip()

    def close(self) -> None:
        """End the process; kill it, if it does not end by itself."""
        try:
            self._process.communicate(timeout=self.patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        self._said.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Agent(SubjectProcess):
    """A subject in a process of its own.

    Args:
        subject: The subject.
        url: The server, or a proxy before it.

    Raises:
        Skipped: It could not be opened.
    """

    def __init__(self, subject: Subject, url: str) -> None:
        self.subject = subject
        super().__init__(subject, "benchmarks.agent", f"benchmarks.subjects.{subject.opener}")
        try:
            self.hello = self.ask({"url": url})
        except BaseException:
            self.close()
            raise

    def ask(self, request: Message) -> Message:
        """Send a request and read its answer.

        Raises:
            Skipped: The subject can't do it, or its process has ended.
        """
        self.send(request)
        return self.listen()

    def listen(self) -> Message:
        """Read an answer.

        Raises:
            Skipped: The subject can't do what it was asked for, or its process has ended.
        """
        assert self._process.stdout is not None  # noqa: S101 - for the type checkers
        line = self._process.stdout.readline()
        if not line:
            raise Skipped(f"its process ended: {self.said()[-300:]}")
        answer: Message = json.loads(line)
        if "skip" in answer:
            raise Skipped(answer["skip"])
        return answer


class Server:
    """A server of the harness's own, and what the harness does on it.

    Attributes:
        url: For the subjects.
        version: Its name and version.
        client: The harness's own client.
    """

    def __init__(self, server: RedisServer) -> None:
        self.url = server.url
        self.version = server.version
        self.client = redis.Redis.from_url(server.url, client_name=CLIENT_NAME)
        info: Any = self.client.info("server")
        self._pid: int = info["process_id"]
        self._processors = os.sched_getaffinity(0) if sys.platform == "linux" else {0}

    def flush(self) -> None:
        """Make it empty, and done with that."""
        self.client.flushall(asynchronous=False)

    def cpu(self) -> float:
        """Tell the processor seconds that it has used."""
        info: Any = self.client.info("cpu")
        return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])

    def count(self, subject: Subject) -> int:
        """Count the jobs that a subject has enqueued."""
        answer: Any = self.client.execute_command(*subject.count)
        return int(answer)

    def connections(self) -> int:
        """Count the connections, but for the harness's own."""
        clients: Any = self.client.client_list()
        return sum(found["name"] != CLIENT_NAME for found in clients)

    def place(self, *, together: bool) -> None:
        """Put the server, and this process with its later children, on processors.

        A system that is left to itself moves client and server onto one processor and apart again
        at any time. Apart, each round trip has to wake somebody, and takes twice as long: what was
        measured before and after a move can't be compared.

        Args:
            together: Whether they share a processor; else the server has one of its own.
        """
        if sys.platform != "linux" or len(self._processors) == 1:
            return
        first = {min(self._processors)}
        os.sched_setaffinity(self._pid, first)
        os.sched_setaffinity(0, first if together else self._processors - first)


@contextlib.contextmanager
def start_server() -> Iterator[Server]:
    """Start a server that keeps nothing on disk."""
    with RedisServer() as started:
        server = Server(started)
        with server.client:
            yield server
