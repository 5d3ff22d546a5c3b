"""Looking at many jobs: by their ids, page by page, and by counting."""

from __future__ import annotations

import math
import time
from collections import deque
from typing import TYPE_CHECKING, Any, cast

import attrs

from arqade._compat import override
from arqade._protocol import answers, inspection, scripts
from arqade._protocol.answers import MOST_NAMED, Asked, named, without_frames
from arqade.exceptions import JobDeserializationError, JobNotFound, PayloadTooLarge
from arqade.models import JobStatus, QueueStats

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from arqade._async.sender import Sender
    from arqade._protocol.scripts import JobView, Wanted
    from arqade.codecs import Codec
    from arqade.models import JobMetadata, JobResult

__all__ = ["Listing", "time_to_look"]

SHORTEST_LOOK = 1.0
"""Seconds that the server has at least to answer the last look for a result."""

VIEWS = 100
"""Jobs that are read with one command."""

WINDOW = 10_000
"""Ids that are remembered, not to give a job twice: a server's scan gives some again when a table
shrinks meanwhile."""

STATS_SLICE = 1000
"""Due jobs of which one command looks whether they run: some 1.5 ms of the server."""

STATS_MOST = 10_000
"""Due jobs of which `get_queue_stats` looks whether they run."""

PURGE_SLICE = 100
"""Jobs that are removed with one command: less than a millisecond of the server."""


def time_to_look(sender: Sender, end: float) -> float:
    """Give the seconds that one look for a result may take.

    Args:
        sender: What carries it.
        end: When the wait for the result is over, by the monotonic clock.
    """
    return min(max(end - time.monotonic(), SHORTEST_LOOK), sender.retry_budget)


class Unread:
    """Notes the jobs of a listing that can't be decoded, or were too large to be read.

    Args:
        max_bytes: The largest job or result that is read.
    """

    def __init__(self, max_bytes: int) -> None:
        self._first: tuple[str, JobDeserializationError | PayloadTooLarge | None] | None = None
        self._undecodable = _Ids(
            "can't be decoded: is a class missing here, or does the worker use another codec?"
        )
        self._too_large = _Ids(
            f"can't be read, being over the limit of {max_bytes} bytes: raise max_payload_bytes, "
            "or let jobs take and give references to large data."
        )

    def note(
        self, job_id: str, error: JobDeserializationError | PayloadTooLarge | None = None
    ) -> None:
        """Note one."""
        if self._first is None:
            self._first = job_id, error and without_frames(error)
        (self._too_large if isinstance(error, PayloadTooLarge) else self._undecodable).add(job_id)

    def raise_if_any(self) -> None:
        """Raise an error that names them all, of the kind that the first one is of.

        Raises:
            JobDeserializationError: There are some.
            PayloadTooLarge: There are some.
        """
        if self._first is None:
            return
        found = [str(ids) for ids in (self._undecodable, self._too_large) if ids.count]
        message = " ".join([*found, "All others were read."])
        job_id, error = self._first
        if isinstance(error, PayloadTooLarge):
            raise PayloadTooLarge(job_id, error.size, error.limit, message=message)
        raise JobDeserializationError(message, job_id) from error


class _Ids:
    """Counts the ids of bad jobs, and keeps the first ones.

    Args:
        why: What is bad.
    """

    def __init__(self, why: str) -> None:
        self.count = 0
        self._ids: list[str] = []
        self._why = why

    def add(self, job_id: str) -> None:
        self.count += 1
        if len(self._ids) < MOST_NAMED:
            self._ids.append(job_id)

    @override
    def __str__(self) -> str:
        return f"{self.count} of the jobs {self._why} ids={named(self._ids, self.count)}."


class _Window:
    """The last ids that were seen."""

    def __init__(self) -> None:
        self._known: set[bytes] = set()
        self._order: deque[bytes] = deque()

    def new(self, ids: Sequence[bytes]) -> list[bytes]:
        """Give those that were not seen, and see them."""
        found = []
        for job_id in ids:
            if job_id not in self._known:
                found.append(job_id)
                self._known.add(job_id)
                self._order.append(job_id)
                if len(self._order) > WINDOW:
                    self._known.discard(self._order.popleft())
        return found


