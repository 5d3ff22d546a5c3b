"""The way to the server: one command, one reply, retried within a budget.

How commands and replies travel is the business of `arqade._transport`; here it is known which of
them may be repeated, and what it means for the caller when no answer comes.
"""

from __future__ import annotations

import random
import time
from collections import deque
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError

from arqade._async.primary import DirectPrimary
from arqade._concurrency import async_sleep, running_event_loop
from arqade._protocol import scripts
from arqade._protocol.clock import ServerClock
from arqade._protocol.errors import SendAgain, closed_error
from arqade._transport.errors import is_transient, translate
from arqade._transport.lines import CLOSED, LineBroken
from arqade._transport.redis_py import pack_command
from arqade._transport.shared import SharedConnection
from arqade._transport.shared_durable import DurableConnection
from arqade._transport.shared_listener import SharedListener, SharedWatch
from arqade._transport.shared_pipe import SharedPipe
from arqade.exceptions import QueueConnectionError, QueueServerError, WrongEventLoopError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arqade._async.primary import Primary, SentinelPrimary
    from arqade._protocol.scripts import Command
    from arqade._protocol.tracking import PushMode
    from arqade.settings import Durability

__all__ = ["Connections", "Pipe"]

T = TypeVar("T")

FIRST_DELAY = 0.05
"""Seconds before the first retry, at least."""

LONGEST_DELAY = 1.0
"""Seconds between retries, at most."""

ANSWER_TIME = 5.0
"""Seconds that a server has to answer, where the settings say nothing."""

PATIENCE = 1.0
"""Seconds without a reply, after which it is asked again which server is the primary."""

SLOW_BYTES = 1_000_000
"""Bytes that take a second more, on a slow network."""

NOTHING_CHANGED = "nothing was changed"


class Connections:
    """Sends commands to a server.

    Args:
        client: redis-py's client, whose pool makes the connections.
        retry_budget: Seconds that one operation may take, retries included.
        durability: Whether a command that `waits` counts only once all replicas have it.

    Raises:
        TypeError: ``client`` is no client of redis-py of this kind.
    """

    def __init__(
        self, client: Redis, *, retry_budget: float, durability: Durability = "primary"
    ) -> None:
        if not isinstance(client, Redis):
            raise TypeError(
                f"pool must be a {Redis.__module__}.{Redis.__qualname__}, not "
                f"{type(client).__module__}.{type(client).__qualname__}"
            )
        self.clock = ServerClock()
        self.retry_budget = retry_budget
        self.closed = False
        self._event_loop: object = None
        self._unused = True
        self._pool: Any = client.connection_pool
        kwargs = self._pool.connection_kwargs
        answer_time = kwargs.get("socket_timeout") or ANSWER_TIME
        self._line = SharedConnection(
            self._pool,
            owned=False,
            socket_timeout=answer_time,
            heartbeat=kwargs.get("health_check_interval") or 0,
        )
        self._listener = SharedListener(self._pool, answer_time=answer_time)
        self._durable: DurableConnection | None = None
        self._primary: Primary | None = None
        if durability == "all-replicas":
            self._durable = DurableConnection(self._line)
            self._follow(DirectPrimary())

    def _follow(self, primary: Primary | None) -> None:
        self._primary = primary
        if primary is not None:
            primary.attach(self._line, self._durable, self._listener)

    @property
    def waits(self) -> bool:
        """Whether commands are confirmed by replicas, those that are to be."""
        return self._durable is not None

    @property
    def owned(self) -> bool:
        """Whether the pool is closed with this object."""
        return self._line.owned

    def own(self, primary: SentinelPrimary | None) -> None:
        """Take the pool over, and keep its connections between calls.

        Args:
            primary: Who knows where the pool's connections lead to, if sentinels do.
        """
        self._line.owned = True
        if self._durable is not None:
            self._durable = DurableConnection(self._line)
        self._follow(primary or self._primary)

    async def run(
        self,
        command: Command[T],
        *,
        effect: str = NOTHING_CHANGED,
        budget: float | None = None,
        retried: bool = True,
        unanswered: bool = False,
    ) -> T:
        """Send a command and read its reply, again and again within the budget where that helps.

        Args:
            command: What to send.
            effect: What it means for the caller if the server has not done it, for the message.
            budget: Seconds that this may take; the queue's budget if None.
            retried: Whether to try again after an error that may pass.
            unanswered: Whether it was sent before, and not answered.

        Raises:
            QueueClosed: The queue was closed.
            WrongEventLoopError: This is not the event loop of the first call.
            QueueConnectionError: The server can't be reached; an `Unanswered` if it may have
                got the command.
            QueueServerError: The server refused the command.
        """
        self._check_open(effect, unanswered=unanswered)
        end = time.monotonic() + (self.retry_budget if budget is None else budget)
        packed = pack_command(command.words)
        once = command.changes and not command.repeatable
        whole = False
        delays: Iterator[float] | None = None
        while True:
            try:
                if self._primary is None:
                    reply = await self._line.exchange(packed, end, once=once)
                else:
                    reply = await self._exchange(command, packed, end, self._primary, once=once)
                return command.read(reply)
            except RedisError as refusal:
                if isinstance(refusal, NoScriptError) and not whole:
                    packed, whole = pack_command(command.words_with_script), True
                    continue
                error: Exception = refusal
            except LineBroken as broken:
                error = broken.error
                unanswered = unanswered or (command.changes and broken.sent)
            if delays is None:
                delays = _delays()
            left = end - time.monotonic()
            # The last pause is shorter, so that there is time for one more attempt.
            delay = max(FIRST_DELAY, min(next(delays), left / 2))
            if (
                not retried
                or self.closed
                or (unanswered and once)
                or not is_transient(error)
                or delay >= left
            ):
                if self.closed and not unanswered:
                    raise closed_error() from error
                raise translate(error, effect=effect, sent=unanswered) from error
            await async_sleep(delay)
            self._check_open(effect, unanswered=unanswered)

    async def _exchange(
        self, command: Command[Any], packed: bytes, end: float, primary: Primary, *, once: bool
    ) -> Any:
        """Send a command to what is the primary now."""
        await primary.ensure(end)
        if command.changes and not once and primary.can_move:
            # If that one hangs, another may have taken its place.
            patience = PATIENCE + len(packed) / SLOW_BYTES
            end = min(end, time.monotonic() + patience)
        line = self._line if self._durable is None or not command.waits else self._durable
        return await line.exchange(packed, end, once=once)

    def pipe(self) -> Pipe[Any]:
        """Give a way to send commands without waiting for the replies to earlier ones."""
        self.check_usable()
        return Pipe(self, self._durable or self._line, self._primary)

    @property
    def push_mode(self) -> PushMode | None:
        """How results are heard of; None if nobody has waited yet."""
        return self._listener.mode

    def watch(self) -> SharedWatch:
        """Give what tells one caller when to look for results."""
        self.check_usable()
        return self._listener.watch()

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

    def _check_open(self, effect: str, *, unanswered: bool) -> None:
        if self.closed and unanswered:
            error = RedisConnectionError(CLOSED)
            raise translate(error, effect=effect, sent=True) from error
        self.check_usable()

    def check_usable(self) -> None:
        """Raise if this is closed, or belongs to another event loop."""
        if self.closed:
            raise closed_error()
        if self._event_loop is not running_event_loop() or self._unused:
            self._check_event_loop()

    def _check_event_loop(self) -> None:
        event_loop = running_event_loop()
        if self._unused:
            self._event_loop, self._unused = event_loop, False
        elif self._event_loop is not event_loop:
            raise WrongEventLoopError(
                "The queue belongs to another event loop, nothing was sent: open one queue in "
                "each event loop, or use the sync API."
            )

    async def aclose(self) -> None:
        """Close the connections; further calls raise `QueueClosed`.

        Raises:
            WrongEventLoopError: The connections are another event loop's, and end with it.
        """
        if self.closed:
            return
        self.closed = True
        self._check_event_loop()
        # Each of them, even if the caller is cancelled meanwhile.
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._line.aclose)
            if self._durable is not None:
                stack.push_async_callback(self._durable.aclose)
            if self._primary is not None:
                stack.push_async_callback(self._primary.aclose)
            stack.push_async_callback(self._listener.aclose)

    def abandon(self) -> None:
        """Give up what was opened here, when nobody can close it any more."""
        self._listener.abandon()
        if self._primary is not None:
            self._primary.abandon()
        if self.owned:
            self._line.abandon()
            if self._durable is not None:
                self._durable.abandon()


