"""What is sent to the server, and how its answer reads: one command for each operation.

A `Command` is a value: the words to send and the function that reads the reply. The layer above
sends it and knows nothing of its meaning.
"""

from __future__ import annotations

import hashlib
import pkgutil
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar, cast

import attrs

from arqade._protocol import keys
from arqade._validation import MAX_TIME_MS
from arqade.exceptions import QueueServerError
from arqade.models import JobStatus, OnConflict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from arqade._protocol.payloads import JobTimes
    from arqade.exceptions import NotQueuedReason

__all__ = [
    "CANCEL",
    "ENQUEUE",
    "VIEW",
    "CancelAnswer",
    "Command",
    "EnqueueAnswer",
    "EnqueueReply",
    "JobView",
    "Script",
    "Wanted",
    "as_score",
    "cancel",
    "delete_result",
    "enqueue",
    "enqueue_many",
    "job_options",
    "ping",
    "time",
    "view",
    "views",
]

T = TypeVar("T")
Word: TypeAlias = str | bytes | int

MARKER_EXTRA_MS = 60_000
"""How long a call's marker outlives its fence: the time left to settle an uncertain call."""

Wanted: TypeAlias = Literal[
    "status", "result", "metadata", "waiting", "queued", "deferred", "in_progress"
]
"""Which bytes are wanted of a job: see ``view.lua``."""


@attrs.frozen
class Script:
    """A Lua script and the digest under which a server keeps it."""

    text: str
    digest: str

    @classmethod
    def load(cls, name: str) -> Script:
        """Read a script of the folder ``lua``."""
        data = cast("bytes", pkgutil.get_data(__package__, f"lua/{name}.lua"))
        # Redis names a script by its SHA-1, which guards nothing.
        return cls(data.decode(), hashlib.sha1(data, usedforsecurity=False).hexdigest())


# Not frozen: one is made for each call, and a frozen one takes twice as long.
@attrs.define
class Command(Generic[T]):
    """One command, to be sent in one round trip."""

    words: tuple[Word, ...] = attrs.field(repr=False)
    """What is sent."""

    read: Callable[[Any], T]
    """Turn the reply into a value."""

    repeatable: bool
    """Whether sending it twice answers and does the same as sending it once."""

    changes: bool = True
    """Whether it may change anything: if not, a lost reply leaves nothing in doubt."""

    script: Script | None = None
    """The script of an EVALSHA, to be sent whole to a server that does not know it."""

    waits: bool = False
    """Whether the answer counts only once the replicas have what it changed."""

    @property
    def words_with_script(self) -> tuple[Word, ...]:
        """What is sent to a server that does not know the script."""
        if self.script is None:
            return self.words
        return ("EVAL", self.script.text, *self.words[2:])


ENQUEUE = Script.load("enqueue")
CANCEL = Script.load("cancel")
VIEW = Script.load("view")


def as_score(reply: bytes | float | None) -> int | None:
    """Read a score in milliseconds, or none."""
    if reply is None:
        return None
    # Another program may have set one that is no time, even an infinite one.
    return int(max(-MAX_TIME_MS, min(float(reply), MAX_TIME_MS)))


# Not frozen: one is made for each call, and a frozen one takes twice as long.
@attrs.define
class JobView:
    """All that a server knows of a job, at one moment."""

    now: int
    """The server's time in milliseconds; perhaps 0 if there is a result."""

    score: int | None
    """When the job is due; None if it is not in the queue that was asked."""

    in_progress: bool
    result: bytes | int | None = attrs.field(repr=False)
    """Its bytes; their number, if they were left out because there are too many."""

    job: bytes | int | None = attrs.field(repr=False)
    """Likewise."""

    @classmethod
    def read(cls, reply: list[Any]) -> JobView:
        """Read the reply of the script ``view`` about one job."""
        now, score, in_progress, result, job = reply
        # A worker passes over a job of score 0, and arq says that it is not there.
        return cls(now, as_score(score) or None, bool(in_progress), result, job)

    @property
    def status(self) -> JobStatus:
        """What arq says of such a job (arq/jobs.py, Job.status)."""
        if self.result is not None:
            return JobStatus.complete
        if self.in_progress:
            return JobStatus.in_progress
        if self.score is None:
            return JobStatus.not_found
        return JobStatus.deferred if self.score > self.now else JobStatus.queued

    @property
    def is_pending(self) -> bool:
        """Whether the job is in this queue and may still come to a result.

        A running job stays in its queue, and may outlive its envelope.
        """
        return self.score is not None and (self.job is not None or self.in_progress)


