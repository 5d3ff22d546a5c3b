"""Queues for FastAPI: a dependency that the application starts and stops, or one without a global.

`arq_dependency` is shared by the whole process, as safir's is, and `sync_arq_dependency` is its
blocking twin for ``def`` endpoints. With `lifespan`, the queue is part of the application's state
instead, where `get_arq_queue` finds it.
"""

# FastAPI reads the annotations of a dependency when the application runs: there is no import from
# __future__ here, and none for type checkers only.

import threading
from contextlib import suppress
from typing import Annotated

from fastapi import Depends

from arqade import (
    ArqMode,
    ArqQueue,
    Codec,
    MemoryStore,
    MockArqQueue,
    SyncArqQueue,
    SyncMockArqQueue,
    WrongEventLoopError,
)
from arqade._opening import DEFAULT_QUEUE, PICKLE, Mode, open_blocking, open_queue, options_for
from arqade.settings import AnySettings
from arqade.starlette import get_arq_queue, lifespan

__all__ = [
    "ArqDependency",
    "ArqMode",
    "ArqQueueDep",
    "SyncArqDependency",
    "arq_dependency",
    "get_arq_queue",
    "lifespan",
    "sync_arq_dependency",
]


class ArqDependency:
    """A dependency that gives the application's one queue, for ``async def`` endpoints.

    Call `initialize` when the application starts and `aclose` when it ends, and let endpoints ask
    for ``Depends(arq_dependency)``.
    """

    def __init__(self) -> None:
        self._arq_queue: ArqQueue | None = None

    async def initialize(
        self,
        *,
        mode: Mode,
        redis_settings: AnySettings | None = None,
        default_queue_name: str = DEFAULT_QUEUE,
        codec: Codec = PICKLE,
        store: MemoryStore | None = None,
    ) -> None:
        """Open the queue. One that is open already is closed once the new one is there.

        Args:
            mode: ``production`` for a `RedisArqQueue`, ``test`` for a `MockArqQueue`.
            redis_settings: Where the server is: arqade's settings, or arq's own. In test mode they
                are not looked at.
            default_queue_name: The queue of operations that name none.
            codec: How jobs and results become bytes: what the workers use.
            store: In test mode, another mock's `store`, to look at the same queues; None in
                production.

        Raises:
            RuntimeError: There are no settings in production.
            TypeError: A value is of a wrong type.
            ValueError: A value is not allowed.
            QueueConnectionError: The server can't be reached, or refuses the login.
            QueueServerError: The server refused.
        """
        options = options_for(mode, redis_settings, default_queue_name, codec, store)
        queue = await open_queue(options, store)
        previous, self._arq_queue = self._arq_queue, queue
        if previous is not None:
            # The connections of an event loop that has ended, as of another test, are gone with it.
            with suppress(WrongEventLoopError):
                await previous.aclose()

    @property
    def store(self) -> MemoryStore | None:
        """Where the mock of test mode holds its jobs; None in production.

        Given to `SyncArqDependency.initialize`, it lets both kinds of endpoints see the same jobs.

        Raises:
            RuntimeError: It is not initialized.
        """
        queue = self._opened()
        return queue.store if isinstance(queue, MockArqQueue) else None

    async def __call__(self) -> ArqQueue:
        """Give the queue; FastAPI calls this.

        Raises:
            RuntimeError: It is not initialized.
        """
        return self._opened()

    async def aclose(self) -> None:
        """Close the queue, if there is one; `initialize` may open another one."""
        queue, self._arq_queue = self._arq_queue, None
        if queue is not None:
            await queue.aclose()

    def _opened(self) -> ArqQueue:
        if self._arq_queue is None:
            raise _uninitialized(self)
        return self._arq_queue


class SyncArqDependency:
    """A dependency that gives the application's one queue, for ``def`` endpoints.

    All its methods block, `initialize` until the server has answered.
    """

    def __init__(self) -> None:
        self._arq_queue: SyncArqQueue | None = None
        self._lock = threading.Lock()

    def initialize(
        self,
        *,
        mode: Mode,
        redis_settings: AnySettings | None = None,
        default_queue_name: str = DEFAULT_QUEUE,
        codec: Codec = PICKLE,
        store: MemoryStore | None = None,
    ) -> None:
        """Open the queue. One that is open already is closed once the new one is there.

        Args:
            mode: ``production`` for a `SyncRedisArqQueue`, ``test`` for a `SyncMockArqQueue`.
            redis_settings: Where the server is: arqade's settings, or arq's own. In test mode they
                are not looked at.
            default_queue_name: The queue of operations that name none.
            codec: How jobs and results become bytes: what the workers use.
            store: In test mode, another mock's `store`, to look at the same queues; None in
                production. `ArqDependency.store` is right in both modes.

        Raises:
            RuntimeError: There are no settings in production.
            TypeError: A value is of a wrong type.
            ValueError: A value is not allowed.
            QueueConnectionError: The server can't be reached, or refuses the login.
            QueueServerError: The server refused.
        """
        options = options_for(mode, redis_settings, default_queue_name, codec, store)
        self._replace(open_blocking(options, store))

    @property
    def store(self) -> MemoryStore | None:
        """Where the mock of test mode holds its jobs; None in production.

        Raises:
            RuntimeError: It is not initialized.
        """
        queue = self()
        return queue.store if isinstance(queue, SyncMockArqQueue) else None

    def __call__(self) -> SyncArqQueue:
        """Give the queue; FastAPI calls this.

        Raises:
            RuntimeError: It is not initialized.
        """
        queue = self._arq_queue
        if queue is None:
            raise _uninitialized(self)
        return queue

    def close(self) -> None:
        """Close the queue, if there is one; `initialize` may open another one."""
        self._replace(None)

    def _replace(self, queue: SyncArqQueue | None) -> None:
        with self._lock:
            previous, self._arq_queue = self._arq_queue, queue
        if previous is not None:
            previous.close()


arq_dependency = ArqDependency()
"""Gives the queue of the process to ``async def`` endpoints, by ``Depends(arq_dependency)``."""

sync_arq_dependency = SyncArqDependency()
"""Gives the queue of the process to ``def`` endpoints, by ``Depends(sync_arq_dependency)``."""


ArqQueueDep = Annotated[ArqQueue, Depends(get_arq_queue)]
"""The type of an endpoint's parameter that is to be the queue of `lifespan`."""


def _uninitialized(dependency: object) -> RuntimeError:
    return RuntimeError(
        f"{type(dependency).__name__} is not initialized: call its initialize() when the "
        "application starts"
    )
