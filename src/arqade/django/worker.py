"""The settings of stock arq workers that run tasks.

``arq arqade.django.worker.WorkerSettings`` runs those of the queue ``default``, and ``arq
arqade.django.worker.mail`` those of the queue ``mail``, both of the backend ``default``; the
environment's ``DJANGO_SETTINGS_MODULE`` names the project. `worker_settings` makes those of others.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import django
from arq.worker import func
from django.apps import apps
from django.tasks import DEFAULT_TASK_BACKEND_ALIAS, DEFAULT_TASK_QUEUE_NAME, task_backends
from django.tasks.exceptions import InvalidTask, InvalidTaskBackend

from arqade._recording import RECORD_INTERVAL, with_records
from arqade.django._runner import TaskRunner
from arqade.django._task_settings import check_worker_setting
from arqade.django._tasks import RUN_TASK
from arqade.django.backend import ArqBackend

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import TypeAlias

    Hook: TypeAlias = Callable[[dict[Any, Any]], Awaitable[None]]

__all__ = ["arq_backend", "worker_settings"]

STOCK: Final[Mapping[str, Any]] = {
    "health_check_interval": 15,
    "job_timeout": 300,
    "log_results": False,
    "max_jobs": 10,
}
"""What holds if the settings don't say; all else is as arq has it."""

HOOKS: Final = frozenset(
    ("after_job_end", "ctx", "on_job_end", "on_job_start", "on_shutdown", "on_startup")
)
"""Further settings of arq's, which only code can give."""

FOREVER: Final = 100 * 365 * 86_400
"""Seconds for which a result is kept that is to be kept for ever.

With its own ``keep_result_forever``, a stock worker ends at the first job that has expired: it asks
Redis for a life of 0 (arq 0.28, ``Worker.finish_failed_job``)."""

GRACE: Final = 10
"""Seconds that a task may take to end once its time is over, before arq cuts it off."""


def worker_settings(
    queue_name: str = DEFAULT_TASK_QUEUE_NAME,
    *,
    backend: str = DEFAULT_TASK_BACKEND_ALIAS,
    record_interval: float | timedelta | None = RECORD_INTERVAL,
    **more: Any,
) -> dict[str, Any]:
    """Make the settings of a worker. Django is set up, if it is not.

    Args:
        queue_name: The queue, by Django's name.
        backend: The backend's alias.
        record_interval: Seconds, or a timedelta, between two records of what the worker is, which
            `ArqQueue.get_workers` reads; None writes none.
        **more: arq's settings, as in ``max_jobs=4``, in place of those that the option ``WORKER``
            has; and ``on_startup``, ``on_shutdown``, ``on_job_start``, ``on_job_end``,
            ``after_job_end`` and ``ctx``.

    Returns:
        What ``arq`` and `arq.worker.run_worker` take.

    Raises:
        InvalidTaskBackend: There is no such backend, or it is none of arq's.
        InvalidTask: The backend has no such queue.
        TaskSettingsError: A value of its options can't be used.
        TypeError: A setting is of a wrong type.
        ValueError: There is no such setting, or its value is not allowed.
    """
    if not apps.ready:
        django.setup()
    of_tasks = arq_backend(backend)
    if of_tasks.queues and queue_name not in of_tasks.queues:
        known = ", ".join(sorted(map(repr, of_tasks.queues)))
        raise InvalidTask(f"The backend {backend!r} has no queue {queue_name!r}: it has {known}")
    for name, value in more.items():
        if name not in HOOKS:
            check_worker_setting(name, value)
    options = of_tasks.task_settings
    settings = {**STOCK, **options.worker, **more}
    timeout = _seconds(settings["job_timeout"])
    runner = TaskRunner(of_tasks, queue_name, threads=settings["max_jobs"], timeout=timeout)
    settings |= {
        **options.codec.worker_settings(),
        "functions": [func(runner.run_task, name=RUN_TASK)],
        "job_timeout": timeout + GRACE,
        "keep_result": FOREVER if options.result_ttl is None else options.result_ttl,
        "on_shutdown": _both(settings.get("on_shutdown"), runner.close),
        "queue_name": options.arq_queue(queue_name),
        "redis_settings": options.redis,
    }
    return with_records(settings, codec=options.codec, interval=record_interval)


def arq_backend(alias: str) -> ArqBackend:
    """Give a backend.

    Raises:
        InvalidTaskBackend: There is none of this alias, or it is none of arq's.
    """
    found = task_backends[alias]
    if not isinstance(found, ArqBackend):
        raise InvalidTaskBackend(
            f"The backend {alias!r} is no ArqBackend: it is {type(found).__qualname__}"
        )
    return found


def __getattr__(name: str) -> dict[str, Any]:
    """Make the settings of a queue's worker, when ``arq`` asks for them by the queue's name."""
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    queue_name = DEFAULT_TASK_QUEUE_NAME if name == "WorkerSettings" else name
    try:
        return worker_settings(queue_name)
    except InvalidTask as error:
        raise AttributeError(str(error)) from error


def _seconds(value: float | timedelta) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else value


def _both(first: Hook | None, then: Hook) -> Hook:
    if first is None:
        return then

    async def both(ctx: dict[Any, Any]) -> None:
        try:
            await first(ctx)
        finally:
            await then(ctx)

    return both
