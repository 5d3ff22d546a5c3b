"""What the random stories have found, one test for each finding, on Redis and on the mock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("arq", reason="the jobs run on a stock worker, in this process")

from tests.parity.values import Named
from tests.parity.workers import WorkerStory, open_sides

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator


@pytest.fixture
def story(redis_url: str, runner: asyncio.Runner) -> Iterator[WorkerStory]:
    """Its steps fail if both sides don't answer alike; what they give is the answer of both."""
    with open_sides(runner, redis_url) as sides:
        yield WorkerStory(sides)


def result_of(story: WorkerStory, job_id: str = "a") -> dict[str, Any]:
    result: dict[str, Any] = story.call("get_job_result", job_id)["returned"]
    return result


@pytest.mark.parametrize("value", ["an unprintable object", "a long int"])
def test_arguments_without_a_repr_fail_the_job(story: WorkerStory, value: str) -> None:
    """A stock worker logs the arguments before it runs a job, and their error is the job's."""
    story.enqueue("mutate", Named(value), _job_id="a")
    story.run_worker(queue=None, settings={}, hooks=False)
    result = result_of(story)
    assert not result["success"]
    assert result["result"][:2] in {("error", "RuntimeError"), ("error", "ValueError")}


@pytest.mark.parametrize("name", ["return_unprintable", "return_long_int"])
@pytest.mark.parametrize("log_results", [True, False])
def test_value_without_a_repr_fails_the_job_that_is_logged(
    story: WorkerStory, name: str, log_results: bool
) -> None:
    """A stock worker logs what a job returns, unless told not to, and its error is the job's."""
    story.enqueue(name, _job_id="a")
    story.run_worker(queue=None, settings={"log_results": log_results}, hooks=False)
    assert result_of(story)["success"] is not log_results


def test_job_that_is_retried_when_aborted_is_not_aborted_again(story: WorkerStory) -> None:
    """The worker that stops a job forgets that it was asked to: the next try runs."""
    story.enqueue("retry_when_aborted", _job_id="a")
    story.run_worker(queue=None, settings={"allow_abort_jobs": True}, hooks=False)
    result = result_of(story)
    assert result["result"] == ("str", "went on")
    assert result["job_try"] == ("int", 2)


def test_retried_job_comes_before_those_that_did_not_fit(story: WorkerStory) -> None:
    """A worker that runs one job at a time looks again after each: a retried one is the oldest."""
    story.enqueue("retry_once", _job_id="b")
    story.enqueue("echo", _job_id="a")
    story.run_worker(queue=None, settings={"max_jobs": 1}, hooks=False)
    for side in story.sides:
        assert [note[0] for note in side.notes] == ["b", "b", "a"]


@pytest.mark.parametrize("name", ["ask_and_retry", "have_child", "look_at_itself"])
def test_jobs_that_use_their_own_queue(story: WorkerStory, name: str) -> None:
    """What a job sees of itself, asks for and enqueues is the same."""
    story.enqueue(name, 1, _job_id="a", _queue_name="mail")
    story.run_worker(queue="mail", settings={"allow_abort_jobs": True}, hooks=True)
    story.look_around()


def test_jobs_enqueue_where_the_rest_of_a_job_lies(story: WorkerStory) -> None:
    """A stock client looks for an envelope and a result only, not for what a queue still holds."""
    story.enqueue("echo", _job_id="a")
    story.a_worker_was_killed(job_id="a")
    story.a_job_lost_its_envelope(job_id="a")
    story.enqueue_as_jobs_do(name="echo", job_id="a", queue=None, args=[], options={})
    story.let_time_pass(seconds=330)
    story.run_worker(queue=None, settings={}, hooks=False)
    assert result_of(story)["job_try"] == ("int", 2)


def test_stock_client_after_a_worker_was_killed(story: WorkerStory) -> None:
    """A stock client leaves an earlier job's tries in place, so it is not compared there."""
    story.a_worker_was_killed(job_id="a")
    story.enqueue_with_stock_client(name="echo", job_id="a", queue=None, args=[], options={})
    story.enqueue("echo", _job_id="a", _on_conflict="ignore_result")
