"""The tutorial, step by step as its reader takes them, with the commands that it shows."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.docs.pages import DOCS, code_blocks
from tests.harness.canary import keep_secret
from tests.harness.worker import ended, stock_environment, wait_until

PAGE = DOCS / "tutorial.md"
FILES = DOCS / "examples" / "tutorial"
SCRIPTS = Path(sys.executable).parent
"""Where the commands of installed packages are."""

TEXT = {"text": "to be or not to be"}
WORDS = {"to": 2, "be": 2, "or": 1, "not": 1}

COMMANDS = [line for block in code_blocks(PAGE, "console") for line in block.splitlines()]


class Reader(NamedTuple):
    """A terminal in the folder of the tutorial."""

    folder: Path
    environment: dict[str, str]

    def start(self, command: str, output: Path) -> contextlib.AbstractContextManager[None]:
        return running(shlex.split(command), self, output)

    def type(self, command: str, *, fails: bool = False) -> str:
        """Carry out a command, and give what it prints."""
        done = subprocess.run(
            shlex.split(command),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert bool(done.returncode) is fails, done
        return done.stdout + done.stderr


@contextlib.contextmanager
def running(words, reader, output):
    with output.open("wb") as file:
        process = subprocess.Popen(
            words, cwd=reader.folder, env=reader.environment, stdout=file, stderr=file
        )
        with ended(process):
            yield


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """The reader's second terminal, while `arqade dev` runs in the first."""
    folder = tmp_path_factory.mktemp("tutorial")
    for file in FILES.glob("*.py"):
        shutil.copy(file, folder)
    path = os.pathsep.join((str(SCRIPTS), os.environ["PATH"]))
    reader = Reader(folder, stock_environment(PATH=path, PYTHONUNBUFFERED="1"))
    output = folder / "dev.log"
    with reader.start("arqade dev worker.WorkerSettings", output):
        wait_until(lambda: "Starting worker for 1 functions: count_words" in output.read_text())
        [place] = re.findall(r"cat (\S+)\)", output.read_text())
        url = Path(place).read_text(encoding="utf-8")
        keep_secret(httpx.URL(url).password)
        yield Reader(folder, {**reader.environment, "ARQADE_URL": url})


def test_commands_are_shown():
    """What this module types is what the page tells to type."""
    for command in (
        "arqade dev worker.WorkerSettings",
        "python script.py",
        "uvicorn fastapi_app:app --port 8000",
        "python django_app.py runserver 8000",
        "flask --app flask_app run --port 8000",
        "pytest test_fastapi_app.py",
        "python django_app.py test",
        "pytest test_flask_app.py",
        "pytest test_script.py",
    ):
        assert f"$ {command}" in COMMANDS


@pytest.mark.parametrize("script", ["async_script.py", "sync_script.py"])
def test_script(reader, script):
    """Each of the scripts prints its job and the words, as shown."""
    said = reader.type(f"python {script}").splitlines()
    assert re.fullmatch(r"[0-9a-f]{32} queued", said[0]), said
    assert said[1:] == [str(WORDS)]
    assert said[1] in COMMANDS


@pytest.mark.parametrize(
    "command",
    [
        "uvicorn fastapi_app:app --port {port}",
        "python django_app.py runserver {port}",
        "flask --app flask_app run --port {port}",
    ],
    ids=["fastapi", "django", "flask"],
)
def test_application(reader, command, free_tcp_port, tmp_path):
    """A text is posted, and its words are there."""
    with (
        reader.start(command.format(port=free_tcp_port), tmp_path / "log"),
        httpx.Client(base_url=f"http://localhost:{free_tcp_port}", timeout=30) as client,
    ):
        wait_until(lambda: answers(client))
        posted = client.post("/texts", json=TEXT)
        assert posted.status_code == 202
        assert client.get(f"/texts/{posted.json()['id']}").json() == WORDS
        assert client.get("/texts/nobody").status_code == 404


def answers(client):
    with contextlib.suppress(httpx.TransportError):
        return client.get("/texts")


@pytest.mark.parametrize(
    "block",
    [block for block in code_blocks(PAGE, "console") if block.startswith("$ arqade enqueue")],
    ids=["script", "look"],
)
def test_command_line(reader, block):
    """The commands print what the page shows."""
    for shown in block.strip().split("$ ")[1:]:
        command, _, printed = shown.partition("\n")
        said = reader.type(command, fails=printed.startswith("Error"))
        assert said.strip() == printed.strip()


@pytest.mark.parametrize(
    "command",
    [
        "python -m pytest test_fastapi_app.py",
        "python django_app.py test test_django_app",
        "python -m pytest test_flask_app.py",
        "python -m pytest test_script.py",
    ],
)
def test_tests(reader, command):
    """The tests of the tutorial pass."""
    said = reader.type(command)
    assert re.search(r"1 passed|^OK$", said, re.MULTILINE), said
