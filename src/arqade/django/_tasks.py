"""Tasks as jobs, and jobs as tasks' results. Nothing here connects.

A task is a job of one function, which is told where to import the task from. What the function
returns says how the task ended.
"""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta
from traceback import format_exception_only
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import attrs
from django.conf import settings
from django.tasks import Task, TaskResult, TaskResultStatus
from django.tasks.base import TaskError
from django.tasks.exceptions import InvalidTask, TaskResultDoesNotExist
from django.utils.crypto import get_random_string
from django.utils.json import normalize_json
from django.utils.module_loading import import_string

from arqade import JobRequest, JobResult, JobStatus, RemoteError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arqade import JobMetadata
    from arqade.django._task_settings import TaskSettings

__all__ = [
    "RUN_TASK",
    "UNKNOWN_WORKER",
    "Sent",
    "ending",
    "load_task",
    "new_result",
    "plain",
    "queue_of_id",
    "request_of",
    "result_of",
]

P = ParamSpec("P")
R = TypeVar("R")

RUN_TASK: Final = "arqade.django.run_task"
"""The name of arq's function that runs all tasks."""

UNKNOWN_WORKER: Final = "unknown"
"""Stands for the worker of an earlier attempt, of which arq keeps no more than the number."""

TOKEN_CHARS: Final = 22
"""Letters and digits that make an id unique: 131 bits."""

STATUSES: Final = {
    JobStatus.deferred: TaskResultStatus.READY,
    JobStatus.queued: TaskResultStatus.READY,
    JobStatus.in_progress: TaskResultStatus.RUNNING,
}


def plain(value: Any) -> Any:
    """Give what JSON makes of a value, as Django does; but refuse what would come back changed.

    Raises:
        TypeError: It has a value or a key of a type that JSON does not have.
        ValueError: It has a float that JSON does not have, or bytes that are no UTF-8, or is
            nested too deep.
    """
    try:
        normal = normalize_json(value)
        _check(normal)
        return json.loads(json.dumps(normal))
    except RecursionError:
        raise ValueError("Unsupported value: it is nested too deep") from None


def _check(value: Any) -> None:
    if isinstance(value, dict):
        for key, part in value.items():
            if not isinstance(key, str):
                # JSON would make a text of it.
                raise TypeError(f"Unsupported type of a key: {type(key)}")
            _check(part)
    elif isinstance(value, list):
        for part in value:
            _check(part)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("Unsupported value: a float that is not finite")


def load_task(path: str) -> Task[..., Any]:
    """Import a task.

    Raises:
        InvalidTask: There is none at this place.
    """
    try:
        found = import_string(path)
    except ImportError as error:
        raise InvalidTask(f"The task {path!r} can't be imported: {error}") from error
    # Nothing else may be called, whatever a job says.
    if not isinstance(found, Task):
        raise InvalidTask(f"{path!r} is no task: it is {type(found).__qualname__}")
    return found


