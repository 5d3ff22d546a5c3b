# Generated from tests/faults/_async/callers.py by "make generate"; do not edit.
"""Callers that enqueue under faults, each job once."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from tests.faults.ledger import CANARY, FAULTS
from tests.faults.tasks import together

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from arqade import SyncRedisArqQueue
    from tests.faults.ledger import Ledger

__all__ = ["enqueue_all", "enqueue_one", "once_more"]


def enqueue_one(
    queue: SyncRedisArqQueue,
    ledger: Ledger,
    number: int,
    *,
    task: str = "echo",
    owner: str = "",
    **options: Any,
) -> None:
    """Enqueue a job, and write down what came of it."""
    # Ids that callers choose, and those that are made for a call, go different ways in the server.
    options.setdefault("_job_id", f"k{number}" if number % 2 else None)
    with ledger.calling(number, owner) as call:
        call.job = queue.enqueue(task, CANARY, number, owner, **options)


def enqueue_all(
    queues: Sequence[SyncRedisArqQueue],
    ledger: Ledger,
    numbers: Iterable[int] = range(FAULTS),
    *,
    read: bool = False,
    **options: Any,
) -> None:
    """Enqueue jobs, a caller for each queue; one that is named often has so many callers.

    Args:
        queues: The callers' queues.
        ledger: Where to write down what came of it.
        numbers: The jobs' numbers.
        read: Whether to read each job afterwards, to see that replies go to who asked.
        **options: As for `enqueue_one`.
    """
    left = iter(numbers)

    def caller(queue: SyncRedisArqQueue) -> None:
        for number in left:
            enqueue_one(queue, ledger, number, **options)
            if read and (job := ledger.job_of(number)):
                with ledger.reading(number) as call:
                    found = queue.get_job_metadata(job.id)
                    ledger.check_reply(call, matches=found.args[:2] == (CANARY, number))

    together([functools.partial(caller, queue) for queue in queues])


def once_more(queues: Sequence[SyncRedisArqQueue], ledger: Ledger) -> None:
    """Make the first call after a fault from each queue."""
    different = list(dict.fromkeys(queues))
    enqueue_all(different, ledger, range(1_000_000, 1_000_000 + len(different)))
