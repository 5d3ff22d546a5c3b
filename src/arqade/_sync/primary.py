# Generated from src/arqade/_async/primary.py by "make generate"; do not edit.
"""Which server is the primary, asked anew while jobs are written.

A primary that was replaced may take writes for seconds, until it learns of it, and then lose them.
So no connection to it is trusted for longer than `TRUST`, and all sentinels are asked: the one that
leads a failover knows of it first.
"""

from __future__ import annotations

import abc
import contextlib
import math
import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from redis.backoff import NoBackoff
from redis.connection import BlockingConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from arqade._compat import override
from arqade._concurrency import Turns
from arqade._protocol.replication import ROLE, Opinion, Role, believe, questions
from arqade._transport.bounded import Connection, SSLConnection
from arqade._transport.errors import UnknownServiceError, is_refused_login, is_transient
from arqade._transport.lines import LineBroken, fresh
from arqade._transport.redis_py import pack_command
from arqade._transport.thread_pipe import ThreadPipe
from arqade._transport.threads import ThreadConnections

if TYPE_CHECKING:
    from arqade._protocol.replication import Address
    from arqade._transport.thread_durable import DurableThreads
    from arqade._transport.thread_listener import ThreadListener
    from arqade.settings import RedisSettings

__all__ = ["DirectPrimary", "Primary", "SentinelPrimary", "make_pool"]

TRUST = 0.1
"""Seconds for which an answer is believed."""

ANSWER_TIME = 0.5
"""Seconds that servers and sentinels have to answer, where others are known to."""

FIRST_REST = 1.0
"""Seconds for which a sentinel that did not answer is left alone; twice as long each time."""

LONGEST_REST = 8.0
"""Seconds for which a sentinel is left alone, at most."""

PACKED_ROLE = pack_command(ROLE)


def make_pool(connection_class: Any, *, size: int, timeout: float, **kwargs: Any) -> Any:
    """Make a pool of our own.

    Args:
        connection_class: redis-py's, or one that is made of it.
        size: Connections at most.
        timeout: Seconds to wait for one of them.
        **kwargs: What the connections take.
    """
    make: Any = BlockingConnectionPool  # redis-py's types know whole seconds only
    return make(
        connection_class=connection_class,
        max_connections=size,
        timeout=timeout,
        # Retries are made here, where it is known whether a command may be repeated.
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        **kwargs,
    )


class Primary(abc.ABC):
    """Knows, of a moment ago, that the server is one to write to."""

    can_move = False
    """Whether another server may take its place, and be heard of here."""

    def __init__(self) -> None:
        self._line: ThreadConnections
        self._durable: DurableThreads | None = None
        self._listener: ThreadListener | None = None
        self._good_until = -math.inf
        self._failed_at = -math.inf
        self._failure: Exception = RedisConnectionError("not connected")
        self._turns = Turns()
        self._pid = os.getpid()
        self._links: list[ThreadConnections] = []
        """Connections to those who are asked for the primary."""

    def attach(
        self, line: ThreadConnections, durable: DurableThreads | None, listener: ThreadListener
    ) -> None:
        """Take the connections that lead to the primary."""
        self._line, self._durable, self._listener = line, durable, listener

    def ensure(self, end: float) -> None:
        """Know which server is the primary; return at once if it was known a moment ago.

        Args:
            end: Until when to find out, by the monotonic clock.

        Raises:
            LineBroken: It can't be known now; nothing of the caller's was sent.
            redis.exceptions.RedisError: A server refused to say it.
        """
        if self._pid != os.getpid():
            # A lock that came through a fork may be held by a thread that did not.
            self._turns, self._pid = Turns(), os.getpid()
        since = time.monotonic()
        if since < self._good_until:
            return
        try:
            with self._turns.turn(end):
                if time.monotonic() >= self._good_until:
                    self._look_once(since, end)
        except TimeoutError:
            raise LineBroken(RedisTimeoutError("no time left"), sent=False) from None

    def _look_once(self, since: float, end: float) -> None:
        if self._failed_at < since:
            # Who has waited for its turn meanwhile shares what comes of it.
            try:
                self._look(end)
            except LineBroken as broken:
                self._failure, self._failed_at = broken.error, time.monotonic()
            else:
                self._good_until = time.monotonic() + TRUST
                return
        raise LineBroken(fresh(self._failure), sent=False) from None

    @abc.abstractmethod
    def _look(self, end: float) -> None:
        """Find out; raise what `ensure` raises if it can't be known."""

    def _role(self, end: float) -> Role:
        return Role.read(self._line.exchange(PACKED_ROLE, end))

    def _count_replicas(self, count: int) -> None:
        if self._durable is not None:
            # A job that is on one server alone is on no replica.
            self._durable.replicas = max(count, 1)

    def close(self) -> None:
        """Close the connections that belong to this object."""
        with ExitStack() as stack:
            for line in self._links:
                stack.callback(line.close)

    def abandon(self) -> None:
        """Give them up, when nobody can close them any more."""
        for line in self._links:
            line.abandon()


