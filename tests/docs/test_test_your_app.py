from __future__ import annotations

import pytest

from tests.docs.pages import DOCS, code_blocks

PAGE = DOCS / "how-to" / "test-your-app.md"


@pytest.fixture(scope="module")
def modules():
    """The examples that are tests: of the fixtures, of a wrong queue, and of an async one."""
    found = [x for x in code_blocks(PAGE, "python") if "def test_" in x or "class Test" in x]
    assert len(found) == 3
    return found


def test_fixtures(pytester, modules):
    """The tests with fixtures pass."""
    pytester.makepyfile(modules[0])
    pytester.runpytest("--strict-markers").assert_outcomes(passed=3)


def test_wrong_queue(pytester, modules):
    """The queue that is wrong fails where the page says so."""
    pytester.makepyfile(modules[1])
    _, skipped, failed = pytester.inline_run("--tb=no").listoutcomes()
    assert [report for report in failed if report.nodeid.endswith("::test_metadata")]
    assert not skipped


def test_async_queue(pytester, modules):
    """The async suite runs with the mark."""
    pytester.makepyfile(modules[2])
    result = pytester.runpytest_subprocess("--strict-markers")
    assert result.parseoutcomes().keys() == {"passed"}
