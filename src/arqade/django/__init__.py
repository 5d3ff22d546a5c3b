"""Queues for Django: named in ``ARQADE`` in the settings, opened when they are first used.

`queue` and `queues` are for blocking code, `aqueue` and `aqueues` for asynchronous views and
consumers. The backend of Django's tasks is `ArqBackend`, which Django loads by that name; it and
`enqueue_on_commit` need Django 6.0.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from arqade.django._commit import on_commit
from arqade.django._queues import AsyncQueues, BlockingQueues, aqueue, aqueues, queue, queues
from arqade.django._settings import QueueSettingsError, UnknownQueueError

if TYPE_CHECKING:
    from arqade.django.backend import ArqBackend as ArqBackend
    from arqade.django.backend import enqueue_on_commit as enqueue_on_commit

__all__ = [
    "AsyncQueues",
    "BlockingQueues",
    "QueueSettingsError",
    "UnknownQueueError",
    "aqueue",
    "aqueues",
    "on_commit",
    "queue",
    "queues",
]

_OF_TASKS: Final = {
    "ArqBackend": "arqade.django.backend",
    "enqueue_on_commit": "arqade.django.backend",
}
"""What needs `django.tasks`, and where it is."""


def __getattr__(name: str) -> Any:
    """Give what needs `django.tasks`, which Django has since 6.0, when it is asked for."""
    if name not in _OF_TASKS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_OF_TASKS[name]), name)
