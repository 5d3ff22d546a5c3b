"""Queues for FastAPI: a dependency that the application starts and stops, or one without a global.

`arq_dependency` is shared by the whole process, as safir's is, and `sync_arq_dependency` is its
blocking twin for ``def`` endpoints. With `lifespan`, the queue is part of the application's state
instead, where `get_arq_queue` finds it.
"""

# FastAPI reads the annotations of a dependency when the application runs: there is no import from
# __future__ here, and none for type checkers only.

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Annotated, Any, Literal

from fastapi import Depends
from fastapi.requests import HTTPConnection

from arqade import (
    ArqMode,
    ArqQueue,
    Codec,
    MemoryStore,
    MockArqQueue,
    PickleCodec,
    RedisArqQueue,
    RedisSettings,
    SyncArqQueue,
    SyncMockArqQueue,
    SyncRedisArqQueue,
    WrongEventLoopError,
)
from arqade.settings import AnySettings

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

_Mode = ArqMode | Literal["production", "test"]

DEFAULT_QUEUE = "arq:queue"
"""The queue of a stock worker that names none."""

_PICKLE = PickleCodec()
_STATE = "arq_queue"


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
        mode: _Mode,
        redis_settings: AnySettings | None = None,
        default_queue_name: str = DEFAULT_QUEUE,
        codec: Codec = _PICKLE,
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
        settings = _production_settings(mode, redis_settings, store)
        queue: ArqQueue
        if settings is None:
            queue = MockArqQueue(default_queue_name=default_queue_name, codec=codec, store=store)
        else:
            queue = await RedisArqQueue.initialize(settings, default_queue_name, codec)
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
        mode: _Mode,
        redis_settings: AnySettings | None = None,
        default_queue_name: str = DEFAULT_QUEUE,
        codec: Codec = _PICKLE,
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
        settings = _production_settings(mode, redis_settings, store)
        queue: SyncArqQueue
        if settings is None:
            queue = SyncMockArqQueue(
                default_queue_name=default_queue_name, codec=codec, store=store
            )
        else:
            queue = SyncRedisArqQueue.initialize(settings, default_queue_name, codec)
        self._replace(queue)

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


def lifespan(
    *,
    mode: _Mode,
    redis_settings: AnySettings | None = None,
    default_queue_name: str = DEFAULT_QUEUE,
    codec: Codec = _PICKLE,
    store: MemoryStore | None = None,
) -> Callable[[Any], AbstractAsyncContextManager[dict[str, ArqQueue]]]:
    """Make a lifespan that opens a queue, keeps it in the application's state, and closes it.

    It is what ``FastAPI(lifespan=...)`` takes. An application with a lifespan of its own enters it
    there, and yields its state with that of its own::

        @asynccontextmanager
        async def app_lifespan(app):
            async with arq_lifespan(app) as state:
                yield {**state, "settings": settings}

    Arguments and errors are those of `ArqDependency.initialize`; the errors are raised when the
    application starts.
    """

    @asynccontextmanager
    async def run(_app: Any) -> AsyncIterator[dict[str, ArqQueue]]:
        dependency = ArqDependency()
        await dependency.initialize(
            mode=mode,
            redis_settings=redis_settings,
            default_queue_name=default_queue_name,
            codec=codec,
            store=store,
        )
        try:
            yield {_STATE: await dependency()}
        finally:
            await dependency.aclose()

    return run


async def get_arq_queue(connection: HTTPConnection) -> ArqQueue:
    """Give the queue that `lifespan` keeps; a dependency for HTTP and WebSocket routes.

    Raises:
        RuntimeError: The application runs without that lifespan.
    """
    queue: ArqQueue | None = getattr(connection.state, _STATE, None)
    if queue is None:
        raise RuntimeError(
            "there is no queue in the application's state: pass "
            "lifespan=arqade.fastapi.lifespan(...) to FastAPI, or yield its state from the "
            "application's own lifespan; a test whose client runs no lifespan overrides "
            "get_arq_queue"
        )
    return queue


ArqQueueDep = Annotated[ArqQueue, Depends(get_arq_queue)]
"""The type of an endpoint's parameter that is to be the queue of `lifespan`."""


def _production_settings(
    mode: _Mode, redis_settings: AnySettings | None, store: MemoryStore | None
) -> RedisSettings | None:
    """Give the settings of a queue on a server, or None for a mock."""
    if ArqMode(mode) is ArqMode.test:
        return None
    if redis_settings is None:
        raise RuntimeError("The redis_settings argument must be set for arq in production.")
    if store is not None:
        raise ValueError("store is for test mode: in production the server holds the jobs")
    return RedisSettings.from_arq(redis_settings)


def _uninitialized(dependency: object) -> RuntimeError:
    return RuntimeError(
        f"{type(dependency).__name__} is not initialized: call its initialize() when the "
        "application starts"
    )
