"""The command line as a process, with pipes, and with a stock worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from arqade.cli.main import COMMANDS
from tests.cli.conftest import COMMAND, PATIENCE, environment_for
from tests.harness.states import put_queued
from tests.harness.worker import ROOT, wait_until, wait_until_started

WITHOUT = """
import sys
sys.modules[{name!r}] = None
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *_: None if name == {name!r} else found(name)
{code}
"""
"""A program that runs as if a package were not installed."""

MODULE = [sys.executable, "-m", "arqade"]


def popen(url, *words, **changes):
    """Start a process with pipes."""
    # What started the tests may have had them ignore Ctrl-C, and that is inherited.
    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [*COMMAND, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment_for(url, **changes),
        )
    finally:
        signal.signal(signal.SIGINT, old)


def test_whole_story(process, cli, raw, worker):
    """A job is enqueued, waited for, read, enqueued again and cancelled."""
    job_id = process("enqueue", "echo", "cat.png", "width=300").out.strip()
    waited = process("wait", job_id)
    assert (waited.status, waited.err) == (0, "")
    assert waited.out.split() == [job_id, "echo", *waited.out.split()[2:4], "ok"]
    result = process("result", job_id)
    assert result.json == {"args": ["cat.png"], "kwargs": {"width": 300}, "job_try": 1}
    assert cli("retry", job_id) == (0, f"{job_id}\n", "")
    assert cli("result", job_id, "--wait", "--json").json["success"] is True
    cli("enqueue", "sleep_long", "--id", "long")
    wait_until_started(raw, "long")
    assert process("cancel", "long") == (0, "long  aborted\n", "")
    assert cli("result", "long") == (1, "", "Error: Job failed: Job was aborted. id=long\n")


def test_waiting_for_several(cli, worker):
    """Each job is told of when it has finished; one that failed, or is unknown, makes it 1."""
    stdin = "".join(f'{{"job_id": "{name}"}}\n' for name in "abc")
    cli("enqueue", "return_nothing", "--from-jsonl", "-", stdin=stdin)
    cli("enqueue", "raise_value_error", "--id", "bad")
    done = cli("wait", "a", "b", "c", "a", "--json")
    assert done.status == 0
    assert sorted(line["id"] for line in done.json_lines) == ["a", "b", "c"]
    failed = cli("wait", "a", "bad", "no", "never")
    assert failed.status == 1
    assert len(failed.out.splitlines()) == 2
    assert "failed: ValueError: ('no', 1)" in failed.out
    assert "id=no" in failed.err
    assert "never" in failed.err
    assert cli("check", "--worker", "--allow", "persistence").status == 0


def test_waiting_too_long(cli, raw):
    """Jobs without a result in time are named, and the status is 1."""
    put_queued(raw, "a")
    put_queued(raw, "b")
    answer = cli("wait", "a", "b", "--timeout", "0.1")
    assert answer == (1, "", "Error: no result in time: a, b\n")


def test_statuses(process):
    """The exit status is 0 if it was done, 1 for no, 2 for a wrong command, 3 without Redis."""
    answers = {
        0: process("info"),
        1: process("show", "no"),
        2: process("info", url=""),
        3: process("info", url="redis://127.0.0.1:1"),
    }
    assert {status: answer.status for status, answer in answers.items()} == {
        status: status for status in answers
    }
    assert [answer.err.count("\n") for answer in answers.values()] == [0, 1, 1, 1]
    assert "ARQADE_URL" in answers[2].err


def test_environment(process, redis_url):
    """REDIS_URL is taken where there is no ARQADE_URL, and --url before both."""
    assert process("info", url="", REDIS_URL=redis_url).status == 0
    nowhere = "redis://127.0.0.1:1"
    assert process("info", "--url", nowhere, url=redis_url).status == 3


def test_pipe_is_plain(process, raw):
    """In a pipe there is no colour and no line is broken, however narrow a terminal would be."""
    put_queued(raw, "i" * 100)
    answer = process("jobs", COLUMNS="40", FORCE_COLOR="1")
    assert "\x1b" not in answer.out
    assert answer.out.splitlines()[1].startswith("i" * 100 + "  work")


def test_any_name_in_any_terminal(process, raw):
    """A name that the output's encoding does not have comes out escaped."""
    put_queued(raw, "\u4e2d")
    answer = process("jobs", PYTHONIOENCODING="latin-1")
    assert answer.status == 0
    assert answer.out.splitlines()[1].startswith("\\u4e2d")


def test_reader_that_leaves(redis_url, raw):
    """A reader that has seen enough ends it without a word."""
    for number in range(3000):
        put_queued(raw, f"{number:032}")
    with popen(redis_url, "jobs", "--json", "--limit", "0") as running:
        assert running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == ""
        assert running.wait(PATIENCE) == 1


def test_watching_in_a_pipe(redis_url, raw):
    """Each look is a line of JSON, errors included, until Ctrl-C; then the status is 0."""
    with popen(redis_url, "info", "--watch", "--interval", "0.05", "--json") as running:
        assert json.loads(running.stdout.readline())["queues"][0]["queued"] == 0
        put_queued(raw)
        wait_until(lambda: json.loads(running.stdout.readline())["queues"][0]["queued"] == 1)
        raw.set("arq:queue", "no queue")
        wait_until(lambda: "QueueServerError" in json.loads(running.stdout.readline()).values())
        running.send_signal(signal.SIGINT)
        running.stdout.read()
        assert (running.wait(PATIENCE), running.stderr.read()) == (0, "")


