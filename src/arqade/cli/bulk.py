"""As many jobs as a file has lines, in bounded memory."""

from __future__ import annotations

import os
import stat
import time
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import attrs

from arqade import EnqueueManyError, JobRequest
from arqade._words import read_json
from arqade.cli.status import CommandError, Status, finish, status_of
from arqade.cli.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arqade import SyncArqQueue
    from arqade.cli.output import Bar, Output
    from arqade.cli.server import Server

__all__ = ["enqueue_lines"]

PART: Final = 10_000
"""Jobs whose metadata are held at a time."""

FIELDS: Final = tuple(attrs.fields_dict(JobRequest))
DEFERS: Final = frozenset({"defer_by", "defer_until"})


class _LineError(ValueError):
    """A line is no request."""


def enqueue_lines(server: Server, out: Output, file: BinaryIO, defaults: dict[str, Any]) -> None:
    """Enqueue a job for each line of a file.

    Args:
        server: The server.
        out: Where to say how many there were.
        file: Lines of JSON.
        defaults: Fields of the requests for lines that don't say otherwise.

    Raises:
        CommandError: It ended early; it says what is enqueued.
    """
    size = _size(file)
    with server.open() as queue, out.progress("Enqueuing", size) as bar:
        tally = _Tally(file if size else None, bar)
        tally.enqueue(queue, requests(file, defaults))
    seconds = tally.seconds
    if out.as_json:
        out.document(
            {"enqueued": tally.enqueued, "existing": tally.existing, "seconds": round(seconds, 3)}
        )
    else:
        existing = f", {tally.existing:,} not: their ids are taken" if tally.existing else ""
        out.line(f"{counted(tally.enqueued, 'job')} enqueued in {seconds:.1f} s{existing}")
    finish(ok=not tally.existing)


class _Tally:
    """How far it has come."""

    def __init__(self, file: BinaryIO | None, bar: Bar) -> None:
        self._file = file
        self._bar = bar
        self._start = time.monotonic()
        self.enqueued = 0
        self.existing = 0

    @property
    def seconds(self) -> float:
        """The seconds since the beginning."""
        return time.monotonic() - self._start

    def enqueue(self, queue: SyncArqQueue, requests: Iterator[JobRequest[Any]]) -> None:
        """Enqueue all requests."""
        full = True
        while full:
            part = islice(requests, PART)
            try:
                jobs = queue.enqueue_many(part, progress=self._progress)
            except EnqueueManyError as error:
                self.enqueued += len(error.enqueued)
                raise self._ended(error) from error
            full = len(jobs) == PART
            existing = jobs.count(None)
            self.existing += existing
            self.enqueued += len(jobs) - existing

    def _progress(self, settled: int) -> None:
        done = self.enqueued + self.existing + settled
        rate = done / max(self.seconds, 1e-3)
        place = self._file.tell() if self._file else 0
        self._bar.show(place, f"{counted(done, 'job')}, {rate:,.0f}/s")

    def _ended(self, error: EnqueueManyError) -> CommandError:
        cause = error.__cause__
        uncertain = f", and perhaps {len(error.uncertain):,} more" if error.uncertain else ""
        return CommandError(
            f"{cause or error} (enqueued before that: {self.enqueued:,}{uncertain}; all lines can "
            "be given again if they have job_ids)",
            Status.usage if isinstance(cause, _LineError) else status_of(cause),
        )


def _size(file: BinaryIO) -> int | None:
    """Give the size of a regular file in bytes."""
    try:
        found = os.fstat(file.fileno())
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def requests(file: BinaryIO, defaults: dict[str, Any]) -> Iterator[JobRequest[Any]]:
    """Read requests; empty lines are passed over.

    Raises:
        ValueError: A line is none; the message has its number, and none of its values.
    """
    without_defers = {name: defaults[name] for name in defaults if name not in DEFERS}
    for number, line in enumerate(file, 1):
        if line.isspace():
            continue
        try:
            fields = _fields(line)
            own = without_defers if DEFERS & fields.keys() else defaults
            yield JobRequest(**{**own, **fields})
        except (ValueError, TypeError) as error:
            raise _LineError(f"line {number}: {error}") from error


def _fields(line: bytes) -> dict[str, Any]:
    fields = read_json(line)
    if not isinstance(fields, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 - its reader asks for one error
    if unknown := fields.keys() - set(FIELDS):
        raise ValueError(
            f"a request has no {', '.join(map(repr, sorted(unknown)))}; it has {', '.join(FIELDS)}"
        )
    when = fields.get("defer_until")
    if isinstance(when, str):
        fields["defer_until"] = datetime.fromisoformat(when)
    return fields
