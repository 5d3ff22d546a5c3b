"""``arqade dev`` and ``arqade demo``: a server and a worker on this machine."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
from pathlib import Path

import pytest
import redis

from arqade.cli.development import snapshot
from tests.cli.conftest import PATIENCE, environment_for
from tests.harness.worker import python_with_arq, wait_until

WORKER = """
import os

async def answer(ctx):
    return {answer!r}

async def server(ctx):
    return os.environ["ARQADE_URL"] == os.environ["REDIS_URL"]

class WorkerSettings:
    functions = [answer, server]
    poll_delay = 0.05
"""


LENIENT = {"PYTHONWARNINGS": ""}
"""What a worker, which is not ours, warns of is no error."""


class Development:
    """``arqade dev`` in a directory, and what it has said."""

    def __init__(self, directory, *words, url="redis://127.0.0.1:1", on_sigint=None):
        self.output = directory / "output"
        # A process ignores what the one ignored that started it.
        old = signal.signal(signal.SIGINT, on_sigint or signal.default_int_handler)
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [python_with_arq(), "-m", "arqade.cli", "dev", "app.WorkerSettings", *words],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment_for(url, **LENIENT),
            )

        signal.signal(signal.SIGINT, old)

    @property
    def said(self):
        return self.output.read_text()

    def wait_for(self, pattern):
        wait_until(lambda: re.search(pattern, self.said) or self.process.poll() is not None)
        found = re.search(pattern, self.said)
        assert found, self.said
        return found

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@pytest.fixture
def develop(tmp_path):
    """Starts it with an application in a directory."""
    (tmp_path / "app.py").write_text(WORKER.format(answer="one"))
    started = []

    def start(*words, **options):
        started.append(Development(tmp_path, *words, **options))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.stop()


def test_worker_starts_again(develop, cli, tmp_path):
    """There is a server, and a worker that is started again with each change."""
    running = develop()
    [place] = running.wait_for(r'export ARQADE_URL="\$\(cat (\S+)\)"').groups()
    assert stat.S_IMODE(Path(place).stat().st_mode) == 0o600
    url = Path(place).read_text()
    assert cli("result", cli("enqueue", "answer", url=url).out.strip(), "--wait", url=url) == (
        *(0, "one\n", ""),
    )
    assert cli("enqueue", "server", "--id", "s", url=url).status == 0
    assert cli("result", "s", "--wait", url=url).out == "true\n"

    (tmp_path / "app.py").write_text("no Python")
    running.wait_for(r"app.py has changed: the worker starts again.")
    running.wait_for(r"The worker has ended with 1; change a file.")
    (tmp_path / "app.py").write_text(WORKER.format(answer="two"))
    wait_until(lambda: running.said.count("the worker starts again.") == 2)
    job_id = cli("enqueue", "answer", url=url).out.strip()
    assert cli("result", job_id, "--wait", "--timeout", 30, url=url).out == "two\n"

    assert running.stop() == 0
    assert running.said.endswith("Stopped.\n")
    assert url not in running.said
    assert not Path(place).exists()
    with redis.Redis.from_url(url) as client, pytest.raises(redis.ConnectionError):
        client.ping()


def test_server_that_is_there(develop, cli, redis_url):
    """With a URL that server is used, and its password is not shown; in the background, too."""
    running = develop("--url", redis_url, on_sigint=signal.SIG_IGN)
    running.wait_for(r"Redis is at redis://:\*\*\*@127.0.0.1:\d+/0\.")
    assert cli("enqueue", "answer", "--id", "k").status == 0
    assert cli("result", "k", "--wait", "--timeout", 30).out == "one\n"
    assert running.stop() == 0


def test_snapshot(tmp_path):
    """Changes are seen in Python files of all folders, but for hidden ones and environments."""
    for name in ("app/a.py", ".git/b.py", "venv/c.py", "__pycache__/d.py", "app/e.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    before = snapshot(tmp_path)
    assert list(before) == [str(tmp_path / "app/a.py")]
    (tmp_path / "app/a.py").write_text("changed")
    after = snapshot(tmp_path)
    assert after != before
    (tmp_path / "app/a.py").unlink()
    assert snapshot(tmp_path) == snapshot(tmp_path / "missing") == {}


def test_demo(process, tmp_path):
    """The demo runs on the files of a directory."""
    (tmp_path / "text").write_text("one two three")
    answer = process("demo", tmp_path, command=[python_with_arq(), "-m", "arqade.cli"], **LENIENT)
    assert (answer.status, answer.err) == (0, "")
    assert "3 words in text" in answer.out


def test_without_arq(process, tmp_path):
    """Without arq there is one line that says how to get it."""
    (tmp_path / "arq.py").write_text("raise ImportError('none here')")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    answer = process("dev", "app.WorkerSettings", PYTHONPATH=path)
    assert (answer.status, answer.out) == (1, "")
    assert answer.err == (
        "Error: The worker is arq's, and arq can't be imported (none here): "
        "pip install arqade[worker]\n"
    )
