from __future__ import annotations

import pytest

from tests.testing import wrong_queues
from tests.testing.wrong_queues import FOUND_BY

SUITE = """
import pytest
from arqade import SyncMockArqQueue
from arqade.testing import SyncQueueConformance
from tests.testing.wrong_queues import *

class TestQueue(SyncQueueConformance):
    @pytest.fixture
    def queue(self):
        return {name}()
"""

ASYNC_SUITE = """
import pytest
from arqade import MockArqQueue
from arqade.testing import QueueConformance

{mark}
class TestQueue(QueueConformance):
    @pytest.fixture
    async def queue(self):
        async with MockArqQueue() as queue:
            yield queue

    @pytest.fixture
    def anyio_backend(self):
        return "asyncio"
"""


def names(reports):
    """Give the names of tests, without their parameters."""
    return {report.nodeid.rpartition("::")[2].partition("[")[0] for report in reports}


@pytest.mark.parametrize("wrong", FOUND_BY, ids=lambda wrong: wrong.__name__)
def test_wrong_queue_fails(pytester, monkeypatch, wrong):
    """A queue that breaks a promise fails the test of this promise, and not all tests."""
    monkeypatch.setattr("arqade._sync.conformance_bulk.PATIENCE", 0.2)
    pytester.makepyfile(SUITE.format(name=wrong.__name__))
    passed, skipped, failed = pytester.inline_run("--tb=no", "-q").listoutcomes()
    assert set(FOUND_BY[wrong]) <= names(failed)
    assert not skipped
    assert len(passed) > len(failed) or wrong is wrong_queues.LeaksOptions


def test_right_queue_passes(pytester):
    """A queue that keeps its promises passes."""
    pytester.makepyfile(SUITE.format(name="SyncMockArqQueue"))
    passed, skipped, failed = pytester.inline_run().listoutcomes()
    assert passed
    assert not skipped + failed


@pytest.mark.parametrize(
    ("mark", "options"), [("@pytest.mark.anyio", []), ("", ["-o", "anyio_mode=auto"])]
)
def test_async_suite(pytester, mark, options):
    """The async suite runs by a mark of the subclass, or where a project marks all its tests."""
    pytester.makepyfile(ASYNC_SUITE.format(mark=mark))
    # The tests are functions of a module that this run uses, too: anyio marks them for good.
    result = pytester.runpytest_subprocess(*options)
    assert result.parseoutcomes().keys() == {"passed"}


def test_async_suite_without_a_plugin_fails(pytester):
    """Async tests that nothing runs fail, and do not pass in silence."""
    pytester.makepyfile(ASYNC_SUITE.format(mark=""))
    result = pytester.runpytest_subprocess("--tb=no", "-k", "test_metadata")
    assert result.parseoutcomes().keys() == {"errors", "deselected"}


def test_nothing_runs_without_a_queue(pytester):
    """A subclass without a fixture is an error that names it."""
    pytester.makepyfile(
        """
        from arqade.testing import SyncQueueConformance

        class TestQueue(SyncQueueConformance):
            pass
        """
    )
    result = pytester.runpytest("-k", "test_interface")
    result.assert_outcomes(errors=1, deselected=pytest.approx(170, abs=60))
    result.stdout.fnmatch_lines(["*fixture 'queue' not found"])


def test_base_classes_are_not_collected(pytester):
    """Importing the suites into a test module runs nothing."""
    pytester.makepyfile("from arqade.testing import QueueConformance, SyncQueueConformance")
    assert pytester.inline_run().ret == pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.mark.parametrize("options", [[], ["-p", "no:arqade"]], ids=["plugin", "no plugin"])
def test_failures_explain_themselves(pytester, options):
    """A failed assertion of the suite shows its values, as those of a test module do."""
    pytester.makepyfile(
        """
        import pytest
        from arqade import JobStatus, SyncMockArqQueue
        from arqade.testing import SyncQueueConformance

        class Wrong(SyncMockArqQueue):
            def get_job_status(self, job_id, queue_name=None):
                return JobStatus.not_found

        class TestQueue(SyncQueueConformance):
            @pytest.fixture
            def queue(self):
                return Wrong()
        """
    )
    result = pytester.runpytest_subprocess("-k", "test_metadata", *options)
    result.assert_outcomes(failed=1, deselected=pytest.approx(170, abs=60))
    result.stdout.fnmatch_lines(
        ["E*assert <JobStatus.not_found: 'not_found'> is <JobStatus.queued*"]
    )
