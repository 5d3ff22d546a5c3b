"""Live views and tables in a terminal of 80 columns."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from tests.cli.conftest import COMMAND, PATIENCE, environment_for
from tests.harness.states import put_deferred, put_in_progress, put_queued
from tests.harness.worker import ROOT

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
COLUMNS = 80


class Terminal:
    """A process in a pseudo-terminal, and all that it has written there."""

    def __init__(self, url, words, out, **changes):
        self._master, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        # What started the tests may have had them ignore Ctrl-C, and that is inherited.
        old = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, words)],
            stdin=terminal,
            stdout=terminal if out is None else out,
            stderr=terminal,
            cwd=ROOT,
            env=environment_for(url, TERM="xterm-256color", **changes),
        )
        signal.signal(signal.SIGINT, old)
        os.close(terminal)
        self.written = ""

    @property
    def lines(self):
        """The lines as they were written, without escapes."""
        return re.split(r"[\r\n]+", ESCAPES.sub("", self.written))

    def read(self):
        """Read what there is within a moment, and tell whether there may come more."""
        if not select.select([self._master], [], [], 0.1)[0]:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:  # The process has ended: on Linux, that is an error.
            return False
        self.written += data.decode(errors="replace")
        return bool(data)

    def wait_for(self, pattern):
        """Read until there is a line that has a pattern."""
        end = time.monotonic() + PATIENCE
        while not any(re.search(pattern, line) for line in self.lines):
            assert time.monotonic() < end
            assert self.read(), self.lines

    def type(self, text):
        """Type a text."""
        os.write(self._master, text.encode())

    def end(self):
        """Read to the end, and give the exit status."""
        while self.read():
            pass
        return self.process.wait(PATIENCE)

    def close(self):
        """Leave nothing behind."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)


@pytest.fixture
def terminal(redis_url):
    """Starts commands in a terminal."""
    started = []

    def start(*words, out=None, **changes):
        started.append(Terminal(redis_url, words, out, **changes))
        return started[-1]

    yield start
    for each in started:
        each.close()


def test_watch(terminal, raw):
    """The view changes in its place with the queue, in colours, until Ctrl-C."""
    view = terminal("info", "--watch", "--interval", "0.05", "-q", "arq:queue", "-q", "mail")
    view.wait_for(r"^arq:queue +0 +0 +0 +- +0 +- +-")
    put_queued(raw, "a")
    view.wait_for(r"^arq:queue +1 +0 +0 +\d+ \w+ ago")
    put_deferred(raw, "b", "mail")
    view.wait_for(r"^mail +0 +1 +0 +in \d+ \w+")
    view.process.send_signal(signal.SIGINT)
    assert view.end() == 0
    assert "\x1b[1A" in view.written  # it goes back up
    assert max(map(len, view.lines)) <= COLUMNS


def test_watch_outlasts_a_server_that_refuses(terminal, raw):
    """What the server refuses is told below what was seen last, and the view goes on."""
    view = terminal("info", "--watch", "--interval", "0.05")
    view.wait_for("arq:queue +0")
    raw.set("arq:queue", "no queue")
    view.wait_for(r"^\d\d:\d\d:\d\d, as seen before this: ")
    raw.delete("arq:queue")
    put_queued(raw)
    view.wait_for("arq:queue +1")


def test_wait(terminal, raw, worker):
    """A bar shows how many jobs have finished, and their lines go above it."""
    view = terminal("enqueue", "run_until_told", "--id", "k")
    assert view.end() == 0
    view = terminal("wait", "k")
    view.wait_for("^Waiting .* 0 of 1 ")
    raw.rpush("test:go:k", "go")
    view.wait_for("k  run_until_told  .*ok")
    assert view.end() == 0
    assert "1 of 1" in view.written


def test_wait_into_a_file(terminal, raw, worker, tmp_path):
    """The bar goes to the terminal, and the lines to the file."""
    file = tmp_path / "out"
    assert terminal("enqueue", "return_nothing", "--id", "k").end() == 0
    with file.open("wb") as out:
        view = terminal("wait", "k", out=out)
        assert view.end() == 0
    assert re.fullmatch(r"k  return_nothing  \d+ ms  ok\n", file.read_text())
    assert "Waiting" in view.written


def test_bulk(terminal, raw, tmp_path):
    """A bar shows how many jobs are enqueued, and how fast."""
    file = tmp_path / "jobs.jsonl"
    file.write_text("".join(json.dumps({"args": [number]}) + "\n" for number in range(20_000)))
    view = terminal("enqueue", "work", "--from-jsonl", file)
    view.wait_for(r"^Enqueuing .* [\d,]+ jobs, [\d,]+/s")
    view.wait_for("^20,000 jobs enqueued in ")
    assert view.end() == 0
    assert raw.zcard("arq:queue") == 20_000


def test_no_bar_for_programs(terminal, raw, tmp_path):
    """In JSON there is no bar."""
    file = tmp_path / "jobs.jsonl"
    file.write_text('{"task_name": "work"}\n')
    view = terminal("enqueue", "--from-jsonl", file, "--json")
    assert view.end() == 0
    assert json.loads(ESCAPES.sub("", view.written))["enqueued"] == 1


@pytest.mark.parametrize(
    "words", [["info"], ["jobs", "--args"], ["check"], ["doctor"]], ids=" ".join
)
def test_80_columns(terminal, raw, words):
    """Tables fit 80 columns: what is too long is folded, and nothing of it is cut off."""
    put_queued(raw, "q" * 100)
    put_in_progress(raw, "running")
    view = terminal(*words)
    assert view.end() in (0, 1)
    assert max(map(len, view.lines)) <= COLUMNS
    assert COLOURS.search(view.written)
    if words[0] == "jobs":
        assert view.written.count("q") >= 100


def test_no_color(terminal, raw):
    """With NO_COLOR there is none, and the words are the same."""
    put_queued(raw, "k")
    view = terminal("jobs", NO_COLOR="1")
    assert view.end() == 0
    assert not re.search(r"\x1b\[(?:\d+;)*(?:3|9)\d", view.written)
    assert "k   work  queued" in ESCAPES.sub("", view.written)


@pytest.mark.parametrize(("answer", "status", "left"), [("y\n", 0, 0), ("n\n", 1, 2)])
def test_purge_asks(terminal, raw, answer, status, left):
    """Where somebody can be asked, it tells how many jobs it would remove, and asks."""
    put_queued(raw, "a")
    put_deferred(raw, "b")
    view = terminal("purge", "arq:queue")
    view.wait_for("Remove 2 jobs from arq:queue?")
    view.type(answer)
    assert view.end() == status
    assert raw.zcard("arq:queue") == left
