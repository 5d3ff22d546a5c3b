"""The queues that ``ARQADE`` names: one client of each for all threads of a process.

A queue is a name until it is used: settings are read then, and another process or another test
may have others.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from arqade import ArqQueue, SyncArqQueue
from arqade._clients import QueueClients
from arqade._compat import override
from arqade.django._settings import SETTING, aliases, options_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "DEFAULT_ALIAS",
    "AsyncQueues",
    "BlockingQueues",
    "aqueue",
    "aqueues",
    "clients_of",
    "queue",
    "queues",
]

DEFAULT_ALIAS = "default"
"""The alias of `queue` and `aqueue`."""

Q = TypeVar("Q")

_all_clients: dict[str, QueueClients] = {}


def clients_of(alias: str) -> QueueClients:
    """Give the clients of a queue; the settings are read when they are first asked for.

    Raises:
        UnknownQueueError: There is no queue of this alias.
        QueueSettingsError: A value in the settings can't be used.
    """
    found = _all_clients.get(alias)
    if found is None:
        # Nothing is connected yet: of two threads that come here, one makes it for nothing. A lock
        # could be held by a thread that a forked child does not have.
        found = _all_clients.setdefault(alias, QueueClients(options_of(alias)))
    return found


def _take_all() -> list[QueueClients]:
    found = [_all_clients.pop(alias, None) for alias in list(_all_clients)]
    return [clients for clients in found if clients is not None]


class Queues(Generic[Q]):
    """The queues that ``ARQADE`` names, by their aliases.

    Iterate over them for the aliases.

    Args:
        named: What gives the queue of an alias, which need not be in the settings.
    """

    def __init__(self, named: Callable[[str], Q]) -> None:
        self._named = named

    def __getitem__(self, alias: str) -> Q:
        """Give a queue.

        Raises:
            UnknownQueueError: There is no queue of this alias.
            QueueSettingsError: A value in the settings can't be used.
        """
        clients_of(alias)
        return self._named(alias)

    def __iter__(self) -> Iterator[str]:
        return iter(aliases())

    def all(self) -> list[Q]:
        """Give all queues.

        Raises:
            QueueSettingsError: A value in the settings can't be used.
        """
        return [self[alias] for alias in self]


class BlockingQueues(Queues[SyncArqQueue]):
    """The queues of blocking code."""

    def close_all(self) -> None:
        """Close the clients of all queues, for blocking and for asynchronous code.

        The next use opens new ones, with the settings of then. The jobs of test mode are gone.
        """
        for clients in _take_all():
            clients.close()


class AsyncQueues(Queues[ArqQueue]):
    """The queues of asynchronous code."""

    async def aclose_all(self) -> None:
        """Close the clients of all queues, as `BlockingQueues.close_all` does.

        It waits for those of the running event loop; nobody needs to call it before the loop ends.
        """
        for clients in _take_all():
            await clients.aclose()


class _NamedQueue:
    """Stands for the queue of an alias."""

    def __init__(self, alias: str) -> None:
        self._alias = alias

    @override
    def __repr__(self) -> str:
        return f"<the queue {self._alias!r} of {SETTING}>"


class _BlockingQueue(_NamedQueue):
    """Stands for a `SyncArqQueue`, and is taken for one by `isinstance`."""

    def _kind(self) -> type[SyncArqQueue]:
        return clients_of(self._alias).queue.__class__

    def _shown_class(self) -> type[SyncArqQueue]:
        try:
            return self._kind()
        except ImproperlyConfigured:  # It is no fault of what looks at any object.
            return SyncArqQueue

    __class__: Any = property(_shown_class)

    def __getattr__(self, name: str) -> Any:
        # What looks at any object, as debuggers and test tools do, must not connect.
        if name.startswith("__"):
            raise AttributeError(name)
        member = getattr(self._kind(), name)
        if not inspect.isfunction(member):
            return getattr(clients_of(self._alias).queue, name)

        @functools.wraps(member)
        def call(*args: Any, **kwargs: Any) -> Any:
            return getattr(clients_of(self._alias).queue, name)(*args, **kwargs)

        vars(self)[name] = call  # The next look finds it, and does not come here.
        return call


class _AsyncQueue(_NamedQueue):
    """Stands for an `ArqQueue`, and is taken for one by `isinstance`."""

    __class__: Any = property(lambda _: ArqQueue)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(clients_of(self._alias).async_queue, name)


@functools.cache
def _blocking(alias: str) -> SyncArqQueue:
    return cast("SyncArqQueue", _BlockingQueue(alias))


@functools.cache
def _async(alias: str) -> ArqQueue:
    return cast("ArqQueue", _AsyncQueue(alias))


queues = BlockingQueues(_blocking)
"""The queues of blocking code: ``queues["mail"]``."""

aqueues = AsyncQueues(_async)
"""The queues of asynchronous code: ``aqueues["mail"]``."""

queue = _blocking(DEFAULT_ALIAS)
"""The default queue of blocking code."""

aqueue = _async(DEFAULT_ALIAS)
"""The default queue of asynchronous code."""


def _on_setting_changed(*, setting: str, **_: Any) -> None:
    if setting == SETTING:
        queues.close_all()


setting_changed.connect(_on_setting_changed, dispatch_uid=__name__)