@attrs.frozen
class Sent:
    """What a job says of its task."""

    path: str
    """Where to import it from."""

    args: list[Any] = attrs.field(repr=False)
    kwargs: dict[str, Any] = attrs.field(repr=False)

    backend: str
    """The backend's alias."""

    queue_name: str
    """The queue, by Django's name."""

    run_after: str | float | None = None
    """When it is due: a time, or seconds after it was enqueued."""

    @classmethod
    def read(cls, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sent:
        """Read the arguments of a job.

        Raises:
            TypeError: They are not those of a task.
        """
        sent = cls(*args, **kwargs)
        for value, kind in (
            (sent.path, str),
            (sent.args, list),
            (sent.kwargs, dict),
            (sent.backend, str),
            (sent.queue_name, str),
            (sent.run_after, str | float | int | None),
        ):
            if not isinstance(value, kind):
                raise TypeError(f"this is no job of a task: {type(value).__name__} is out of place")
        return sent

    def task(self) -> Task[..., Any]:
        """Give the task as it was enqueued.

        Raises:
            InvalidTask: It is not there, or the backend does not allow it any more.
        """
        task = load_task(self.path)
        changes: dict[str, Any] = {"backend": self.backend, "queue_name": self.queue_name}
        if isinstance(self.run_after, str):
            changes["run_after"] = datetime.fromisoformat(self.run_after)
        elif self.run_after is not None:
            changes["run_after"] = timedelta(seconds=self.run_after)
        return task.using(**changes)

    def result(self, result_id: str, status: TaskResultStatus, **more: Any) -> TaskResult[..., Any]:
        """Give the result of this task; what is not given is empty."""
        empty = dict.fromkeys(("enqueued_at", "started_at", "finished_at", "last_attempted_at"))
        return TaskResult(
            **{"errors": [], "worker_ids": [], **empty, **more},
            task=self.task(),
            id=result_id,
            status=status,
            args=self.args,
            kwargs=self.kwargs,
            backend=self.backend,
        )


# --- a task that is enqueued -----------------------------------------------------------


def request_of(
    task: Task[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    alias: str,
    options: TaskSettings,
) -> JobRequest[Any]:
    """Make the job of a task, for the backend of an alias.

    Raises:
        TypeError: The arguments are not what JSON has.
        ValueError: As above; or the queue's name can't be used.
    """
    run_after: Any = task.run_after
    said: str | float | None = None
    defer: dict[str, Any] = {}
    if isinstance(run_after, timedelta):
        said = run_after.total_seconds()
        defer = {"defer_by": max(run_after, timedelta())}
    elif run_after is not None:
        said = run_after.isoformat()
        defer = {"defer_until": run_after}
    return JobRequest(
        RUN_TASK,
        args=(task.module_path, plain(args), plain(kwargs)),
        kwargs={"backend": alias, "queue_name": task.queue_name, "run_after": said},
        job_id=f"{task.queue_name}.{get_random_string(TOKEN_CHARS)}",
        queue_name=options.arq_queue(task.queue_name),
        **defer,
    )


def new_result(task: Task[P, R], job: JobMetadata[Any], alias: str) -> TaskResult[P, R]:
    """Give the result of a task that has just been enqueued."""
    _, args, kwargs = job.args
    return TaskResult(
        task=task,
        id=job.id,
        status=TaskResultStatus.READY,
        enqueued_at=as_django(job.enqueue_time),
        started_at=None,
        finished_at=None,
        last_attempted_at=None,
        args=args,
        kwargs=kwargs,
        backend=alias,
        errors=[],
        worker_ids=[],
    )


def queue_of_id(result_id: object) -> str:
    """Give the queue of a result.

    Raises:
        TaskResultDoesNotExist: It is no id of a result.
    """
    queue_name, dot, _ = str(result_id).rpartition(".")
    if not (isinstance(result_id, str) and dot and queue_name):
        raise TaskResultDoesNotExist(result_id)
    return queue_name


# --- a task that is read ---------------------------------------------------------------


def result_of(job: JobMetadata[Any], alias: str) -> TaskResult[..., Any]:
    """Give the result of a task, whatever has become of it.

    Raises:
        TaskResultDoesNotExist: The job is none of a task of this backend.
        InvalidTask: The task is not there, or the backend does not allow it any more.
    """
    if job.name != RUN_TASK:
        raise TaskResultDoesNotExist(job.id)
    try:
        sent = Sent.read(job.args, job.kwargs)
    except TypeError:
        raise TaskResultDoesNotExist(job.id) from None
    if sent.backend != alias:
        raise TaskResultDoesNotExist(job.id)
    enqueued_at = as_django(job.enqueue_time)
    if not isinstance(job, JobResult):
        return sent.result(job.id, STATUSES[job.status], enqueued_at=enqueued_at)
    end = _Ending.of_job(job)
    result = sent.result(
        job.id,
        TaskResultStatus.FAILED if end.errors else TaskResultStatus.SUCCESSFUL,
        enqueued_at=enqueued_at,
        started_at=as_django(job.start_time),
        last_attempted_at=as_django(job.start_time),
        finished_at=as_django(job.finish_time),
        errors=end.errors,
        worker_ids=end.worker_ids,
    )
    object.__setattr__(result, "_return_value", end.return_value)  # as Django sets it
    return result


@attrs.frozen
class _Ending:
    """How a task ended."""

    return_value: Any = attrs.field(repr=False)
    errors: list[TaskError] = attrs.field(repr=False)
    worker_ids: list[str]

    @classmethod
    def of_job(cls, job: JobResult[Any]) -> _Ending:
        """Read the result of a job: what the function returned, or what kept it from that."""
        try:
            returned = job.unwrap()
        except Exception as error:  # noqa: BLE001 - whatever the job raised
            return cls(None, [_error_of_job(error)], _workers_of_job(error, job.job_try or 1))
        return cls(
            returned["return_value"],
            [TaskError(**error) for error in returned["errors"]],
            returned["worker_ids"],
        )


def ending(result: TaskResult[..., Any]) -> dict[str, Any]:
    """Give what the function returns for a task that has ended; `result_of` reads it."""
    done = result.status == TaskResultStatus.SUCCESSFUL
    return {
        "return_value": result.return_value if done else None,
        "errors": [
            {"exception_class_path": error.exception_class_path, "traceback": error.traceback}
            for error in result.errors
        ],
        "worker_ids": result.worker_ids,
    }


def _error_of_job(error: Exception) -> TaskError:
    if isinstance(error, RemoteError):
        said = error.traceback or f"{error}\n"
        return TaskError(exception_class_path=error.type_name, traceback=said)
    kind = type(error)
    return TaskError(
        exception_class_path=f"{kind.__module__}.{kind.__qualname__}",
        traceback="".join(format_exception_only(error)),
    )


def _workers_of_job(error: Exception, job_try: int) -> list[str]:
    named = error.type_name if isinstance(error, RemoteError) else type(error).__name__
    # What a worker says instead of a try, as when there were too many.
    unstarted = named.endswith("JobExecutionFailed")
    return [UNKNOWN_WORKER] * (job_try - unstarted)


def as_django(value: datetime) -> datetime:
    """Give a time as Django has it: naive local time, if the project does not use time zones."""
    return value if settings.USE_TZ else value.astimezone().replace(tzinfo=None)