class DirectPrimary(Primary):
    """The server that the settings name, whose replicas must confirm what is written."""

    @override
    def _look(self, end: float) -> None:
        self._count_replicas(self._role(end).replicas)


class SentinelPrimary(Primary):
    """The server that sentinels name.

    Args:
        settings: Which sentinels, and which service.
    """

    can_move = True

    def __init__(self, settings: RedisSettings) -> None:
        super().__init__()
        self.address: Address | None = None
        """Where the primary is, once it is known."""
        self._former: Address | None = None
        self._followers = 0
        """The number of replicas that were connected to the primary the last time."""
        self._error: Exception = RedisConnectionError("no sentinel was asked")
        self._service = settings.sentinel_master
        self._conn_timeout = settings.conn_timeout
        self._questions = [pack_command(words) for words in questions(self._service)]
        self._sentinels = [
            _Sentinel(settings, host, port) for host, port in settings.sentinel_addresses()
        ]
        self._links = [sentinel.line for sentinel in self._sentinels]

    @override
    def _look(self, end: float) -> None:
        opinions = self._ask(end)
        if not opinions:
            self._go_on(end)
            return
        for found in believe(opinions):
            heard_all = len(opinions) >= max(found.sentinels, len(self._sentinels))
            self._check_no_failover(found, heard_all=heard_all)
            limit = time.monotonic() + ANSWER_TIME
            if found.address != self.address:
                self._former, self.address = self.address, found.address
                self._renew()
                limit += self._conn_timeout
            if self._is_primary(min(end, limit)):
                replicas = found.count_replicas(cut_off=not heard_all)
                self._count_replicas(replicas or self._followers)
                return
        raise LineBroken(RedisConnectionError("the server is no primary"), sent=False)

    def _check_no_failover(self, found: Opinion, *, heard_all: bool) -> None:
        # The sentinel that leads a failover says so. Where it does not answer, it gives itself away
        # by the server that it has promoted; the primary of before may not know its place yet.
        if self._former in found.followers:
            self._former = None
        rivals = found.rivals - {self.address, self._former}
        if found.failing_over or (rivals and not heard_all):
            raise LineBroken(RedisConnectionError("a failover is under way"), sent=False)

    def _is_primary(self, end: float) -> bool:
        try:
            role = self._role(end)
        except NoPermissionError:
            return True  # Then the sentinels' word has to do.
        if role.is_primary:
            self._followers = role.replicas
        return role.is_primary

    def _go_on(self, end: float) -> None:
        """Trust the primary without a sentinel, as long as none of its replicas has left it."""
        if self.address is not None:
            with contextlib.suppress(LineBroken, RedisError):
                role = self._role(min(end, time.monotonic() + ANSWER_TIME))
                if role.is_primary and role.replicas >= self._followers:
                    return
        raise LineBroken(fresh(self._error), sent=False)

    def _renew(self) -> None:
        moved = RedisConnectionError("the primary has moved")
        self._line.renew(moved)
        if self._durable is not None:
            self._durable.renew(moved)
        if self._listener is not None:
            self._listener.renew()

    def _ask(self, end: float) -> list[Opinion]:
        """Give what those sentinels say that answer and know the service."""
        now = time.monotonic()
        opinions: list[Opinion] = []
        errors: list[Exception] = []
        with ExitStack() as stack:
            asked = []
            for sentinel in self._sentinels:
                if sentinel.not_before > now and self.address is not None:
                    continue
                limit = min(end, time.monotonic() + self._patience(sentinel))
                pipe = ThreadPipe(sentinel.line)
                # Even if the caller is cancelled before it has all answers.
                stack.callback(pipe.close)
                for packed in self._questions:
                    pipe.send(packed, limit)
                asked.append((sentinel, pipe, limit))
            for sentinel, pipe, limit in asked:
                try:
                    opinions.append(sentinel.answer(pipe, len(self._questions), limit))
                except LineBroken as broken:
                    errors.append(sentinel.named(broken.error))
                    if limit < end or time.monotonic() < end:
                        # It had the time that it should have.
                        sentinel.leave_alone()
        known = [opinion for opinion in opinions if opinion.address is not None]
        if opinions and not known:
            errors.append(UnknownServiceError(f"no sentinel knows {self._service!r}"))
        if errors:
            # If one of them may come back, it is worth to wait for.
            self._error = next(filter(is_transient, errors), errors[-1])
        return known

    def _patience(self, sentinel: _Sentinel) -> float:
        """Give the seconds that a sentinel has to answer."""
        if self.address is None:
            return self._conn_timeout + ANSWER_TIME
        return self._conn_timeout / 2 if sentinel.is_failing else ANSWER_TIME


