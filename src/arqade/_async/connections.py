"""The way to the server: one command, one reply, retried within a budget.

redis-py does connecting, TLS, login and Sentinel; here its connections are taken from a pool and
used directly, so that it is known whether a command was sent.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from redis.asyncio import Redis
from redis.asyncio.connection import (
    BlockingConnectionPool,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError

from arqade._concurrency import (
    async_checkpoint,
    async_deadline,
    async_read_reply,
    async_sleep,
    running_event_loop,
)
from arqade._protocol import scripts
from arqade._protocol.clock import ServerClock
from arqade._protocol.errors import closed_error, is_transient, translate
from arqade.exceptions import (
    QueueConnectionError,
    QueueServerError,
    WrongEventLoopError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arqade._protocol.scripts import Command, Word
    from arqade.settings import RedisSettings

__all__ = ["Connections", "open_client"]

T = TypeVar("T")

MAX_CONNECTIONS = 50
"""The size of a pool whose settings name none; further callers wait for a connection."""

FIRST_DELAY = 0.05
"""Seconds before the first retry, at least."""

LONGEST_DELAY = 1.0
"""Seconds between retries, at most."""


class RedisConnection(Protocol):
    """What is used of a connection of redis-py."""

    socket_timeout: float | None

    async def send_command(self, *args: Any) -> None: ...
    async def read_response(self, disable_decoding: bool = ...) -> Any: ...
    async def can_read(self, timeout: float = ...) -> bool: ...
    async def disconnect(self, nowait: bool = ..., /) -> None: ...


class RedisPool(Protocol):
    """What is used of a connection pool of redis-py."""

    async def get_connection(self) -> RedisConnection: ...
    async def release(self, connection: Any) -> None: ...
    async def aclose(self) -> None: ...


class Connections:
    """Sends commands over the connections of a pool.

    Args:
        pool: redis-py's pool.
        owned: Whether to close the pool with this object.
        retry_budget: Seconds that one operation may take, retries included.
    """

    def __init__(self, pool: RedisPool, *, owned: bool, retry_budget: float) -> None:
        self.clock = ServerClock()
        self.retry_budget = retry_budget
        self.owned = owned
        self.closed = False
        self._pool = pool
        self._event_loop: object = None

    async def run(
        self,
        command: Command[T],
        *,
        effect: str = "nothing was changed",
        budget: float | None = None,
        retried: bool = True,
    ) -> T:
        """Send a command and read its reply, again and again within the budget where that helps.

        Args:
            command: What to send.
            effect: What it means for the caller if the server has not done it, for the message.
            budget: Seconds that this may take; the queue's budget if None.
            retried: Whether to try again after an error that may pass.

        Raises:
            QueueClosed: The queue was closed.
            WrongEventLoopError: This is not the event loop of the first call.
            QueueConnectionError: The server can't be reached; an `Unanswered` if it may have
                got the command.
            QueueServerError: The server refused the command.
        """
        self._check_usable()
        words = command.words
        end = time.monotonic() + (self.retry_budget if budget is None else budget)
        unanswered = False
        for delay in _delays():
            attempt = _Attempt()
            try:
                async with async_deadline(end - time.monotonic()):
                    reply = await self._exchange(words, attempt, end)
            except NoScriptError:
                words = command.words_with_script
                continue
            except (RedisError, OSError) as error:
                unanswered = command.changes and (unanswered or attempt.unanswered)
                if (
                    not retried
                    or (unanswered and not command.repeatable)
                    or not is_transient(error)
                    or time.monotonic() + delay >= end
                ):
                    raise translate(error, effect=effect, sent=unanswered) from error
            else:
                return command.read(reply)
            await async_sleep(delay)
        raise AssertionError("delays never end")  # pragma: no cover - for the type checkers

    async def _exchange(self, words: tuple[Word, ...], attempt: _Attempt, end: float) -> Any:
        await async_checkpoint()
        connection = await self._pool.get_connection()
        try:
            attempt.unanswered = True
            await connection.send_command(*words)
            reply = await async_read_reply(connection, end - time.monotonic())
        except ResponseError:
            attempt.unanswered = False
            raise
        except BaseException:
            # A reply that is still to come must not be read by the next caller.
            await connection.disconnect(True)
            raise
        else:
            return reply
        finally:
            await self._pool.release(connection)

    async def first_contact(self, *, retries: int, delay: float) -> None:
        """Wait until the server answers.

        Args:
            retries: How often to try again.
            delay: Seconds between the tries.

        Raises:
            QueueConnectionError: The server can't be reached, or refuses the login.
            QueueServerError: The server refused.
        """
        for left in range(retries, -1, -1):
            try:
                # Not PING: the time is needed anyway, and a user who may only enqueue may ask.
                server_time = await self.run(scripts.time(), retried=False)
            except (QueueConnectionError, QueueServerError) as error:
                if not left or not is_transient(cast("Exception", error.__cause__)):
                    raise
                await async_sleep(delay)
            else:
                self.clock.learn(server_time)
                return

    def _check_usable(self) -> None:
        if self.closed:
            raise closed_error()
        self._check_event_loop()

    def _check_event_loop(self) -> None:
        event_loop = running_event_loop()
        if self._event_loop is None:
            self._event_loop = event_loop
        elif self._event_loop is not event_loop:
            raise WrongEventLoopError(
                "The queue belongs to another event loop, nothing was sent: open one queue in "
                "each event loop, or use the sync API."
            )

    async def aclose(self) -> None:
        """Close the pool if it is owned; further calls raise `QueueClosed`.

        Raises:
            WrongEventLoopError: The connections are another event loop's, and end with it.
        """
        if self.closed:
            return
        self.closed = True
        if self.owned:
            self._check_event_loop()
            await self._pool.aclose()


class _Attempt:
    """One sending of a command: whether it ended without an answer."""

    __slots__ = ("unanswered",)

    def __init__(self) -> None:
        self.unanswered = False


def _delays() -> Iterator[float]:
    """Give the seconds before each retry: growing, with jitter, without an end."""
    longest = FIRST_DELAY
    while True:
        # Jitter keeps no secrets.
        yield random.uniform(FIRST_DELAY, max(FIRST_DELAY, longest))  # noqa: S311
        longest = min(longest * 2, LONGEST_DELAY)


def open_client(settings: RedisSettings) -> Redis:
    """Make a client with a pool of its own; it connects when it is first used."""
    kwargs: dict[str, Any] = {
        **settings.connection_kwargs(),
        # Retries are made here, where it is known whether a command may be repeated.
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }
    if settings.sentinel:
        find: Any = Sentinel  # redis-py leaves it untyped
        client: Redis = find(settings.host, sentinel_kwargs=settings.sentinel_kwargs()).master_for(
            settings.sentinel_master,
            ssl=settings.ssl,
            max_connections=settings.max_connections or MAX_CONNECTIONS,
            **kwargs,
        )
        return client
    if settings.unix_socket_path is not None:
        connection_class: Any = UnixDomainSocketConnection
    else:
        connection_class = SSLConnection if settings.ssl else Connection
    make_pool: Any = BlockingConnectionPool  # redis-py's types know whole seconds only
    pool = make_pool(
        connection_class=connection_class,
        max_connections=settings.max_connections or MAX_CONNECTIONS,
        timeout=settings.retry_budget,
        **kwargs,
    )
    return Redis(connection_pool=pool)
