# Generated from src/arqade/_async/bulk.py by "make generate"; do not edit.
"""Enqueuing many jobs: chunks on their way while the next ones are made."""

from __future__ import annotations

import os
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from arqade._protocol import scripts
from arqade._protocol.chunks import Chunk, make_ids
from arqade._protocol.errors import SendAgain, Unanswered
from arqade._protocol.scripts import MARKER_EXTRA_MS
from arqade.exceptions import ArqadeError, EnqueueManyError, QueueConnectionError
from arqade.models import JobRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from arqade._protocol.chunks import ChunkMaker, Settled
    from arqade._protocol.scripts import Command, EnqueueReply
    from arqade._sync.sender import Sender
    from arqade.models import JobMetadata

__all__ = ["MAX_CHUNK_SIZE", "NOT_QUEUED", "BulkEnqueue", "fence"]

MAX_CHUNK_SIZE = 1000
"""Jobs of one command at most: they hold up the server for some milliseconds."""

MOST_ON_THE_WAY = 4
"""Chunks that are sent and not answered: enough for client and server to work at the same time."""

FENCE_EXTRA_MS = 1000
"""How long after a call's budget its request may still create the job: the clock is an estimate."""

LAST_TRY = 1.0
"""Seconds to find out about a chunk after another one has failed."""

NOT_QUEUED = "the job was not queued"
"""What an error of enqueuing means, for its message."""


def fence(now: int, budget: float) -> int:
    """Give the server's time from which on a call may create nothing.

    Args:
        now: The server's time, in milliseconds.
        budget: Seconds that the call may take.
    """
    return now + int(budget * 1000) + FENCE_EXTRA_MS


