from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from arqade.cli.main import main
from tests.harness.worker import ROOT, WorkerProcess

PATIENCE = 50
"""Seconds until a process counts as hanging."""


class Answer(NamedTuple):
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def json_lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def rows(self) -> list[list[str]]:
        """The cells of a table without spaces in its cells."""
        return [line.split() for line in self.out.splitlines()[1:]]


def checked(answer: Answer, url: str) -> Answer:
    """Give the answer if it tells no password and has no traceback."""
    password = urlsplit(url).password
    assert password is None or password not in answer.out + answer.err
    assert "Traceback" not in answer.err
    return answer


@pytest.fixture
def cli(redis_url):
    """Runs a command in this process: fast, and without a terminal."""

    def run(*words, url=redis_url, stdin=None):
        environment = {"ARQADE_URL": url, "REDIS_URL": None, "ARQADE_CODEC": None}
        done = CliRunner().invoke(main, list(map(str, words)), input=stdin, env=environment)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return checked(Answer(done.exit_code, done.stdout, done.stderr), url)

    return run


def environment_for(url, **changes):
    """Give the environment of a process."""
    dropped = {"COLUMNS", "REDIS_URL", "ARQADE_CODEC", "NO_COLOR", "FORCE_COLOR"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**kept, "ARQADE_URL": url, "PYTHONWARNINGS": "error", **changes}


COMMAND = [sys.executable, "-m", "arqade.cli"]


@pytest.fixture
def process(redis_url):
    """Runs a command in a process of its own, with pipes."""

    def run(*words, url=redis_url, stdin="", command=COMMAND, cwd=ROOT, **changes):
        done = subprocess.run(
            [*command, *map(str, words)],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=cwd,
            env=environment_for(url, **changes),
            timeout=PATIENCE,
            check=False,
        )
        return checked(Answer(done.returncode, done.stdout, done.stderr), url)

    return run


@pytest.fixture
def worker(redis_url):
    """A stock worker that works on the default queue, and allows jobs to be aborted."""
    with WorkerProcess(redis_url, allow_abort_jobs=True) as worker:
        yield worker
