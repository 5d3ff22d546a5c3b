"""What workers say of themselves: commands that write and read it, and what it means for tasks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from arqade._protocol import keys
from arqade._protocol.inspection import read_health
from arqade._protocol.requests import task_name
from arqade._protocol.scripts import Command, Script
from arqade._validation import check_name, check_task_name, duration_to_ms, ms_to_datetime
from arqade.exceptions import QueueServerError
from arqade.jobs import JobDef
from arqade.models import Finding, JobRequest, Severity, WorkerRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from arqade._protocol.requests import Task

__all__ = ["FORGET", "RECORD", "WORKERS", "Seen", "find", "forget", "look", "record", "wanted"]

FORGET = Script.load("forget")
RECORD = Script.load("record")
WORKERS = Script.load("workers")

BY_SERVER = ("recorded", "expires_in")
"""Fields that are not written with a record: the server knows them."""

FIELDS = {field.name for field in attrs.fields(WorkerRecord)}


def record(worker: WorkerRecord) -> Command[int]:
    """Write what a worker says of itself; the answer is the server's time in milliseconds."""
    said = {name: value for name, value in worker.to_dict().items() if name not in BY_SERVER}
    life = max(1, duration_to_ms("expires_in", worker.expires_in))
    before, after = '{"recorded_ms":', "," + json.dumps(said, separators=(",", ":"))[1:]
    words = ("EVALSHA", RECORD.digest, 0, worker.id, worker.queue_name, life, before, after)
    return Command(words, int, repeatable=True, script=RECORD)


def forget(worker_id: str, queue_name: str) -> Command[bool]:
    """Remove what a worker said of itself, and tell whether it was there."""
    name = check_name("worker_id", worker_id)
    words = ("EVALSHA", FORGET.digest, 0, name, queue_name)
    return Command(words, bool, repeatable=False, script=FORGET)


@attrs.frozen
class Seen:
    """What there is to see of a queue's workers, at one moment."""

    queue_name: str
    workers: list[WorkerRecord]
    """Of those that have `arqade.worker`, the oldest first."""

    stock_record: bytes | None
    """What stock arq wrote, or another program."""

    stock_life: int
    """The life that it has left in milliseconds; negative if it has no end."""


def look(queue_name: str) -> Command[Seen]:
    """Read what the workers of a queue say of themselves."""
    words = ("EVALSHA", WORKERS.digest, 0, queue_name, keys.health_check(queue_name))
    return Command(
        words,
        lambda reply: _read(queue_name, *reply),
        repeatable=True,
        changes=False,
        script=WORKERS,
    )


def _read(queue_name: str, stock_record: bytes | None, stock_life: int, *found: Any) -> Seen:
    pairs = zip(found[::2], found[1::2], strict=True)
    workers = [_read_record(queue_name, text, life) for text, life in pairs]
    workers.sort(key=lambda worker: (worker.started, worker.id))
    return Seen(queue_name, workers, stock_record, stock_life)


def _read_record(queue_name: str, text: bytes, life: int) -> WorkerRecord:
    try:
        said = json.loads(text)
        recorded = ms_to_datetime(said["recorded_ms"]).isoformat()
        # What a newer worker says besides is not for this version.
        known = {name: value for name, value in said.items() if name in FIELDS}
        # Less than a millisecond is left of one that has just not ended.
        return WorkerRecord.from_dict(
            {**known, "recorded": recorded, "expires_in": max(life, 1) / 1000}
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise QueueServerError(
            f"A key {keys.worker('...')} in {keys.workers(queue_name)} holds no record of a "
            "worker: look for another program that uses it"
        ) from error


def wanted(tasks: Iterable[Task], queue_name: str | None, default: str) -> dict[str, list[str]]:
    """Give the names of some tasks by their queues; without any, the queue is there all the same.

    Args:
        tasks: What ``enqueue`` takes.
        queue_name: The queue of them all; if None, each has its own.
        default: The queue of those that name none.

    Raises:
        TypeError: A task names no function.
        ValueError: It can't be a function's name.
    """
    found: dict[str, list[str]] = {}
    for task in tasks:
        name, own = _name_and_queue(task)
        names = found.setdefault(queue_name or own or default, [])
        if name not in names:
            names.append(name)
    return found or {queue_name or default: []}


def _name_and_queue(task: Task) -> tuple[str, str | None]:
    if isinstance(task, JobRequest):
        return task.task_name, task.queue_name
    return check_task_name(task_name(task)), task.queue_name if isinstance(task, JobDef) else None


def find(seen: Seen, tasks: Iterable[str]) -> Iterator[Finding]:
    """Say what is wrong with a queue's workers.

    Args:
        seen: What there is to see of them.
        tasks: The names of the functions that they must know.
    """
    queue, workers = seen.queue_name, seen.workers
    if not workers:
        yield _without_records(seen)
        return
    for task in tasks:
        without = [worker for worker in workers if task not in worker.functions]
        if len(without) == len(workers):
            yield Finding(
                "unknown-task",
                Severity.error,
                f"No worker of the queue {queue} knows {task}, and its jobs fail",
                "put the function into the functions of the worker, or enqueue into the queue of "
                "one that has it",
            )
        elif without:
            places = ", ".join(f"{worker.hostname} (pid {worker.pid})" for worker in without[:3])
            more = f" and {len(without) - 3} more" if len(without) > 3 else ""  # noqa: PLR2004
            yield Finding(
                "unknown-task",
                Severity.warning,
                f"{len(without)} of {len(workers)} workers of the queue {queue} do not know "
                f"{task}, and its jobs fail if one of these takes them: {places}{more}",
                "wait for the end of a deployment, or let all workers of a queue have the same "
                "functions",
            )


def _without_records(seen: Seen) -> Finding:
    if seen.stock_record is None:
        return Finding(
            "no-worker",
            Severity.error,
            f"No worker is seen on the queue {seen.queue_name}, and jobs wait until there is one",
            "start a worker for this queue, or look into the log of the one that should run",
        )
    health = read_health(seen.queue_name, seen.stock_record, seen.stock_life)
    return Finding(
        "stock-worker",
        Severity.info,
        f"A worker of the queue {seen.queue_name} wrote arq's own record "
        f"({health.recorded}, its local time), which tells no functions, and stays for up to "
        "the worker's health_check_interval after it died",
        "build the worker's settings with arqade.worker",
    )
