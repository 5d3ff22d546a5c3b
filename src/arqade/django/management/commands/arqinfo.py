"""``manage.py arqinfo``: what is in the queues of tasks, and who works on them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from arqade import ArqadeError, QueueStats, WorkerHealth
from arqade._compat import override

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator

    from arqade.django.backend import ArqBackend

__all__ = ["Command"]

COUNTS = ("queued", "deferred", "in_progress")
"""The columns of numbers, and the names of their values."""


class Command(BaseCommand):
    """Asks the servers of all backends that are arq's."""

    help = "Show how many tasks are in each queue, and what its worker says of itself."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the command's options."""
        parser.add_argument("--backend", help="The alias of the only backend to look at.")
        parser.add_argument("--json", action="store_true", help="Write JSON.")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        """Look at the queues.

        Raises:
            CommandError: There is no such backend, a setting can't be used, or a server can't be
                reached.
        """
        try:
            found = [
                _look(backend, name)
                for backend in _backends(options["backend"])
                for name in sorted(backend.queues) or ["default"]
            ]
        except (ArqadeError, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(found, indent=2))
            return
        for row in _table(found):
            self.stdout.write(row)


def _backends(alias: str | None) -> Iterator[ArqBackend]:
    try:
        from django.tasks import task_backends  # noqa: PLC0415 - since Django 6.0

        from arqade.django.backend import ArqBackend  # noqa: PLC0415 - it needs the above
    except ImportError as error:
        raise CommandError(f"{error}: tasks need Django 6.0") from error
    for name in [alias] if alias else task_backends:
        backend = task_backends[name]
        if isinstance(backend, ArqBackend):
            yield backend
        elif alias:
            raise CommandError(f"The backend {alias!r} is no ArqBackend.")


def _look(backend: ArqBackend, queue_name: str) -> dict[str, Any]:
    arq_queue = backend.task_settings.arq_queue(queue_name)
    stats: QueueStats = backend.queue.get_queue_stats(arq_queue)
    health: WorkerHealth | None = backend.queue.get_worker_health(arq_queue)
    return {
        "backend": backend.alias,
        "queue": queue_name,
        **stats.to_dict(),
        "worker": None if health is None else health.to_dict(),
    }


def _table(found: list[dict[str, Any]]) -> Iterator[str]:
    if not found:
        yield "There is no ArqBackend in TASKS."
        return
    head = ("backend", "queue", *COUNTS, "worker")
    rows = [
        (
            *(str(each[name]) for name in head[:-1]),
            "none has been seen" if each["worker"] is None else _said(each["worker"]),
        )
        for each in found
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _said(worker: dict[str, Any]) -> str:
    return (
        f"{worker['recorded']}: {worker['jobs_complete']} complete, "
        f"{worker['jobs_failed']} failed, {worker['jobs_ongoing']} ongoing"
    )
