# Generated from src/arqade/_async/workers.py by "make generate"; do not edit.
"""The part of the interface of a queue that is about its workers."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arqade._protocol.requests import Task
    from arqade.models import Finding, WorkerRecord

__all__ = ["KnownWorkers"]


class KnownWorkers(abc.ABC):
    """What a queue knows of its workers: what they say of themselves."""

    @abc.abstractmethod
    def get_workers(self, queue_name: str | None = None) -> list[WorkerRecord]:
        """Give what the workers of a queue say of themselves.

        Those are meant whose settings are built with `arqade.worker`: stock ones write no more
        than `get_worker_health` gives. A worker that died is given until its record ends. It is
        repeated within the retry budget if the connection breaks.

        Args:
            queue_name: The queue; the default queue if None.

        Returns:
            A record for each worker, that of the oldest first.

        Raises:
            QueueConnectionError: The server can't be reached.
            QueueServerError: The server refused, or there is something else than a record.
            QueueClosed: The queue is closed.
        """

    @abc.abstractmethod
    def check_worker(
        self, *tasks: Task, queue_name: str | None = None, strict: bool = False
    ) -> list[Finding]:
        """Look whether a worker is there, and whether it knows some tasks.

        It takes one round trip for each queue, and changes nothing; each is repeated within the
        retry budget if the connection breaks. Where only arq's own record is found, it can't be
        told what the worker knows: a finding of severity ``info``. Warnings and errors are written
        to the log, one line each.

        Args:
            *tasks: What `enqueue` takes: names, declarations, requests, or workers' functions.
                Without any, it is asked for a worker alone.
            queue_name: The queue; if None, that of each declaration or request, or else the
                default queue.
            strict: Whether to raise if there are warnings or errors, instead of logging them.

        Returns:
            What was found, the worst first; an empty list if all is well.

        Raises:
            TypeError: A task names no function.
            ConfigurationError: There are warnings or errors, and ``strict`` is true.
            QueueConnectionError: The server can't be reached.
            QueueServerError: The server refused, or there is something else than a record.
            QueueClosed: The queue is closed.
        """

    @abc.abstractmethod
    def record_worker(self, record: WorkerRecord) -> None:
        """Write what a worker says of itself, as `arqade.worker` does again and again.

        It stays for the seconds that the record's ``expires_in`` says, unless it is written anew,
        and is among those of its own queue, whatever the default queue. A test tells a mock of a
        worker with it. It is repeated within the retry budget if the connection breaks.

        Args:
            record: What it says; its ``recorded`` makes no difference, for the server sets it.

        Raises:
            QueueConnectionError: The server can't be reached, or did not answer.
            QueueServerError: The server refused.
            QueueClosed: The queue is closed.
        """

    @abc.abstractmethod
    def forget_worker(self, worker_id: str, queue_name: str | None = None) -> bool:
        """Remove what a worker said of itself, as it does when it ends, and tell if it was there.

        It is not repeated once it was sent: a second removal could not tell.

        Args:
            worker_id: The worker's id.
            queue_name: The worker's queue; the default queue if None.

        Raises:
            QueueConnectionError: The server can't be reached, or did not answer.
            QueueServerError: The server refused.
            QueueClosed: The queue is closed.
        """
