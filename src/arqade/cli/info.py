"""``arqade info``: how many jobs are in which state."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import attrs
import click

from arqade import ArqadeError, QueueConnectionError, QueueServerError
from arqade.cli.params import connected, duration, queues
from arqade.cli.status import kind_of
from arqade.cli.text import due

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from arqade import QueueStats, SyncArqQueue, WorkerHealth, WorkerRecord
    from arqade.cli.output import Output
    from arqade.cli.server import Server

__all__ = ["info"]

HEADINGS: Final = ("queue", "due", "deferred", "running", "oldest", "workers", "done", "failed")
NUMBERS: Final = ("due", "deferred", "running", "workers", "done", "failed")

SHORTEST: Final = 0.05
"""Seconds between looks at least: a view is no reason to keep the server busy."""

STOCK: Final = "some"
"""How many workers there are where only arq's own record is found, which they all write."""


@attrs.frozen
class _Look:
    """What one look at a queue has found."""

    stats: QueueStats
    health: WorkerHealth | None
    workers: list[WorkerRecord]

    def cells(self) -> tuple[str, ...]:
        stats, health = self.stats, self.health
        counts = (stats.queued, stats.deferred, stats.in_progress)
        results = ("-", "-")
        workers = str(len(self.workers))
        if health is not None:
            results = (str(health.jobs_complete), str(health.jobs_failed))
            workers = workers if self.workers else STOCK
        name, oldest = stats.queue_name, due(stats.oldest_score)
        return (name, *map(str, counts), oldest, workers, *results)

    def to_dict(self) -> dict[str, Any]:
        return {
            **self.stats.to_dict(),
            "workers": [worker.to_dict() for worker in self.workers],
            "health": None if self.health is None else self.health.to_dict(),
        }


@click.command()
@click.option("--watch", "-w", is_flag=True, help="Look again and again, until Ctrl-C.")
@click.option(
    "--interval",
    type=duration,
    default="1",
    show_default=True,
    help="Seconds between looks; or 5m, ...",
)
@queues
@connected
def info(
    server: Server, out: Output, *, watch: bool, interval: float, queue_names: tuple[str, ...]
) -> None:
    """Count the jobs of queues, and tell what workers say of themselves.

    Jobs are due, deferred or running; the oldest is the one that is due first. Workers that are
    built with arqade.worker are counted. Stock ones overwrite each other's record, which stays
    for up to an hour after they died: then there are "some". Done and failed are the jobs of the
    worker that wrote it last.
    """
    with server.open() as queue:
        if watch:
            _watch(queue, out, queue_names, interval)
            return
        looks = list(_looks(queue, queue_names))
    if out.as_json:
        out.document({"queues": [look.to_dict() for look in looks]})
    else:
        out.table(HEADINGS, [look.cells() for look in looks], numbers=NUMBERS)


def _looks(queue: SyncArqQueue, names: Iterable[str]) -> Iterator[_Look]:
    for name in names:
        yield _Look(
            queue.get_queue_stats(name), queue.get_worker_health(name), queue.get_workers(name)
        )


def _watch(queue: SyncArqQueue, out: Output, names: tuple[str, ...], interval: float) -> None:
    """Look until Ctrl-C, which is how it ends; a server that is away may come back."""
    try:
        if out.as_json:
            for looks, error in _every(queue, names, interval):
                found: dict[str, Any] = {"queues": [look.to_dict() for look in looks]}
                if error is not None:
                    found = {"error": kind_of(error), "message": str(error)}
                out.json_line({"time": datetime.now(UTC).isoformat(), **found})
            return
        with out.live_table(HEADINGS, NUMBERS) as show:
            for looks, error in _every(queue, names, interval):
                remark = f"{datetime.now().astimezone():%H:%M:%S}"
                if error is not None:
                    remark += f", as seen before this: {error}"
                show([look.cells() for look in looks], remark)
    except KeyboardInterrupt:
        return


def _every(
    queue: SyncArqQueue, names: tuple[str, ...], interval: float
) -> Iterator[tuple[list[_Look], ArqadeError | None]]:
    """Give what each look has found: after one that failed, what was found last, and why."""
    looks: list[_Look] = []
    while True:
        error: ArqadeError | None = None
        try:
            looks = list(_looks(queue, names))
        except (QueueConnectionError, QueueServerError) as failure:
            error = failure
        yield looks, error
        time.sleep(max(interval, SHORTEST))