@attrs.frozen
class Listing:
    """A queue as it is looked at.

    Args:
        sender: What carries the commands.
        codec: How jobs and results become bytes.
        queue_name: The queue.
        max_bytes: The largest job or result that is read.
    """

    sender: Sender
    codec: Codec
    queue_name: str
    max_bytes: int

    async def by_ids(
        self, job_ids: Sequence[str], *, explicit: bool
    ) -> list[JobMetadata[Any] | None]:
        """Give the metadata of jobs.

        Args:
            job_ids: Their ids.
            explicit: Whether a finished job of another queue is not found.

        Raises:
            JobDeserializationError: Some can't be decoded.
            PayloadTooLarge: Some are too large.
        """
        found: list[JobMetadata[Any] | None] = []
        unread = Unread(self.max_bytes)
        async for views in self.views(job_ids, "metadata"):
            for job_id, view in views:
                try:
                    found.append(answers.metadata(self.asked(job_id, explicit=explicit), view))
                except JobNotFound:
                    found.append(None)
                except (JobDeserializationError, PayloadTooLarge) as error:
                    unread.note(job_id, error)
        unread.raise_if_any()
        return found

    async def jobs(self, status: JobStatus | None) -> AsyncIterator[JobMetadata[Any]]:
        """Give the jobs that are in the queue, or those of one state.

        Raises:
            JobDeserializationError: Some can't be decoded.
            PayloadTooLarge: Some are too large.
        """
        if status is JobStatus.not_found:
            return
        if status is JobStatus.complete:
            async for result in self.results():
                job = answers.as_metadata(result)
                del result  # It may be large.
                yield job
            return
        unread = Unread(self.max_bytes)
        wanted = cast("Wanted", "waiting" if status is None else status.value)
        async for ids in self._pages(unread, in_queue=True):
            async for views in self.views(ids, wanted):
                for job_id, view in views:
                    # What is finished or removed meanwhile is in the queue no more.
                    if not view.job or view.result is not None or view.score is None:
                        continue
                    try:
                        job = answers.metadata(self.asked(job_id), view)
                    except (JobDeserializationError, PayloadTooLarge) as error:
                        unread.note(job_id, error)
                    else:
                        yield job
                        del job  # It may be large, and the next one is to come.
        unread.raise_if_any()

    async def results(self) -> AsyncIterator[JobResult[Any]]:
        """Give the kept results of jobs of the queue.

        Raises:
            JobDeserializationError: Some can't be decoded.
            PayloadTooLarge: Some are too large.
        """
        unread = Unread(self.max_bytes)
        async for ids in self._pages(unread, in_queue=False):
            async for views in self.views(ids, "result"):
                for job_id, view in views:
                    if view.result is None:
                        continue
                    try:
                        result = answers.result(self.asked(job_id), view)
                    except JobNotFound:
                        continue  # it is of another queue
                    except (JobDeserializationError, PayloadTooLarge) as error:
                        unread.note(job_id, error)
                    else:
                        yield result
                        del result  # Likewise.
        unread.raise_if_any()

    def asked(self, job_id: str, *, explicit: bool = True) -> Asked:
        """Say which job is meant, and whether it must be of this queue."""
        return Asked(
            job_id,
            self.queue_name,
            explicit=explicit,
            codec=self.codec,
            max_bytes=self.max_bytes,
        )

    async def _pages(self, unread: Unread, *, in_queue: bool) -> AsyncIterator[list[str]]:
        window = _Window()
        cursor = 0
        while True:
            if in_queue:
                command = inspection.page_of_queue(self.queue_name, cursor)
            else:
                command = inspection.page_of_results(cursor)
            page = await self.sender.run(command)
            ids = []
            for job_id in window.new(page.ids):
                try:
                    ids.append(job_id.decode())
                except UnicodeDecodeError:
                    # No worker can run it: another program put it there.
                    unread.note(job_id.decode(errors="backslashreplace"))
            yield ids
            cursor = page.cursor
            if cursor == 0:
                return

    async def views(
        self, job_ids: Sequence[str], wanted: Wanted, *, end: float = math.inf
    ) -> AsyncIterator[list[tuple[str, JobView]]]:
        """Read jobs, some at a time.

        Args:
            job_ids: Their ids.
            wanted: What is wanted of them.
            end: Until when, by the monotonic clock; the server has a second at least.
        """
        start = 0
        while start < len(job_ids):
            part = job_ids[start : start + VIEWS]
            command = scripts.views(part, self.queue_name, wanted, self.max_bytes)
            views = await self.sender.run(command, budget=time_to_look(self.sender, end))
            yield list(zip(part, views, strict=False))
            # Of long ones the server gives only some at once.
            start += len(views)
            for view in views:
                # Bytes that were read make room for the next ones, whoever holds the view.
                view.result = view.job = None

    async def stats(self) -> QueueStats:
        """Count the jobs of the queue."""
        counts = await self.sender.run(inspection.counts(self.queue_name, 0, STATS_SLICE))
        looked_at, in_progress, last = counts.looked_at, counts.in_progress, counts.looked_at
        while last == STATS_SLICE and looked_at < STATS_MOST:
            command = inspection.counts(self.queue_name, looked_at, STATS_SLICE)
            counts = await self.sender.run(command)
            last = counts.looked_at
            looked_at += last
            in_progress += counts.in_progress
        in_progress = min(in_progress, counts.due)
        return QueueStats(
            queue_name=self.queue_name,
            queued=counts.due - in_progress,
            deferred=counts.deferred,
            in_progress=in_progress,
            oldest_score=counts.oldest_score,
        )

    async def purge(self) -> int:
        """Remove the jobs that have not started, and give their number."""
        running = looked_at = removed = 0
        at_first: int | None = None
        while True:
            # Of those that ran a moment ago some have finished: others are in their places now.
            again = min(running, PURGE_SLICE)
            command = inspection.purge(self.queue_name, running - again, again + PURGE_SLICE)
            answer = await self.sender.run(command)
            at_first = answer.entries if at_first is None else at_first
            removed += answer.removed
            running += answer.looked_at - answer.removed - again
            looked_at += PURGE_SLICE
            if answer.looked_at < again + PURGE_SLICE or looked_at >= at_first:
                return removed
