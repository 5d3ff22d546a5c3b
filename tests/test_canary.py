"""The plugin that fails a run in which a secret is told."""

from __future__ import annotations

import pytest

from tests.harness.canary import CANARY, Loud
from tests.harness.worker import ROOT

SECRET = "s3cr3t-of-the-inner-run"
"""Not the canary: the inner run's output is part of this one's."""

CONFTEST = f"""
import pytest
from tests.harness.canary import keep_secret

pytest_plugins = ["tests.harness.canary"]
SECRET = "-".join({SECRET.split("-")})
keep_secret(SECRET)

@pytest.fixture
def secret():
    return SECRET

@pytest.fixture
def late(secret):
    yield
    print(secret)
"""

LEAKS = {
    "print": "print(secret)",
    "stderr": "import sys; print(secret, file=sys.stderr)",
    "file_descriptor": "import os; os.write(2, secret.encode())",
    "subprocess": "import subprocess; subprocess.run(['echo', secret])",
    "log": "import logging; logging.getLogger('arqade.x').debug('to %s', secret)",
    "log_of_asyncio": "import logging; logging.getLogger('asyncio').debug(secret)",
    "log_with_traceback": (
        "import logging\n"
        "    try: raise ValueError(secret)\n"
        "    except ValueError: logging.getLogger('redis').exception('failed')"
    ),
    "printed_and_failed": "print(secret); assert secret == 'other'",
    "skip": "import pytest; pytest.skip(secret)",
    "expected_failure": "import pytest; print(secret); pytest.xfail('it is so')",
}

FAILURES = {
    "assertion": "assert secret == 'other'",
    "cause": (
        "try: raise ValueError(secret)\n    except ValueError as error: raise KeyError from error"
    ),
}
"""Tests that fail by themselves, and whose report has the secret."""

OUTSIDE = {
    "warning": "def test_it(secret): import warnings; warnings.warn('of ' + secret)",
    "collection": "from conftest import SECRET\nraise ValueError(SECRET)",
    "summary": """
import conftest

def tell(terminalreporter):
    terminalreporter.write(conftest.SECRET[:5])
    terminalreporter.write(conftest.SECRET[5:])

def test_it(request):
    class Plugin:
        def pytest_terminal_summary(self, terminalreporter):
            tell(terminalreporter)
    request.config.pluginmanager.register(Plugin())
""",
}
"""What is told where no test can be blamed."""


@pytest.fixture
def run(pytester, monkeypatch):
    """Runs the tests of a module with the plugin, in a process of its own."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("COLUMNS", "120")  # Else long names leave no room for reasons.
    pytester.makeconftest(CONFTEST)

    def run(module):
        pytester.makepyfile(module)
        return pytester.runpytest_subprocess("-ra", "-p", "no:cacheprovider")

    return run


def test_leak_fails_its_test(run):
    """Wherever a test tells a secret, it fails, and its report shows where and no secret."""
    tests = {**LEAKS, **FAILURES, "clean": "print(len(secret))"}
    bodies = {f"test_{name}": f"(secret):\n    {body}\n" for name, body in tests.items()}
    bodies["test_at_teardown"] = "(late): pass\n"
    done = run("".join(f"def {name}{body}\n" for name, body in bodies.items()))
    said = done.stdout.str() + done.stderr.str()
    told = {name for name in bodies if f"::{name} - A secret was" in said}
    assert told == {*bodies} - {f"test_{name}" for name in (*FAILURES, "clean")}
    done.stdout.fnmatch_lines(["FAILED *::test_assertion - *'[*][*][*]' == 'other'"])
    done.stdout.fnmatch_lines(["FAILED *::test_cause - KeyError"])
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    assert "***" in said
    assert SECRET not in said


@pytest.mark.parametrize("module", OUTSIDE.values(), ids=OUTSIDE)
def test_leak_fails_the_run(run, module):
    """What no test can be blamed for fails the run."""
    done = run(module)
    assert done.ret != pytest.ExitCode.OK
    done.stdout.fnmatch_lines(["*secrets were told*", "*[*][*][*]*"])


def test_clean_run(run):
    """A run in which a secret is used and not told passes."""
    done = run("def test_it(secret): assert len(secret) > 5; print('nothing')")
    assert done.ret == pytest.ExitCode.OK


def test_loud_numbers():
    """Loud numbers are equal to plain ones, and show up wherever they are printed."""
    assert [Loud(1), {"b": Loud(2)}] == [1, {"b": 2}]
    for text in (repr(Loud(1)), str(Loud(1)), f"{Loud(1)}", "%s" % Loud(1), repr([Loud(1)])):  # noqa: UP031 - it is one of the ways
        assert (CANARY in text) is True