def test_interrupted(redis_url, raw):
    """Ctrl-C ends a wait with the status that shells know, and without a word."""
    put_queued(raw)
    with popen(redis_url, "wait", "k") as running:
        wait_until(lambda: any("t" in client["flags"] for client in raw.client_list()))
        running.send_signal(signal.SIGINT)
        assert (running.wait(PATIENCE), running.stderr.read()) == (130, "")


def without(name, module):
    """Give the command that runs a module as if a package were not installed."""
    code = f"import runpy; runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    return [sys.executable, "-c", WITHOUT.format(name=name, code=code)]


@pytest.mark.parametrize("module", ["arqade", "arqade.cli"])
@pytest.mark.parametrize("name", ["click", "rich"])
def test_without_the_extra(process, name, module):
    """Without what the extra brings, one line says how to get it."""
    assert process("info", command=without(name, module)) == (
        2,
        "",
        "The command line needs click and rich: pip install arqade[cli]\n",
    )


class TestModule:
    """``python -m arqade``."""

    def test_whole_command_line(self, process, raw):
        """Every command is there, with its options, its answers and its statuses."""
        put_queued(raw, "a")
        for words in (["show", "a", "--json"], ["show", "no"], ["enqueue", "x", "_a=1"]):
            answer, expected = process(*words, command=MODULE), process(*words)
            assert answer == (
                expected.status,
                expected.out,
                expected.err.replace("arqade enqueue", "python -m arqade enqueue"),
            )

    def test_help(self, process):
        """Help is that of the whole command line, and names what was called."""
        answer = process("--help", command=MODULE)
        assert (answer.status, answer.err) == (0, "")
        assert answer.out.startswith("Usage: python -m arqade [OPTIONS] COMMAND")
        assert answer.out.splitlines()[1:] == process("--help").out.splitlines()[1:]

    @pytest.mark.parametrize("words", [[], ["other"], ["--nothing"]], ids=" ".join)
    @pytest.mark.parametrize("command", [MODULE, without("click", "arqade")], ids=["with", "none"])
    def test_usage(self, process, words, command):
        """A wrong command line exits with 2, with the extra and without it."""
        answer = process(*words, command=command)
        assert (answer.status, answer.out) == (2, "")
        assert answer.err

    @pytest.mark.parametrize("name", ["click", "rich"])
    def test_stubs_without_the_extra(self, process, tmp_path, name):
        """Stubs are written and compared without the extra, and help says what there is."""
        command = without(name, "arqade")
        file, settings = tmp_path / "jobs.py", "tests.harness.declared_worker.WorkerSettings"
        assert process("stubs", settings, "--output", file, command=command) == (0, "", "")
        assert process("stubs", settings, command=command).out == file.read_text()
        assert process("stubs", settings, "--check", file, command=command) == (0, "", "")
        answer = process("--help", command=command)
        assert (answer.status, answer.err) == (0, "")
        assert "stubs" in answer.out
        assert "pip install arqade[cli]" in answer.out


def test_help(cli):
    """Help names all commands, and each has help that fits 80 columns."""
    answer = cli("--help")
    assert answer.status == 0
    listed = answer.out.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == list(COMMANDS)
    assert not [line for line in listed if line.endswith("...")]
    for command in COMMANDS:
        told = cli(command, "-h")
        assert told.status == 0
        assert max(map(len, told.out.splitlines())) <= 80


def test_connected_commands_have_json(cli):
    """Each command that asks the server answers in JSON, too, and says where the URL belongs."""
    for command in set(COMMANDS) - {"demo", "dev", "stubs"}:
        told = cli(command, "--help").out
        assert "--json" in told
        assert "ARQADE_URL" in told


def test_completion(process):
    """Shells complete commands and what options take, without asking the server."""
    words = {"_ARQADE_COMPLETE": "bash_complete", "COMP_CWORD": "1", "COMP_WORDS": "arqade in"}
    assert process(url="redis://127.0.0.1:1", **words).out == "plain,info\n"
    words |= {"COMP_CWORD": "3", "COMP_WORDS": "arqade jobs --status d"}
    assert process(url="redis://127.0.0.1:1", **words).out == "plain,deferred\n"


def test_version(cli):
    """The version is that of the installed package."""
    from importlib.metadata import version  # noqa: PLC0415 - for this test alone

    assert cli("--version").out == f"arqade, version {version('arqade')}\n"


class TestStubs:
    def test_output_and_check(self, process, tmp_path):
        """A worker's functions are declared in a file, and a difference is told."""
        file, settings = tmp_path / "jobs.py", "tests.harness.declared_worker.WorkerSettings"
        assert process("stubs", settings, "--output", file) == (0, "", "")
        assert process("stubs", settings).out == file.read_text()
        assert process("stubs", settings, "--check", file) == (0, "", "")
        file.write_text(file.read_text() + "# changed\n")
        answer = process("stubs", settings, "--check", file)
        assert answer.status == 1
        assert "-# changed" in answer.out

    def test_wrong(self, cli):
        """What can't be carried out is a wrong command."""
        assert cli("stubs", "no.such.WorkerSettings").status == 2
        assert cli("stubs", "x", "--output", "a", "--check", "b").status == 2
        settings = "tests.harness.declared_worker.WorkerSettings"
        assert cli("stubs", settings, "--output", "no/such/folder/x.py").status == 2


def test_import_is_not_slowed():
    """`import arqade` imports nothing of the command line."""
    code = "import sys, arqade; print({'arqade.cli', 'click', 'rich'} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout == "set()\n"