def view(job_id: str, queue_name: str, wanted: Wanted, max_bytes: int) -> Command[JobView]:
    """Read a job.

    Args:
        job_id: The job's id.
        queue_name: The queue.
        wanted: ``status`` reads no bytes, ``result`` and ``metadata`` what they need.
        max_bytes: The most bytes of a result or a job; of more only the number is given.
    """
    words = ("EVALSHA", VIEW.digest, 0, queue_name, wanted, max_bytes, job_id)
    return Command(words, JobView.read, repeatable=True, changes=False, script=VIEW)


def views(
    job_ids: Sequence[str], queue_name: str, wanted: Wanted, max_bytes: int
) -> Command[list[JobView]]:
    """Read some jobs, in their order; of many bytes only the first ones, but at least one job.

    Arguments are those of `view`.
    """
    words = ("EVALSHA", VIEW.digest, 0, queue_name, wanted, max_bytes, *job_ids)
    return Command(words, _read_views, repeatable=True, changes=False, script=VIEW)


def _read_views(reply: list[Any]) -> list[JobView]:
    now = reply[0]
    return [JobView.read([now, *reply[at : at + 4]]) for at in range(1, len(reply), 4)]


# Not frozen: one is made for each call, and a frozen one takes twice as long.
@attrs.define
class EnqueueAnswer:
    """What the server made of an enqueue."""

    what: Literal["created", "repeated", "exists", "late", "clock", "error"]
    now: int
    """The server's time in milliseconds."""

    score: int | None = None
    enqueue_time: int | None = None
    job_id: str | None = None
    reason: NotQueuedReason | None = None
    view: JobView | None = None
    error: str | None = None
    """What the server says of a job of many that it refused."""

    @classmethod
    def read(cls, reply: list[Any]) -> EnqueueAnswer:
        """Read the reply of the script ``enqueue`` to a call for one job."""
        now, answer = reply
        return cls.of(now, answer)

    @classmethod
    def of(cls, now: int, answer: Any) -> EnqueueAnswer:
        """Read the script's answer for one job."""
        if type(answer) is int:
            return cls("created", now, score=answer)
        rest: list[Any]
        what, *rest = [answer] if isinstance(answer, bytes) else answer
        match what.decode(), rest:
            case "repeated", [score, sent, job_id]:
                return cls("repeated", now, int(score), int(sent), job_id.decode())
            case "exists", [reason]:
                return cls("exists", now, reason=reason.decode())
            case "exists", [score, in_progress, result, job]:
                found = JobView.read([now, score, in_progress, result, job])
                return cls("exists", now, view=found)
            case "error", [text]:
                return cls("error", now, error=text.decode(errors="replace"))
            case ("repeated" | "late" | "clock") as other, []:
                return cls(cast("Literal['repeated', 'late', 'clock']", other), now)
            case _:
                raise QueueServerError(f"the enqueue script answered {what!r}, which it never says")


# Not frozen: one is made for each call, and a frozen one takes twice as long.
@attrs.define
class EnqueueReply:
    """What the server made of a call for many jobs."""

    now: int
    """The server's time in milliseconds."""

    answers: list[Any]
    """For each job its score if it was created, or what `EnqueueAnswer.of` reads."""

    has_refused_times: bool
    """Whether the call, or a job of it, was refused because of its times, and may be repeated."""

    @classmethod
    def read(cls, reply: list[Any], count: int) -> EnqueueReply:
        """Read the reply of the script ``enqueue`` to a call for so many jobs."""
        now, *answers = reply
        if len(answers) == 1 and isinstance(answers[0], bytes):
            return cls(now, answers * count, True)
        if len(answers) != count:
            raise QueueServerError(
                f"the enqueue script answered for {len(answers)} jobs, not {count}"
            )
        early = any(type(x) is list and x[0] in (b"late", b"clock") for x in answers)
        return cls(now, answers, early)


