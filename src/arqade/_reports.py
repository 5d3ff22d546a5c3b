"""What is seen of queues, workers and servers. `arqade.models` has them for users."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - cattrs reads the fields' types
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import attrs

from arqade._compat import override
from arqade._model import Model
from arqade._validation import check_duration, check_name, check_queue_name, check_task_name

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Finding", "QueueStats", "Severity", "WorkerHealth", "WorkerRecord"]


@attrs.define
class QueueStats(Model):
    """How many jobs are in a queue."""

    queue_name: str
    """The queue."""

    queued: int
    """Jobs that are due and wait for a worker."""

    deferred: int
    """Jobs that are to be run later."""

    in_progress: int
    """Jobs that workers run."""

    oldest_score: int | None
    """When the first of them all is due, in milliseconds since the epoch; None if there is none."""


@attrs.define
class WorkerHealth(Model):
    """What a worker says of itself, when it last did."""

    queue_name: str
    """The worker's queue."""

    recorded: str
    """When it said so, such as ``Nov-22 19:53:23``: in the worker's local time, without a year."""

    jobs_complete: int
    """Jobs that it ran and that returned."""

    jobs_failed: int
    """Jobs that it ran and that raised."""

    jobs_retried: int
    """How often it put a job back to be tried again."""

    jobs_ongoing: int
    """Jobs that it was running."""

    queued: int
    """Jobs in its queue: due, deferred or running."""

    expires_in: float | None
    """Seconds after which this is gone unless the worker renews it; None if it stays."""


def _plain_functions(value: Sequence[str]) -> tuple[str, ...]:
    if not isinstance(value, tuple | list):
        raise TypeError(f"functions must be a tuple or a list, not {type(value).__name__}")
    return tuple(check_task_name(name) for name in value)


def _plain_worker_id(value: str) -> str:
    return check_name("id", value)


def _check_life(_: object, field: attrs.Attribute[Any], value: float) -> None:
    check_duration(field.name, value, zero=False)


@attrs.frozen
class WorkerRecord(Model):
    """What a worker of `arqade.worker` says of itself, again and again while it lives.

    Raises:
        TypeError: A field is of a wrong type.
        ValueError: An id or a name can't be one, or ``expires_in`` is not positive.
    """

    id: str = attrs.field(converter=_plain_worker_id)
    """The worker's id, a new one each time it starts."""

    queue_name: str = attrs.field(converter=check_queue_name)
    """The worker's queue."""

    functions: tuple[str, ...] = attrs.field(converter=_plain_functions)
    """The names of the functions that it runs, cron jobs included."""

    hostname: str
    """The machine, as it calls itself."""

    pid: int
    """The process, as its machine counts."""

    started: datetime
    """When it began to look for jobs: aware, UTC, by its machine's clock."""

    codec: str
    """The class of its codec."""

    arq_version: str
    """The version of arq that it runs."""

    arqade_version: str
    """The version of arqade that it runs."""

    jobs_started: int = 0
    """How many tries of jobs it has started."""

    jobs_ongoing: int = 0
    """How many it was running."""

    recorded: datetime | None = None
    """When it said so: aware, UTC, by the server's clock, which sets it."""

    expires_in: float = attrs.field(default=45.0, validator=_check_life)
    """Seconds after which this is gone unless the worker renews it."""


class Severity(StrEnum):
    """How much a finding matters, the least first."""

    info = "info"
    """Good to know, or it can't be told."""

    warning = "warning"
    """Jobs are lost if something else goes wrong, too."""

    error = "error"
    """Jobs are lost or refused, now or as soon as the server is full or restarted."""


@attrs.frozen
class Finding(Model):
    """Something of a server, or of a queue's workers, that endangers jobs."""

    code: str
    """What it is about: a name that stays the same from version to version."""

    severity: Severity
    """How much it matters."""

    message: str
    """What is wrong, and what comes of it."""

    cure: str
    """What to do about it."""

    @override
    def __str__(self) -> str:
        return f"{self.code} ({self.severity}): {self.message}: {self.cure}"
