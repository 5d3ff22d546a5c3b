"""What runs tasks in a worker: arq's one function for all of them."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from inspect import iscoroutinefunction
from traceback import format_exception
from typing import TYPE_CHECKING, Any

import attrs
from arq.worker import Retry, RetryJob
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import close_old_connections, connections
from django.tasks import TaskContext, TaskResultStatus
from django.tasks.base import TaskError
from django.tasks.exceptions import InvalidTask
from django.tasks.signals import task_finished, task_started
from django.utils import timezone
from django.utils.crypto import get_random_string

from arqade.django._tasks import UNKNOWN_WORKER, Sent, as_django, ending, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.dispatch import Signal
    from django.tasks import TaskResult

    from arqade.django.backend import ArqBackend

__all__ = ["TaskRunner"]

UNFINISHED = (Retry, RetryJob, asyncio.CancelledError, GeneratorExit)
"""What does not end a task: arq runs it again, or ends it in its own way."""


class TaskRunner:
    """Runs the tasks of one queue.

    Args:
        backend: Their backend.
        queue_name: The queue, by Django's name.
        threads: How many tasks that are no coroutines may run at the same time.
        timeout: How many seconds a task may take.
    """

    def __init__(
        self, backend: ArqBackend, queue_name: str, *, threads: int, timeout: float
    ) -> None:
        self.worker_id = f"{socket.gethostname()}:{os.getpid()}:{get_random_string(8)}"
        self._backend = backend
        self._queue_name = queue_name
        self._threads = threads
        self._timeout = timeout
        self._executor: ThreadPoolExecutor | None = None

    async def run_task(self, ctx: dict[Any, Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Run a task, and tell how it ended. This is the function that arq runs.

        Raises:
            InvalidTask: The job's task is none, or none of this backend and queue.
            TypeError: The job says no task.
        """
        sent = Sent.read(args, kwargs)
        if (sent.backend, sent.queue_name) != (self._backend.alias, self._queue_name):
            raise InvalidTask(
                f"the job is for the queue {sent.queue_name!r} of {sent.backend!r}, and came to a "
                f"worker of {self._queue_name!r} of {self._backend.alias!r}"
            )
        now = timezone.now()
        result = sent.result(
            ctx["job_id"],
            TaskResultStatus.RUNNING,
            enqueued_at=as_django(ctx["enqueue_time"]),
            started_at=now,
            last_attempted_at=now,
            worker_ids=[*[UNKNOWN_WORKER] * (ctx["job_try"] - 1), self.worker_id],
        )
        # As for a request under ASGI: what is called by sync_to_async has a thread of its own, and
        # so connections of its own to the databases, in which no other task's are closed.
        async with ThreadSensitiveContext():
            try:
                await self._run(result)
            finally:
                await sync_to_async(connections.close_all)()
        return ending(result)

    async def _run(self, result: TaskResult[..., Any]) -> None:
        await self._send(task_started, result)
        try:
            returned = plain(await self._call(result))
        except UNFINISHED:
            raise
        except BaseException as error:  # noqa: BLE001 - a task that exits must not end the worker
            kind = type(error)
            failure = TaskError(
                exception_class_path=f"{kind.__module__}.{kind.__qualname__}",
                traceback="".join(format_exception(error)),
            )
            result.errors.append(failure)
            _set(result, finished_at=timezone.now(), status=TaskResultStatus.FAILED)
            await self._send(task_finished, result)
        else:
            _set(
                result,
                finished_at=timezone.now(),
                status=TaskResultStatus.SUCCESSFUL,
                _return_value=returned,
            )
            await self._send(task_finished, result)

    async def _send(self, signal: Signal, result: TaskResult[..., Any]) -> None:
        # A receiver that raises is logged by Django, and takes nothing away from the task.
        # asend_robust of Django 6.0 hides the exception that is being handled, which Django's own
        # receiver logs; here receivers see it, and asynchronous ones run in this event loop, too.
        await sync_to_async(signal.send_robust)(type(self._backend), task_result=result)

    async def _call(self, result: TaskResult[..., Any]) -> Any:
        task, args = result.task, list(result.args)
        if task.takes_context:
            args.insert(0, TaskContext(task_result=result))
        call = functools.partial(task.func, *args, **result.kwargs)
        if not iscoroutinefunction(task.func):
            return await self._call_in_thread(call)
        async with asyncio.timeout(self._timeout):
            return await call()

    async def _call_in_thread(self, call: Callable[[], Any]) -> Any:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._threads, thread_name_prefix="task")
        loop = asyncio.get_running_loop()
        end = loop.time() + self._timeout
        running = self._executor.submit(contextvars.copy_context().run, _Outcome.of, call)
        outcome = asyncio.wrap_future(running)
        try:
            await asyncio.wait({outcome}, timeout=self._timeout)
        except asyncio.CancelledError:
            # Nothing stops a thread: another worker would run the task while it still goes on. So
            # a worker that is to stop waits for it, unless it is told once more.
            if not running.cancel():
                await asyncio.wait({outcome}, timeout=end - loop.time())
            if not running.done() or running.cancelled():
                raise
        if not outcome.done():
            running.cancel()  # It may be waiting for a thread.
            raise TimeoutError(f"the task took longer than {self._timeout} seconds")
        return outcome.result().value()

    async def close(self, _ctx: dict[Any, Any]) -> None:
        """Let go of the threads; this is what arq calls when the worker stops."""
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False)


@attrs.frozen
class _Outcome:
    """What came of a call in a thread."""

    returned: Any = attrs.field(default=None, repr=False)
    raised: BaseException | None = attrs.field(default=None, repr=False)

    @classmethod
    def of(cls, call: Callable[[], Any]) -> _Outcome:
        """Call it, with connections to the databases that can be used."""
        close_old_connections()
        try:
            return cls(call())
        except BaseException as error:  # noqa: BLE001 - it is raised by whoever waits for it
            return cls(raised=error)
        finally:
            close_old_connections()

    def value(self) -> Any:
        """Return what it returned, or raise what it raised."""
        if self.raised is not None:
            raise self.raised
        return self.returned


def _set(result: TaskResult[..., Any], **changes: Any) -> None:
    """Change a result, which is frozen for all but its backend, as Django does."""
    for name, value in changes.items():
        object.__setattr__(result, name, value)
