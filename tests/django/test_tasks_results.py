"""Tasks that stock workers run, and what becomes of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.tasks import TaskResultStatus, task_backends
from django.tasks.exceptions import InvalidTask, TaskResultDoesNotExist, TaskResultMismatch
from django.test import override_settings

from arqade.django._tasks import RUN_TASK
from tests.django.tasks_project import tasks
from tests.django.tasks_project.running import Project, tasks_setting

ARQ_QUEUE = "arq:tasks:default:default"


@pytest.fixture
def project(redis_url, tmp_path):
    """The project; this process has its tasks, too."""
    with override_settings(TASKS=tasks_setting(redis_url)):
        yield Project(redis_url, str(tmp_path / "db.sqlite3"))


def test_what_tasks_return(project):
    """Tasks of both kinds run, and their results are there for whoever has the id."""
    results = [
        tasks.add.enqueue(1, two=2),
        tasks.aadd.enqueue("a", "b"),
        tasks.echo.enqueue((1, 2.5, None, True), a={"$date": "é"}, b=b"text", c=2**70),
    ]
    assert [result.status for result in results] == [TaskResultStatus.READY] * 3
    before = [tasks.add.get_result(results[0].id), tasks.aadd.get_result(results[1].id)]
    assert before == results[:2]
    project.burst()
    for result in results:
        result.refresh()
        assert result.status == TaskResultStatus.SUCCESSFUL
        assert result.is_finished
        assert result.attempts == 1
        assert result.errors == []
        assert result.enqueued_at <= result.started_at <= result.finished_at
        assert result.last_attempted_at == result.started_at
        assert result.started_at.tzinfo is UTC
    assert [result.return_value for result in results] == [
        3,
        "ab",
        [[[1, 2.5, None, True]], {"a": {"$date": "é"}, "b": "text", "c": 2**70}],
    ]
    # One worker has run them all.
    assert len({worker_id for result in results for worker_id in result.worker_ids}) == 1
    assert tasks.add.get_result(results[0].id) == results[0]


async def test_asynchronous_code(project):
    """The same in asynchronous code."""
    result = await tasks.add.aenqueue(1)
    assert await tasks.add.aget_result(result.id) == result
    project.burst()
    await result.arefresh()
    assert result.return_value == 1
    with pytest.raises(TaskResultMismatch):
        await tasks.aadd.aget_result(result.id)
    with pytest.raises(TaskResultDoesNotExist):
        await tasks.add.aget_result(result.id + "x")


def test_tasks_that_raise(project):
    """They have failed; class and traceback are there, whatever they raised."""
    raising = {
        "builtins.ValueError": tasks.fail.enqueue("no such luck"),
        "builtins.KeyError": tasks.afail.enqueue("no such key"),
        "builtins.SystemExit": tasks.leave.enqueue(),
        "builtins.TypeError": tasks.unserializable.enqueue(),
    }
    more = [tasks.aleave.enqueue(), tasks.not_a_number.enqueue()]
    said = project.burst()
    for path, result in raising.items():
        result.refresh()
        assert result.status == TaskResultStatus.FAILED
        assert result.attempts == 1
        [error] = result.errors
        assert error.exception_class_path == path
        assert error.traceback.startswith("Traceback (most recent call last):\n")
        with pytest.raises(ValueError, match="Task failed"):
            result.return_value  # noqa: B018
    traceback = raising["builtins.ValueError"].errors[0].traceback
    assert "raise ValueError(message)\nValueError: no such luck\n" in traceback
    assert raising["builtins.KeyError"].errors[0].exception_class is KeyError
    for result, kind in zip(more, (SystemExit, ValueError), strict=True):
        result.refresh()
        assert result.errors[0].exception_class is kind
    # Django logs the exception; for arq, the function has told how the task ended.
    assert (
        f"Task id={raising['builtins.ValueError'].id} path={tasks.fail.module_path} state=FAILED"
        in said
    )
    assert said.count("\nValueError: no such luck\n") == 1


def test_context(project):
    """A task that takes its context knows its id and the number of the attempt."""
    result = tasks.about.enqueue(two=2)
    again = tasks.try_again.enqueue(2)
    project.burst()
    result.refresh()
    assert result.return_value == [result.id, "RUNNING", 1, 1, [], 2]
    again.refresh()
    attempt, worker_ids = again.return_value
    assert attempt == again.attempts == 3
    assert worker_ids == again.worker_ids == ["unknown", "unknown", result.worker_ids[0]]


def test_too_many_attempts(project):
    """A task that wants to be tried too often has failed."""
    result = tasks.try_again.enqueue(9)
    project.burst()
    result.refresh()
    assert result.status == TaskResultStatus.FAILED
    assert result.attempts == 5
    assert result.errors[0].exception_class_path.endswith(".JobExecutionFailed")
    assert "max 5 retries exceeded" in result.errors[0].traceback


def test_run_after(project, raw):
    """A task runs when it is due, and does not expire before."""
    soon = tasks.add.using(run_after=datetime.now(UTC) + timedelta(seconds=0.5)).enqueue(1)
    late = tasks.add.using(run_after=datetime.now(UTC) + timedelta(days=400)).enqueue(2)
    in_a_day = tasks.add.using(run_after=timedelta(days=1, microseconds=1)).enqueue(3)
    past = tasks.add.using(run_after=datetime.now(UTC) - timedelta(days=1)).enqueue(4)
    for result in (soon, late, in_a_day, past):
        assert tasks.add.get_result(result.id) == result
        assert result.status == TaskResultStatus.READY
    assert raw.pttl(f"arq:job:{late.id}") > 400 * 86_400_000
    raw.zrem(ARQ_QUEUE, late.id, in_a_day.id)
    project.burst()
    soon.refresh()
    assert soon.started_at >= soon.task.run_after.replace(microsecond=0)
    past.refresh()
    assert past.return_value == 4


def test_other_queue_and_backend(project, raw):
    """Each queue has its own worker, and its results are found by their ids alone."""
    mail = tasks.add.using(queue_name="mail").enqueue(1)
    other = tasks.add.using(queue_name="any", backend="other").enqueue(2)
    assert mail.id.startswith("mail.")
    assert raw.zcard("arq:tasks:default:mail") == raw.zcard("arq:tasks:other:any") == 1
    project.burst("mail")
    assert tasks.add.get_result(mail.id).return_value == 1
    # Another backend does not show it.
    with pytest.raises(TaskResultDoesNotExist):
        task_backends["twin"].get_result(mail.id)
    project.manage("arqworker", "--queue=any", "--backend=other", "--burst")
    found = task_backends["other"].get_result(other.id)
    assert found.return_value == 2
    assert found.backend == "other"
    assert found.task == other.task
    assert raw.ttl(f"arq:result:{other.id}") > 99 * 365 * 86_400
    assert 0 < raw.pttl(f"arq:result:{mail.id}") <= 86_400_000


OWN = {"backend": "default", "queue_name": "default"}
PATH = f"{tasks.__name__}."
FORGED = [
    # The job's arguments, why the worker refuses it, and what a client sees.
    ((PATH + "function_that_is_no_task", [], {}), OWN, "no task: it is function", InvalidTask),
    (("os.system", ["false"], {}), OWN, "no task: it is builtin_function", InvalidTask),
    (("no_such_module.task", [], {}), OWN, "can't be imported", InvalidTask),
    ((PATH + "add", [1], {}), OWN | {"queue_name": "slow"}, "queue 'slow' of", InvalidTask),
    ((PATH + "add", [1], {}), OWN | {"backend": "twin"}, "of 'twin'", TaskResultDoesNotExist),
    ((PATH + "add", 1, {}), OWN, "no job of a task: int", TaskResultDoesNotExist),
    ((PATH + "add", [1], {}), OWN | {"x": 1}, "unexpected keyword", TaskResultDoesNotExist),
]


def test_refused_jobs(project):
    """A worker calls nothing but tasks, and only those of its own backend and queue."""
    backend = task_backends["default"]
    ids = [
        backend.queue.enqueue(
            RUN_TASK, *args, _queue_name=ARQ_QUEUE, _job_id=f"default.{number}", **kwargs
        ).id
        for number, (args, kwargs, _, _) in enumerate(FORGED)
    ]
    said = project.burst()
    for job_id, (_, _, message, seen) in zip(ids, FORGED, strict=True):
        job = backend.queue.get_job_result(job_id, ARQ_QUEUE)
        assert not job.success
        assert message in str(job.result)
        assert message in said
        with pytest.raises(seen):
            backend.get_result(job_id)
    assert not Path(project.database).with_name("called").exists()


def test_refused_by_its_own_queue(project):
    """A task that came into the queue of another one has failed, for a client, too."""
    moved = OWN | {"queue_name": "mail"}
    job = task_backends["default"].queue.enqueue(
        RUN_TASK, PATH + "add", [1], {}, _queue_name=ARQ_QUEUE, _job_id="default.moved", **moved
    )
    project.burst()
    result = tasks.add.get_result(job.id)
    assert result.status == TaskResultStatus.FAILED
    [error] = result.errors
    assert error.exception_class is InvalidTask
    assert "came to a worker of 'default' of 'default'" in error.traceback


def test_other_jobs(project):
    """The job of another function is no task."""
    backend = task_backends["default"]
    backend.queue.enqueue("echo", _queue_name=ARQ_QUEUE, _job_id="default.other")
    with pytest.raises(TaskResultDoesNotExist):
        backend.get_result("default.other")


def test_signals(project):
    """The worker sends them; a receiver that raises takes nothing away from a task."""
    results = [tasks.add.enqueue(1), tasks.aadd.enqueue(2), tasks.fail.enqueue("x")]
    variable = tasks.context_variable.enqueue()
    heard = tasks.what_was_heard.using(run_after=timedelta(seconds=0.1)).enqueue()
    # One after the other, by the times when they are due.
    project.manage("arqworker", "--burst", "--max-jobs=1")
    for result in [*results, variable, heard]:
        result.refresh()
    assert [result.status for result in results] == ["SUCCESSFUL", "SUCCESSFUL", "FAILED"]
    assert variable.return_value == "set by a receiver"
    assert "in asynchronous code" in heard.return_value
    for name, status, error in (
        ("add", "SUCCESSFUL", None),
        ("aadd", "SUCCESSFUL", None),
        ("fail", "FAILED", "ValueError"),
    ):
        mine = [each for each in heard.return_value if each[0] == name]
        assert mine == [[name, "RUNNING", None], [name, status, error]]
