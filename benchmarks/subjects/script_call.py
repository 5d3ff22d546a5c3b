"""The bare limits' job: built and packed as arqade's ``enqueue`` does, and nothing else.

What is sent is learnt from arqade, once and before anything is timed, as a template into which each
call puts its job: so it is the same bytes, whatever arqade sends.
"""

from __future__ import annotations

import pickle
import time
import uuid
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from arqade._protocol import scripts
from arqade._protocol.payloads import JobTimes
from benchmarks.jobs import QUEUE, TASK

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPT: Final = scripts.ENQUEUE
LIFE: Final = 86_400_000
FENCE: Final = 11_000
NOW: Final = 1_111_111_111_111
"""The template's time: its digits occur nowhere else."""

Word = str | bytes | int
Words = tuple[Word, ...]


class Parts(NamedTuple):
    """What differs from call to call."""

    job_id: str
    token: str
    data: bytes
    now: str
    fence: str


MARKS: Final = Parts("ID", "TOKEN", b"DATA", str(NOW), str(NOW + FENCE))
"""What stands for them in the template."""


def _sent(job_id: str, token: str, data: bytes, now: int) -> Words:
    return scripts.enqueue(
        job_id=job_id,
        queue_name=QUEUE,
        payload=data,
        times=JobTimes(enqueue_time=now, score=now, life=LIFE, deferred=False),
        on_conflict="raise",
        token=token,
        max_bytes=2**26,
        fence=now + FENCE,
        fresh=True,
    ).words


def _filler(word: Word) -> Callable[[Parts], Word] | None:
    """Give what puts a call's parts into a word; None if it is always the same."""
    if word == MARKS.data:
        return attrgetter("data")
    if word == MARKS.job_id:
        return attrgetter("job_id")
    if not isinstance(word, str):
        return None
    prefix, found, _ = word.partition(MARKS.token)
    if found:
        return lambda parts: prefix + parts.token
    if MARKS.now in word or MARKS.fence in word:
        return lambda parts: word.replace(MARKS.fence, parts.fence).replace(MARKS.now, parts.now)
    return None


def words_maker() -> Callable[[tuple[Any, ...], dict[str, Any]], Words]:
    """Give a function that makes the words of the command that enqueues a job.

    Raises:
        RuntimeError: It does not make what arqade sends: the template is to be mended.
    """
    template = _sent(MARKS.job_id, MARKS.token, MARKS.data, NOW)
    fillers = [
        (at, filler) for at, word in enumerate(template) if (filler := _filler(word)) is not None
    ]

    def words(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Words:
        now = time.time_ns() // 1_000_000
        data = pickle.dumps({"t": None, "f": TASK, "a": args, "k": kwargs, "et": now}, 5)
        parts = Parts(uuid.uuid4().hex, uuid.uuid4().hex, data, str(now), str(now + FENCE))
        made = list(template)
        for at, filler in fillers:
            made[at] = filler(parts)
        return tuple(made)

    ours = words(("cat.png",), {"width": 300})
    found: dict[Word, Any] = dict(zip(template, ours, strict=True))
    [token] = (str(was)[-32:] for word, was in found.items() if MARKS.token in str(word))
    data = found[MARKS.data]
    if _sent(found[MARKS.job_id], token, data, pickle.loads(data)["et"]) != ours:
        raise RuntimeError("the bare limits send other words than arqade's enqueue")
    return words