class BulkEnqueue:
    """One call of ``enqueue_many``.

    Args:
        sender: What carries the commands.
        maker: What makes the chunks.
        chunk_size: The number of jobs of a chunk.
        progress: Called with the number of requests that are settled.
        collect: Whether to give metadata in the end.

    Raises:
        QueueClosed: The queue is closed.
    """

    def __init__(
        self,
        sender: Sender,
        maker: ChunkMaker,
        *,
        chunk_size: int,
        progress: Callable[[int], object] | None,
        collect: bool,
    ) -> None:
        self._sender = sender
        self._maker = maker
        self._chunk_size = chunk_size
        self._progress = progress
        self._collect = collect
        self._pipe = sender.pipe()
        self._on_the_way: deque[Chunk] = deque()
        """Chunks that are not answered."""
        self._taken: list[JobRequest[Any]] = []
        """Requests that are not on their way yet."""
        self._taken_ids: list[str] = []
        self._settled = 0
        self._found: list[JobMetadata[Any] | None] = []
        self._created: list[str] = []
        self._refused: list[str] = []
        self._unanswered: list[str] = []
        self._failure: Exception | None = None

    def run(self, requests: Iterable[JobRequest[Any]]) -> list[JobMetadata[Any] | None]:
        """Enqueue them all.

        Raises:
            TypeError: The requests are no iterable.
            EnqueueManyError: It ended before its end.
        """
        requests = iter(requests)
        try:
            try:
                self._take(requests)
                self._send_taken()
            except Exception as error:  # noqa: BLE001 - an iterable may raise anything
                self._fail(error)
            while self._on_the_way:
                self._settle_oldest()
        finally:
            self._pipe.close()
        if self._failure is not None:
            raise self._error() from self._failure
        return self._found

    def _take(self, requests: Iterable[JobRequest[Any]]) -> None:
        for request in requests:
            self._taken.append(request)
            if len(self._taken) == self._chunk_size:
                self._send_taken()

    def _send_taken(self) -> None:
        """Send what was taken, in as many chunks as its size asks for."""
        for request in self._taken:
            if not isinstance(request, JobRequest):
                raise TypeError(f"requests must be JobRequest, not {type(request).__name__}")
        self._taken_ids = make_ids(self._taken)
        while self._taken:
            chunk, command = self._make_chunk()
            # The next chunk is ready before the oldest answer is waited for.
            while len(self._on_the_way) >= MOST_ON_THE_WAY:
                self._settle_oldest()
            if self._failure is not None:
                raise self._failure
            self._pipe.send(command)
            self._on_the_way.append(chunk)
            if not self._settled:
                # The first one teaches the server the script, if it has to learn it.
                self._settle_oldest()
            del self._taken[: len(chunk.ids)], self._taken_ids[: len(chunk.ids)]

    def _make_chunk(self) -> tuple[Chunk, Command[EnqueueReply]]:
        now, budget = self._sender.clock.now(), self._sender.retry_budget
        words = self._maker.words(self._taken, self._taken_ids, now)
        count = len(words) // 4
        chunk = Chunk(
            self._taken[:count],
            self._taken_ids[:count],
            token=os.urandom(16).hex(),
            now=now,
            sent=time.monotonic(),
        )
        return chunk, scripts.enqueue_many(
            words,
            now=now,
            token=chunk.token,
            fence=fence(now, budget),
            max_bytes=self._maker.max_bytes,
            waits=self._sender.waits,
        )

    def _settle_oldest(self) -> None:
        """Wait for an answer; what goes wrong is noted."""
        chunk = self._on_the_way[0]
        try:
            reply = self._answer(chunk)
        except Unanswered as error:
            self._unanswered += chunk.ids
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - a test may let a mock raise anything
            self._refused += chunk.ids
            self._fail(error)
        else:
            self._note(self._maker.settle(chunk, reply, collect=self._collect))
        self._on_the_way.popleft()
        if self._failure is None:
            self._settled += len(chunk.ids)
            if self._progress is not None:
                try:
                    self._progress(self._settled)
                except Exception as error:  # noqa: BLE001 - the caller's function may raise anything
                    self._fail(error)

    def _answer(self, chunk: Chunk) -> EnqueueReply:
        reply: EnqueueReply | None = None
        unanswered = False
        try:
            reply = self._pipe.receive()
        except SendAgain as again:
            unanswered = again.unanswered
            if self._failure is not None and not unanswered:
                raise self._failure from None
            if unanswered and time.monotonic() > chunk.sent + self._known_for:
                raise Unanswered("Jobs were sent, and asked for too late") from again.__cause__
        # An iterable may be slow, and the time of the first sending over: this one has its own.
        budget = self._sender.retry_budget if self._failure is None else LAST_TRY
        end = time.monotonic() + budget
        while True:
            budget = end - time.monotonic()
            if reply is not None:
                self._sender.clock.learn(reply.now)
                if not reply.has_refused_times or budget <= 0:
                    return reply
            chunk.now = self._sender.clock.now()
            command = scripts.enqueue_many(
                self._maker.words(chunk.requests, chunk.ids, chunk.now),
                now=chunk.now,
                token=chunk.token,
                fence=fence(chunk.now, budget),
                max_bytes=self._maker.max_bytes,
                waits=self._sender.waits,
            )
            reply = self._sender.run(
                command, effect=NOT_QUEUED, budget=budget, unanswered=unanswered
            )

    @property
    def _known_for(self) -> float:
        """Seconds from its sending for which the server surely knows a chunk by its marker."""
        return self._sender.retry_budget + MARKER_EXTRA_MS / 1000 / 2

    def _note(self, settled: Settled) -> None:
        if settled.refused:
            self._refused += settled.refused
            self._fail(_refusal(settled.error))
        if self._collect:
            self._found += settled.found
            self._created += settled.created
        elif self._failure is not None:
            self._created += settled.created

    def _fail(self, error: Exception) -> None:
        if self._failure is None:
            self._failure = error

    def _error(self) -> EnqueueManyError:
        self._refused += self._taken_ids or make_ids(self._taken)
        return EnqueueManyError(
            f"Not all jobs were enqueued: {len(self._created)} are, {len(self._refused)} are not, "
            f"and of {len(self._unanswered)} it is not known ({self._failure})",
            enqueued=self._created,
            not_enqueued=self._refused,
            uncertain=self._unanswered,
        )


def _refusal(said: str | None) -> ArqadeError:
    if not said:
        return QueueConnectionError(
            f"The server got jobs too late, {NOT_QUEUED}: check the network"
        )
    # redis-py is loaded when first needed.
    from redis.exceptions import ResponseError  # noqa: PLC0415

    from arqade._transport.errors import translate  # noqa: PLC0415

    return translate(ResponseError(said), effect=NOT_QUEUED, sent=False)
