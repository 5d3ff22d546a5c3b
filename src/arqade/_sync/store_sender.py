# Generated from src/arqade/_async/store_sender.py by "make generate"; do not edit.
"""The way to a server in memory."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from arqade._concurrency import sleep
from arqade._protocol.errors import closed_error
from arqade._protocol.tracking import Watcher

if TYPE_CHECKING:
    from arqade._protocol.memory import MemoryStore
    from arqade._protocol.scripts import Command
    from arqade._protocol.tracking import PushMode

__all__ = ["StoreSender"]

T = TypeVar("T")


class StoreSender:
    """Carries commands to a store.

    Args:
        store: The store.
    """

    def __init__(self, store: MemoryStore) -> None:
        self.clock = _StoreClock(store)
        self.retry_budget = 10.0
        self.closed = False
        self.waits = False
        self.failure: BaseException | type[BaseException] | None = None
        """What every operation raises, as if the server were down."""
        self._store = store

    def run(
        self,
        command: Command[T],
        *,
        effect: str = "",
        budget: float | None = None,
        unanswered: bool = False,
    ) -> T:
        """Carry out a command."""
        if self.closed:
            raise closed_error()
        if self.failure is not None:
            raise self.failure
        return command.read(self._store.execute(command.words))

    def pipe(self) -> _StorePipe[Any]:
        """Give a way to hand in commands before the answers to earlier ones are asked for."""
        if self.closed:
            raise closed_error()
        return _StorePipe(self)

    @property
    def push_mode(self) -> PushMode:
        """How results are heard of."""
        return "polling"

    def watch(self) -> _StoreWatch:
        """Give what tells one caller when to look for results."""
        return _StoreWatch()

    def close(self) -> None:
        """Refuse further calls."""
        self.closed = True


class _StoreClock:
    """The time of a store, as the operations of a queue ask for it."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def now(self) -> int:
        return self._store.now()

    def learn(self, server_time: int, /) -> None:
        """Do nothing: the store's time is known."""


class _StorePipe(Generic[T]):
    """Takes commands, and carries each out when its answer is asked for."""

    def __init__(self, sender: StoreSender) -> None:
        self._sender = sender
        self._commands: deque[Command[T]] = deque()

    def send(self, command: Command[T]) -> None:
        self._commands.append(command)

    def receive(self) -> T:
        return self._sender.run(self._commands.popleft())

    def close(self) -> None:
        self._commands.clear()


class _StoreWatch(Watcher):
    """Says "look at all" again and again, in growing intervals: a test may change the store."""

    def add(self, job_id: str, *, has_job: bool) -> None:
        self.ids[job_id] = has_job

    def remove(self, job_id: str) -> None:
        self.ids.pop(job_id, None)

    def changed(self, end: float) -> set[str]:
        sleep(max(0, min(self.pause(pushing=False), end - time.monotonic())))
        return set(self.ids)

    def close(self) -> None:
        self.ids.clear()
