"""A queue in the state of a Starlette application: opened when it starts, closed when it ends."""

# FastAPI reads the annotations of `get_arq_queue`: there is no import from __future__ here.

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from starlette.requests import HTTPConnection

from arqade import ArqQueue, Codec, MemoryStore
from arqade._opening import DEFAULT_QUEUE, PICKLE, Mode, open_queue, options_for
from arqade.settings import AnySettings

__all__ = ["get_arq_queue", "lifespan"]

_STATE = "arq_queue"


def lifespan(
    *,
    mode: Mode,
    redis_settings: AnySettings | None = None,
    default_queue_name: str = DEFAULT_QUEUE,
    codec: Codec = PICKLE,
    store: MemoryStore | None = None,
) -> Callable[[Any], AbstractAsyncContextManager[dict[str, ArqQueue]]]:
    """Make a lifespan that opens a queue, keeps it in the application's state, and closes it.

    It is what ``Starlette(lifespan=...)`` and ``FastAPI(lifespan=...)`` take. An application with a
    lifespan of its own enters it there, and yields its state with that of its own::

        @asynccontextmanager
        async def app_lifespan(app):
            async with arq_lifespan(app) as state:
                yield {**state, "settings": settings}

    The errors are raised when the application starts.

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

    @asynccontextmanager
    async def run(_app: Any) -> AsyncIterator[dict[str, ArqQueue]]:
        options = options_for(mode, redis_settings, default_queue_name, codec, store)
        async with await open_queue(options, store) as queue:
            yield {_STATE: queue}

    return run


async def get_arq_queue(connection: HTTPConnection) -> ArqQueue:
    """Give the queue that `lifespan` keeps, to an HTTP or WebSocket route.

    Args:
        connection: The request, or the WebSocket.

    Raises:
        RuntimeError: The application runs without that lifespan.
    """
    queue: ArqQueue | None = getattr(connection.state, _STATE, None)
    if queue is None:
        raise RuntimeError(
            "there is no queue in the application's state: pass it "
            f"lifespan={lifespan.__module__}.lifespan(...), or yield that one's state from its "
            "own lifespan; a test whose client runs no lifespan overrides get_arq_queue"
        )
    return queue