class Pipe(Generic[T]):
    """Sends commands without waiting for the replies to earlier ones.

    What got no answer, and all that was to be sent after it, has to be sent again, one by one, in
    its order.

    Args:
        connections: Whose budget limits the waiting.
        line: What sends the commands.
        primary: Who knows whether the line still leads to the primary; None if it always does.
    """

    def __init__(
        self,
        connections: Connections,
        line: SharedConnection | DurableConnection,
        primary: Primary | None,
    ) -> None:
        self._connections = connections
        self._line = line
        self._primary = primary
        self._pipe = SharedPipe(line)
        self._commands: deque[tuple[Command[T], bool]] = deque()

    async def send(self, command: Command[T]) -> None:
        """Send a command; an error comes when its answer is asked for."""
        if not self._commands and self._pipe.failed:
            await self._pipe.aclose()
            self._pipe = SharedPipe(self._line)
        end = self._end()
        sent = await self._is_primary(end)
        sent = sent and await self._pipe.send(pack_command(command.words), end)
        self._commands.append((command, sent))

    async def _is_primary(self, end: float) -> bool:
        try:
            if self._primary is not None:
                await self._primary.ensure(end)
        except (LineBroken, RedisError):
            return False  # Whoever sends the command again hears of it.
        return True

    async def receive(self) -> T:
        """Give the answer to the oldest command that has none yet.

        Raises:
            SendAgain: There is none.
        """
        command, sent = self._commands.popleft()
        if not sent:
            raise SendAgain(unanswered=False)
        try:
            return command.read(await self._pipe.receive(self._end()))
        except LineBroken as broken:
            raise SendAgain(unanswered=broken.sent and command.changes) from broken.error
        except RedisError as refusal:
            # The server says so again, or has learnt the script.
            raise SendAgain(unanswered=False) from refusal

    def _end(self) -> float:
        return time.monotonic() + self._connections.retry_budget

    async def aclose(self) -> None:
        """Forget the answers that are still to come."""
        await self._pipe.aclose()


def _delays() -> Iterator[float]:
    """Give the seconds before each retry: growing, with jitter, without an end."""
    longest = FIRST_DELAY
    while True:
        # Jitter keeps no secrets.
        yield random.uniform(FIRST_DELAY, max(FIRST_DELAY, longest))  # noqa: S311
        longest = min(longest * 2, LONGEST_DELAY)