class _Sentinel:
    """One of the sentinels."""

    def __init__(self, settings: RedisSettings, host: str, port: int) -> None:
        self.name = f"{host}:{port}"
        kwargs = settings.sentinel_kwargs()
        connection_class: Any = SSLConnection if kwargs.pop("ssl", False) else Connection
        pool = make_pool(
            connection_class, size=2, timeout=ANSWER_TIME, host=host, port=port, **kwargs
        )
        silence = max(settings.conn_timeout, ANSWER_TIME)
        self.line = ThreadConnections(pool, owned=True, socket_timeout=silence)
        self.not_before = -math.inf
        """From when on to ask it again, by the monotonic clock."""
        self._rest = 0.0

    @property
    def is_failing(self) -> bool:
        """Whether it did not answer the last time."""
        return self._rest > 0

    def answer(self, pipe: ThreadPipe, count: int, end: float) -> Opinion:
        """Give its answer to so many questions.

        Raises:
            LineBroken: It gives none.
        """
        replies: list[Any] = []
        try:
            while len(replies) < count:
                replies.append(pipe.receive(end))
            opinion = Opinion.read(replies)
        except RedisError as refusal:
            # The first answer is enough, and all that some users may ask for.
            if not replies:
                raise LineBroken(refusal, sent=False) from refusal
            opinion = Opinion.read(replies)
        self._rest, self.not_before = 0.0, -math.inf
        return opinion

    def named(self, error: Exception) -> Exception:
        """Say in an error which sentinel it comes from."""
        login = " (sentinel_username, sentinel_password)" if is_refused_login(error) else ""
        return fresh(error, f"sentinel {self.name}{login}: {error}")

    def leave_alone(self) -> None:
        """Don't ask it for a while."""
        self._rest = min(max(2 * self._rest, FIRST_REST), LONGEST_REST)
        self.not_before = time.monotonic() + self._rest
