"""The backend of Django's tasks that stock arq workers run; it needs Django 6.0."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import attrs
from django.core import checks
from django.core.signals import setting_changed
from django.db import transaction
from django.tasks import task_backends
from django.tasks.backends.base import BaseTaskBackend
from django.tasks.exceptions import InvalidTask, TaskResultDoesNotExist
from django.tasks.signals import task_enqueued

from arqade import JobNotFound, JobResultUnavailable, JobStatus
from arqade._clients import QueueClients
from arqade._compat import override
from arqade._entries import Problem
from arqade.django import _task_settings
from arqade.django._task_settings import MAX_QUEUE_CHARS, settings_of
from arqade.django._tasks import (
    load_task,
    new_result,
    plain,
    queue_of_id,
    request_of,
    result_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.tasks import Task, TaskResult

    from arqade import ArqQueue, JobMetadata, JobRequest, SyncArqQueue
    from arqade.django._task_settings import TaskSettings

__all__ = ["ArqBackend", "enqueue_on_commit"]

P = ParamSpec("P")
R = TypeVar("R")

SETTING: Final = "TASKS"
"""Django's setting that names the backends."""


class ArqBackend(BaseTaskBackend):
    """Enqueues tasks for stock arq workers, and reads their results.

    Django makes one for each thread and each asyncio task. Those with the same options share one
    client of the process for blocking code, and one for each event loop.

    The settings are read when a task is first enqueued, and `TaskSettingsError` tells what is
    wrong with them; `check` does so before. All operations raise what the operations of
    `SyncArqQueue` and `ArqQueue` of the same name raise if the server can't be reached or refuses.
    """

    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = False

    @cached_property
    def task_settings(self) -> TaskSettings:
        """What the ``OPTIONS`` say.

        Raises:
            TaskSettingsError: A value can't be used.
        """
        return settings_of(self.alias, self.options)

    @property
    def queue(self) -> SyncArqQueue:
        """The client for blocking code; it has no queue of its own, the tasks name theirs."""
        return self._clients.queue

    @property
    def async_queue(self) -> ArqQueue:
        """The client for asynchronous code."""
        return self._clients.async_queue

    @cached_property
    def _clients(self) -> QueueClients:
        return _clients_of(self.task_settings, self.options)

    @override
    def validate_task(self, task: Task[..., Any]) -> None:
        """Check that a task can be enqueued, as far as its code tells.

        Raises:
            InvalidTask: It can't.
        """
        if isinstance(task.run_after, timedelta):
            # Django documents it, and then takes it for a time.
            super().validate_task(dataclasses.replace(task, run_after=None))
        else:
            super().validate_task(task)
        if not 0 < len(task.queue_name) <= MAX_QUEUE_CHARS:
            raise InvalidTask(f"A queue's name must have 1 to {MAX_QUEUE_CHARS} characters.")

    @override
    def enqueue(
        self, task: Task[P, R], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> TaskResult[P, R]:
        """Enqueue a task.

        Args:
            task: The task.
            args: Its positional arguments; what JSON has, and nothing else.
            kwargs: Its keyword arguments, as above.

        Raises:
            InvalidTask: It can't be enqueued, or can't be imported from where it says to be.
            TypeError: The arguments have a type that JSON does not have.
            ValueError: The arguments have a value that JSON does not have.
            PayloadTooLarge: The encoded job is too large.
            EnqueueUncertain: It was sent, and no answer came.
        """
        job = self.queue.enqueue(self._request(task, args, kwargs))
        result = new_result(task, job, self.alias)
        task_enqueued.send_robust(type(self), task_result=result)
        return result

    @override
    async def aenqueue(
        self, task: Task[P, R], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> TaskResult[P, R]:
        """Enqueue a task, as `enqueue` does."""
        job = await self.async_queue.enqueue(self._request(task, args, kwargs))
        result = new_result(task, job, self.alias)
        await task_enqueued.asend_robust(type(self), task_result=result)
        return result

    def _request(
        self, task: Task[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> JobRequest[Any]:
        self.validate_task(task)
        if load_task(task.module_path).func is not task.func:
            raise InvalidTask(f"There is another task at {task.module_path!r}.")
        return request_of(task, args, kwargs, self.alias, self.task_settings)

    @override
    def get_result(self, result_id: str) -> TaskResult[..., Any]:
        """Tell what has become of a task.

        Raises:
            TaskResultDoesNotExist: It is unknown, or its result is no longer kept.
            InvalidTask: Its code is not there, or the backend does not allow it any more.
        """
        queue_name = self.task_settings.arq_queue(queue_of_id(result_id))
        try:
            job: JobMetadata[Any] = self.queue.get_job_metadata(result_id, queue_name)
            if job.status is JobStatus.complete:
                job = self.queue.get_job_result(result_id, queue_name)
        except (JobNotFound, JobResultUnavailable, ValueError):
            raise TaskResultDoesNotExist(result_id) from None
        return result_of(job, self.alias)

    @override
    async def aget_result(self, result_id: str) -> TaskResult[..., Any]:
        """Tell what has become of a task, as `get_result` does."""
        queue_name = self.task_settings.arq_queue(queue_of_id(result_id))
        queue = self.async_queue
        try:
            job: JobMetadata[Any] = await queue.get_job_metadata(result_id, queue_name)
            if job.status is JobStatus.complete:
                job = await queue.get_job_result(result_id, queue_name)
        except (JobNotFound, JobResultUnavailable, ValueError):
            raise TaskResultDoesNotExist(result_id) from None
        return result_of(job, self.alias)

    @override
    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Check the options and the queues' names; no server is asked.

        Returns:
            ``arqade.E050`` to ``arqade.E058`` for what is wrong; ``arqade.W050`` if there is no
            URL, ``arqade.W051`` if the codec is pickle.
        """
        mine, problems = _task_settings.read(self.alias, self.options, sorted(self.queues, key=str))
        for other in task_backends.all():
            if isinstance(other, ArqBackend) and other.alias < self.alias:
                theirs, _ = _task_settings.read(other.alias, other.options, ())
                if (mine.redis, mine.prefix) == (theirs.redis, theirs.prefix):
                    problems.append(_same_queues(self.alias, other.alias))
        return [
            (checks.Error if problem.is_error else checks.Warning)(
                problem.message, hint=problem.hint, id=f"arqade.{problem.code}"
            )
            for problem in problems
        ]


def _same_queues(alias: str, other: str) -> Problem:
    return Problem(
        "E058",
        f"TASKS[{alias!r}] and TASKS[{other!r}] have the same server and the same 'PREFIX': the "
        "worker of one would take the tasks of the other, and refuse them",
        "Leave 'PREFIX' out, or give each its own.",
    )


def enqueue_on_commit(
    task: Task[..., Any], *args: Any, using: str | None = None, **kwargs: Any
) -> None:
    """Enqueue a task when the transaction commits; outside of one, at once.

    A worker then finds what the transaction wrote, and there is no task if it is rolled back. What
    can be refused without a server is refused at once, so that it rolls the transaction back. What
    the server refuses is raised where the transaction ends.

    It is for blocking code, as Django's transactions are, and for any backend. The arguments are
    taken as they are now. To pass a parameter of the name ``using``, pass it by its position.

    Args:
        task: The task.
        *args: Its positional arguments.
        using: The alias of the database; the default one if None.
        **kwargs: Its keyword arguments.

    Raises:
        InvalidTask: The backend does not allow the task.
        TypeError: The arguments have a type that JSON does not have.
        ValueError: The arguments have a value that JSON does not have.
        ArqadeError: There is no transaction, and the task could not be enqueued.
        SynchronousOnlyOperation: An event loop runs in this thread.
    """
    task.get_backend().validate_task(task)
    plain_args, plain_kwargs = plain(args), plain(kwargs)

    def enqueue() -> None:
        task.enqueue(*plain_args, **plain_kwargs)

    transaction.on_commit(enqueue, using=using)


# --- clients ---------------------------------------------------------------------------


@attrs.frozen
class _Opened:
    options: Mapping[str, Any] = attrs.field(repr=False)
    clients: QueueClients


_opened: list[_Opened] = []
"""The clients of the process; as many as there are different options in the settings."""


def _clients_of(task_settings: TaskSettings, options: Mapping[str, Any]) -> QueueClients:
    for opened in _opened:
        if opened.options == options:
            return opened.clients
    # Nothing is connected yet: of two threads that come here, one makes it for nothing. A lock
    # could be held by a thread that a forked child does not have.
    made = _Opened(options, QueueClients(task_settings.queue_options))
    _opened.append(made)
    return next((opened for opened in _opened if opened.options == options), made).clients


def _on_setting_changed(*, setting: str, **_: Any) -> None:
    if setting == SETTING:
        for opened in _opened[:]:
            _opened.remove(opened)
            opened.clients.close()


setting_changed.connect(_on_setting_changed, dispatch_uid=__name__)