def job_options(on_conflict: OnConflict, times: JobTimes, *, fresh: bool) -> str:
    """Give the options of a job for the script ``enqueue``.

    Args:
        on_conflict: What to do about a job with the same id.
        times: When it is due, and how long it lives.
        fresh: Whether its id was made at random for this call: then no job has it.
    """
    return f"{on_conflict} {times.score} {times.life} {times.deferred:d} {fresh:d}"


def enqueue(
    *,
    job_id: str,
    queue_name: str,
    payload: bytes,
    times: JobTimes,
    on_conflict: OnConflict,
    token: str,
    fence: int,
    max_bytes: int,
    fresh: bool = False,
    waits: bool = False,
) -> Command[EnqueueAnswer]:
    """Put a job into a queue.

    Args:
        job_id: The job's id.
        queue_name: The queue.
        payload: The job's envelope.
        times: When it is enqueued and due, and how long it lives.
        on_conflict: What to do about a job with the same id.
        token: Names this call: a repetition of it makes no second job.
        fence: The server's time in milliseconds from which on this call may create nothing.
        max_bytes: The most bytes to be given of a job that is there; of more only the number is.
        fresh: Whether the id was made at random for this call: then no job has it.
        waits: Whether a WAIT for the replicas follows.
    """
    # At most ten words: to a client that is not logged in, Redis answers a longer command with
    # a protocol error in place of NOAUTH.
    words = (
        "EVALSHA", ENQUEUE.digest, 1, keys.once(token),
        _numbers(times.enqueue_time, fence, max_bytes, waits),
        job_id, queue_name, payload, job_options(on_conflict, times, fresh=fresh),
    )  # fmt: skip
    return Command(words, EnqueueAnswer.read, repeatable=True, script=ENQUEUE, waits=waits)


def enqueue_many(
    jobs: Sequence[Word],
    *,
    now: int,
    token: str,
    fence: int,
    max_bytes: int,
    waits: bool = False,
) -> Command[EnqueueReply]:
    """Put many jobs into queues.

    Args:
        jobs: Four words for each: id, queue, envelope, and what `job_options` gives.
        now: When they are enqueued, in milliseconds since the epoch.
        token: Names this call: a repetition of it makes no second job.
        fence: The server's time in milliseconds from which on this call may create nothing.
        max_bytes: The most bytes to be given of each job that is there; see `enqueue`.
        waits: Whether a WAIT for the replicas follows.
    """
    count = len(jobs) // 4
    numbers = _numbers(now, fence, max_bytes, waits)
    words = ("EVALSHA", ENQUEUE.digest, 1, keys.once(token), numbers, *jobs)
    return Command(
        words,
        lambda reply: EnqueueReply.read(reply, count),
        repeatable=True,
        script=ENQUEUE,
        waits=waits,
    )


def _numbers(now: int, fence: int, max_bytes: int, waits: bool) -> str:
    life = fence - now + MARKER_EXTRA_MS
    return f"{now} {fence} {life} {max_bytes}{' wait' if waits else ''}"


@attrs.frozen
class CancelAnswer:
    """What the server made of a cancel."""

    what: Literal["removed", "asked", "complete", "not_found", "other"]

    digest: str = ""
    """Which job was asked to stop: the SHA-1 of its envelope."""

    @classmethod
    def read(cls, reply: list[Any]) -> CancelAnswer:
        """Read the reply of the script ``cancel``."""
        return cls(*(part.decode() for part in reply))


def cancel(job_id: str, queue_name: str, *, meant: str = "") -> Command[CancelAnswer]:
    """Remove a job that has not started, or ask its worker to stop it.

    Args:
        job_id: The job's id.
        queue_name: The queue.
        meant: The digest of an earlier answer: another job that has the id now is left alone.
    """
    words = ("EVALSHA", CANCEL.digest, 0, job_id, queue_name, meant)
    return Command(words, CancelAnswer.read, repeatable=False, script=CANCEL)


def delete_result(job_id: str) -> Command[bool]:
    """Delete a kept result."""
    return Command(("UNLINK", keys.result(job_id)), bool, repeatable=False)


def ping() -> Command[None]:
    """Ask whether the server answers."""
    return Command(("PING",), lambda _: None, repeatable=True, changes=False)


def time() -> Command[int]:
    """Ask for the server's time in milliseconds."""
    return Command(
        ("TIME",),
        lambda reply: int(reply[0]) * 1000 + round(int(reply[1]) / 1000),
        repeatable=True,
        changes=False,
    )
