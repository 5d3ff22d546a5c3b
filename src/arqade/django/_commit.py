"""Jobs that are enqueued when a transaction commits, and not if it is rolled back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction

from arqade import SyncMockArqQueue
from arqade.django._queues import DEFAULT_ALIAS, clients_of, queues

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from arqade import JobDef, JobRequest

__all__ = ["on_commit"]


def on_commit(
    task: str | JobRequest[Any] | JobDef[..., Any] | Callable[..., Coroutine[Any, Any, Any]],
    /,
    *args: Any,
    _using: str | None = None,
    _alias: str = DEFAULT_ALIAS,
    _robust: bool = False,
    **kwargs: Any,
) -> None:
    """Put a job into a queue when the transaction commits; outside of one, at once.

    A worker then finds what the transaction wrote, and there is no job if it is rolled back. What
    can be refused without a server is refused at once, so that it rolls the transaction back.

    It is for blocking code, as Django's transactions are. The arguments are encoded again when the
    job is enqueued: leave them as they are until then. A ``_defer_by`` or ``_expires`` counts from
    the commit.

    Args:
        task: As for `SyncArqQueue.enqueue`.
        *args: The job's positional arguments.
        _using: The alias of the database; the default one if None.
        _alias: The alias of the queue.
        _robust: Whether an error of the enqueue is logged by Django, and the functions that other
            code gave to the transaction still run; else it is raised where the transaction ends.
        **kwargs: The job's keyword arguments, and the options of `SyncArqQueue.enqueue`.

    Raises:
        UnknownQueueError: There is no queue of this alias.
        QueueSettingsError: A value in the settings can't be used.
        TypeError: A value is of a wrong type, or an option is unknown.
        ValueError: A value is not allowed.
        JobSerializationError: The arguments can't be encoded.
        PayloadTooLarge: The encoded job is too large.
        ArqadeError: There is no transaction, and the job could not be enqueued.
        SynchronousOnlyOperation: An event loop runs in this thread.
    """
    queue = queues[_alias]
    # A mock refuses what the queue would.
    SyncMockArqQueue(**clients_of(_alias).options.of_mock()).enqueue(task, *args, **kwargs)

    def enqueue() -> None:
        queue.enqueue(task, *args, **kwargs)

    transaction.on_commit(enqueue, using=_using, robust=_robust)
