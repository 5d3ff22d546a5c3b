from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

import arqade
from arqade import __main__ as command
from arqade._stubs import StubsError, write_stubs
from tests.harness.worker import ROOT

WORKERS = "tests.harness.declared_worker"
SETTINGS = f"{WORKERS}.WorkerSettings"
DECLARED = Path(__file__).parent / "data" / "declared.txt"
"""What is expected; ``python -m arqade stubs SETTINGS --output`` wrote it, and people read it."""


@pytest.fixture
def declared():
    """The declarations, as a module."""
    space = {"__name__": "declared"}
    exec(compile(write_stubs(SETTINGS), "declared.py", "exec"), space)
    return space


def test_text():
    """The declarations are as they were when they were last looked at."""
    assert write_stubs(SETTINGS) == DECLARED.read_text(encoding="utf-8")


def test_declarations(declared):
    """They are declarations, under the names by which arq knows the functions."""
    assert declared["plain"](1).task_name == "plain"
    assert declared["plain"](1, b="y").args == (1,)
    assert declared["inside"]().task_name == "Jobs.inside"
    assert declared["inner"](1).task_name == "make.<locals>.inner"
    assert declared["send"]().task_name == "mail.send"
    assert declared["send_"]().task_name == "send"
    assert declared["job_class"]().task_name == "class"
    assert declared["имя"]().task_name == "имя"
    with pytest.raises(TypeError, match="missing a required argument: 'a'"):
        declared["plain"]()
    assert {type(value) for name, value in declared.items() if name.islower()} >= {arqade.JobDef}


def test_queue():
    """The jobs of a worker with a queue of its own go there."""
    space = {}
    exec(write_stubs(f"{WORKERS}.MailSettings"), space)
    assert space["send"](1).queue_name == "mail"


def test_dict_and_set():
    """Settings may be a dict, and functions a set, which has no order."""
    text = write_stubs(f"{WORKERS}.in_a_dict")
    assert text.index("def only(") < text.index("def plain(")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("no_such.module.WorkerSettings", "can't be imported"),
        (f"{WORKERS}.Missing", "can't be imported"),
        ("no_dot", "can't be imported"),
        (f"{WORKERS}.no_settings", "must be a class or a dict, not int"),
        (f"{WORKERS}.no_functions", "has no functions"),
        (f"{WORKERS}.wrong_function", "is no function that a worker could run"),
        (f"{WORKERS}.missing_function", "nothing can't be imported"),
        (f"{WORKERS}.without_context", "keyword_context takes no context"),
    ],
)
def test_no_settings(place, message, capsys):
    """What is no worker's settings ends with a usage error."""
    with pytest.raises(StubsError, match=message):
        write_stubs(place)
    with pytest.raises(SystemExit) as exited:
        command.main(["stubs", place])
    assert exited.value.code == 2
    assert message in capsys.readouterr().err


def test_command(tmp_path, capsys):
    """It writes to a file or to its output, and finds what has changed."""
    file = tmp_path / "declared.py"
    assert command.main(["stubs", SETTINGS, "--check", str(file)]) == 1
    assert command.main(["stubs", SETTINGS, "--output", str(file)]) == 0
    assert file.read_text(encoding="utf-8") == write_stubs(SETTINGS)
    capsys.readouterr()
    assert command.main(["stubs", SETTINGS, "--check", str(file)]) == 0
    assert capsys.readouterr().out == ""
    file.write_text(write_stubs(SETTINGS).replace("a: int", "a: str", 1), encoding="utf-8")
    assert command.main(["stubs", SETTINGS, "--check", str(file)]) == 1
    assert "-def plain(a: str" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["stubs"], ["stubs", "--nothing", SETTINGS]])
def test_usage(arguments, capsys):
    """A wrong command line exits with 2 and says how it goes."""
    with pytest.raises(SystemExit) as exited:
        command.main(arguments)
    assert exited.value.code == 2
    assert "usage: python -m arqade" in capsys.readouterr().err


@pytest.mark.skipif(
    any(importlib.util.find_spec(tool) is None for tool in ("mypy", "pyright", "ruff")),
    reason="the tools that look at the declarations are in the other environment",
)
def test_type_checkers_and_formatter(tmp_path):
    """The declarations pass strict type checkers as they are, and formatters leave them alone."""
    for name in ("WorkerSettings", "MailSettings"):
        file = tmp_path / f"{name}.py"
        command.main(["stubs", f"{WORKERS}.{name}", "--output", str(file)])
    files = [str(file) for file in tmp_path.glob("*.py")]
    config = {"typeCheckingMode": "strict", "extraPaths": [str(ROOT), str(ROOT / "src")]}
    tmp_path.joinpath("pyrightconfig.json").write_text(json.dumps(config), encoding="utf-8")
    mypy = ["--strict", "--config-file=", "--follow-imports=silent", f"--cache-dir={tmp_path}"]
    for line in (
        ["ruff", "format", "--isolated", "--check", *files],
        ["ruff", "check", "--isolated", "--select=F,I", *files],
        ["mypy", *mypy, *files],
        ["pyright", "--pythonpath", sys.executable, "--project", str(tmp_path)],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *line], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
