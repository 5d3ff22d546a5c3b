"""Commands about a queue as a whole, and about all results."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import attrs

from arqade._protocol import keys
from arqade._protocol.scripts import Command, Script, as_score
from arqade.exceptions import QueueServerError
from arqade.models import WorkerHealth

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "HEALTH",
    "PURGE",
    "STATS",
    "Counts",
    "Page",
    "Purged",
    "counts",
    "page_of_queue",
    "page_of_results",
    "purge",
    "read_health",
    "worker_health",
]

HEALTH = Script.load("health")
PURGE = Script.load("purge")
STATS = Script.load("stats")

QUEUE_PAGE = 100
"""Entries of a queue that one look takes, about."""

RESULT_PAGE = 500
"""Keys that one look for results goes through, about: most of them are of other kinds."""

RECORD = re.compile(
    r"(?P<recorded>.+) j_complete=(?P<jobs_complete>\d+) j_failed=(?P<jobs_failed>\d+)"
    r" j_retried=(?P<jobs_retried>\d+) j_ongoing=(?P<jobs_ongoing>\d+) queued=(?P<queued>\d+)"
)
"""What a worker writes (arq 0.25 to 0.28, arq/worker.py, Worker.record_health)."""


@attrs.frozen
class Page:
    """Some ids, and where to go on."""

    cursor: int
    """0 after the last page."""

    ids: list[bytes]
    """Of jobs; what another program put there may be no UTF-8."""


def page_of_queue(queue_name: str, cursor: int) -> Command[Page]:
    """Give some ids of a queue."""
    words = ("ZSCAN", queue_name, cursor, "COUNT", QUEUE_PAGE)
    return _look(words, lambda reply: Page(int(reply[0]), reply[1][::2]))


def page_of_results(cursor: int) -> Command[Page]:
    """Give the ids of some results."""
    prefix = keys.result("")
    # TYPE: what another program put under such a name would be an error to read.
    words = ("SCAN", cursor, "MATCH", prefix + "*", "COUNT", RESULT_PAGE, "TYPE", "string")
    start = len(prefix)
    return _look(words, lambda reply: Page(int(reply[0]), [key[start:] for key in reply[1]]))


def _look(words: tuple[str | int, ...], read: Callable[[Any], Page]) -> Command[Page]:
    return Command(words, read, repeatable=True, changes=False)


@attrs.frozen
class Counts:
    """The reply of the script ``stats``."""

    due: int
    deferred: int
    oldest_score: int | None
    looked_at: int
    """How many of the due ones were looked at, to see whether they run."""

    in_progress: int

    @classmethod
    def read(cls, reply: list[Any]) -> Counts:
        """Read the reply of the script ``stats``."""
        due, deferred, oldest, looked_at, in_progress = reply
        return cls(due, deferred, as_score(oldest), looked_at, in_progress)


def counts(queue_name: str, offset: int, limit: int) -> Command[Counts]:
    """Count the jobs of a queue.

    Args:
        queue_name: The queue.
        offset: How many of the due jobs to pass over when looking for those that run.
        limit: How many to look at.
    """
    words = ("EVALSHA", STATS.digest, 0, queue_name, offset, limit)
    return Command(words, Counts.read, repeatable=True, changes=False, script=STATS)


def worker_health(queue_name: str) -> Command[WorkerHealth | None]:
    """Read what a worker of the queue says of itself."""
    words = ("EVALSHA", HEALTH.digest, 0, keys.health_check(queue_name))
    return Command(
        words,
        lambda reply: None if reply[0] is None else read_health(queue_name, *reply),
        repeatable=True,
        changes=False,
        script=HEALTH,
    )


def read_health(queue_name: str, record: bytes, left: int) -> WorkerHealth:
    """Read what a worker says of itself.

    Args:
        queue_name: The worker's queue.
        record: What it wrote.
        left: The life that it has left in milliseconds; negative if it has no end.

    Raises:
        QueueServerError: It is no record.
    """
    # The month is in the language of the worker.
    found = RECORD.fullmatch(record.decode(errors="replace"))
    if found is None:
        raise QueueServerError(
            f"The key {keys.health_check(queue_name)} holds no record of an arq worker: look for "
            "another program that uses it"
        )
    counts = {name: int(text) for name, text in found.groupdict().items() if name != "recorded"}
    return WorkerHealth(
        queue_name=queue_name,
        recorded=found["recorded"],
        **counts,
        expires_in=None if left < 0 else left / 1000,
    )


@attrs.frozen
class Purged:
    """The reply of the script ``purge``."""

    entries: int
    """How many entries the queue had."""

    looked_at: int
    removed: int


def purge(queue_name: str, offset: int, limit: int) -> Command[Purged]:
    """Remove the jobs of a part of a queue that have not started.

    Args:
        queue_name: The queue.
        offset: Where the part begins, by the time at which jobs are due.
        limit: How many to look at.
    """
    words = ("EVALSHA", PURGE.digest, 0, queue_name, offset, limit)
    return Command(words, lambda reply: Purged(*reply), repeatable=False, script=PURGE)
