"""Real web servers, in processes of their own."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import signal
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, NamedTuple

from tests.harness.worker import PATIENCE, ROOT, python_with_arq, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["NAME", "Process", "gunicorn", "python_of_workers", "running", "uvicorn"]

NAME = "behind-the-web"
"""What an application calls its connections to the server."""

READY = re.compile(r"(?:Listening at:|Uvicorn running on) (http://\S+)")
WORRIES = (
    *("Traceback", "Exception ignored", "CRITICAL", "WORKER TIMEOUT", "SIGKILL"),
    *("RuntimeWarning", "unclosed <Sync", "unclosed <Redis"),
)
"""What no server says that is well; gunicorn itself leaves a socket unclosed."""


class Process(NamedTuple):
    """A running process."""

    popen: subprocess.Popen[bytes]
    output: tempfile._TemporaryFileWrapper[bytes]

    @property
    def said(self) -> str:
        """What it has said until now."""
        # Without a seek, which would move the process's place in the file too.
        file = self.output.fileno()
        return os.pread(file, os.fstat(file).st_size, 0).decode(errors="replace")

    def url(self) -> str:
        """Wait until it listens, and give its URL."""
        wait_until(lambda: READY.search(self.said) or self.popen.poll() is not None)
        found = READY.search(self.said)
        assert found, self.said
        return found[1]

    def stop(self) -> None:
        """Stop it as a process manager does, and see that nothing worried it."""
        self.popen.terminate()
        code = self.popen.wait(PATIENCE)
        # uvicorn ends by the signal that it got, once it has shut down.
        assert code in {0, -signal.SIGTERM}, self.said
        for word in WORRIES:
            assert word not in self.said, self.said


def gunicorn(app: str, *options: str) -> list[str]:
    """Give the command that runs gunicorn."""
    return [
        *("-m", "gunicorn", "--bind", "127.0.0.1:0", "--preload", "--no-control-socket"),
        *(*options, app),
    ]


def uvicorn(app: str) -> list[str]:
    """Give the command that runs uvicorn."""
    return ["-m", "uvicorn", "--port", "0", "--no-access-log", app]


def python_of_workers() -> str:
    """Give a Python that has arq, and all that this one has if that does."""
    return sys.executable if importlib.util.find_spec("arq") else python_with_arq()


@contextlib.contextmanager
def running(
    command: list[str], env: Mapping[str, str], *, python: str = sys.executable
) -> Iterator[Process]:
    """Run a process, and let nothing of it be left."""
    with tempfile.TemporaryFile() as output:
        popen = subprocess.Popen(
            [python, *command],
            cwd=ROOT,
            env={**os.environ, "PYTHONWARNINGS": "default", "PYTHONUNBUFFERED": "1", **env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield Process(popen, output)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(popen.pid, signal.SIGKILL)
            popen.wait()
