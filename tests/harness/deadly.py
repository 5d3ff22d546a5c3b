"""What a client can write that harms a stock worker (arq 0.26 to 0.28), by the raw bytes.

Nothing of arqade writes here: these are the ways that it must not leave open.
"""

from __future__ import annotations

import functools
import math
import pickle
import time
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from tests.harness.states import HOUR_MS, QUEUE, now_ms
from tests.harness.worker import wait_until_started

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

__all__ = [
    "CANCEL",
    "VICTIM",
    "WANTED",
    "WAYS",
    "Calling",
    "Harm",
    "Way",
    "laughs",
    "put",
    "turning_into",
]

Harm: TypeAlias = Literal["dies", "hangs", "starves", "passes over", "drops"]
"""What becomes of the worker, or of a job: the victim.

``dies``: its process ends. ``hangs``: it does nothing any more. ``starves``: it passes over all
jobs of its queue. ``passes over``: it never takes the victim. ``drops``: the victim is gone, and
has not run as it should have.
"""

VICTIM = "victim"
WANTED = ("wanted",)
"""The victim's arguments."""

READ_LIMIT = 100
"""How many entries of a queue a worker looks at (arq's Worker.queue_read_limit)."""

HIDDEN = 2.0**60
"""A score for an entry that no worker is to meet yet."""


# --- values ----------------------------------------------------------------------------


class Calling:
    """Its unpickling calls a function: no class is needed where that is done.

    Args:
        function: The function.
        *args: Its arguments.
    """

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.function = function
        self.args = args

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.args


def turning_into(method: str, code: str) -> Calling:
    """Make a value that becomes an object of which a special method runs some code."""
    return Calling(eval, f"type('Odd', (), {{{method!r}: lambda *_: exec({code!r})}})()")


def laughs(levels: int) -> list[Any]:
    """Make a small value whose `repr` is twice as long for each level."""
    value: list[Any] = []
    for _ in range(levels):
        value = [value, value]
    return value


# --- how they are written --------------------------------------------------------------


def put(
    raw: redis.Redis,
    job_id: str | bytes = VICTIM,
    *,
    queue: str = QUEUE,
    score: float | None = None,
    **changes: Any,
) -> None:
    """Write a job that is due and right, but for what is told otherwise."""
    envelope = {"t": None, "f": "echo", "a": WANTED, "k": {}, "et": now_ms(), **changes}
    name = job_id.encode() if isinstance(job_id, str) else job_id
    raw.psetex(b"arq:job:" + name, HOUR_MS, pickle.dumps(envelope, protocol=4))
    raw.zadd(queue, {name: now_ms() if score is None else score})


def put_later(raw: redis.Redis, job_id: str, queue: str) -> None:
    """Write a job that its worker meets when it has written the record of its health anew."""
    put(raw, job_id, queue=queue, score=now_ms() + 300)


def put_many(raw: redis.Redis, *, score: float, in_progress: bool = False) -> None:
    """Write as many jobs as a worker looks at, and the victim."""
    for number in range(READ_LIMIT):
        if in_progress:
            raw.set(f"arq:in-progress:first-{number}", "1")
        put(raw, f"first-{number}", score=score)
    put(raw)


def put_no_envelope(raw: redis.Redis) -> None:
    """Write the victim's entry, as after a time of expiry in the past."""
    raw.zadd(QUEUE, {VICTIM: now_ms()})


def put_behind(raw: redis.Redis, key: str, value: str | int | None = None) -> None:
    """Write the victim after another key: a text, or an entry of a queue."""
    put(raw, score=HIDDEN)
    if value is None:
        raw.delete(key)
        raw.zadd(key, {VICTIM: 1})
    else:
        raw.set(key, value)
    raw.zadd(QUEUE, {VICTIM: now_ms()})


def put_bytes(raw: redis.Redis, data: bytes) -> None:
    """Write the victim with these bytes for an envelope."""
    raw.set(f"arq:job:{VICTIM}", data)
    raw.zadd(QUEUE, {VICTIM: now_ms()})


def put_while_it_runs(raw: redis.Redis) -> None:
    """Write the victim over a job of the same id that runs."""
    put(raw, f="run_until_told", a=())
    wait_until_started(raw, VICTIM)
    put(raw)
    raw.rpush(f"test:go:{VICTIM}", "go")


def put_over_record(raw: redis.Redis) -> None:
    """Write the victim where a worker keeps the record of its health."""
    put(raw, score=HIDDEN)
    with raw.pipeline() as together:
        together.delete("arq:queue:health-check")
        together.zadd("arq:queue:health-check", {VICTIM: now_ms()})
        together.zrem(QUEUE, VICTIM)
        together.execute()


class Way(NamedTuple):
    """A way to harm a worker."""

    name: str
    harm: Harm
    write: Callable[[redis.Redis], object]
    says: str = ""
    """What the worker says of it."""
    settings: dict[str, Any] = {}  # noqa: RUF012 - nobody changes it
    """The worker's."""
    victim: str = VICTIM
    queue: str = QUEUE
    """The victim's."""


def entry(job_id: bytes = VICTIM.encode(), score: float | None = None) -> Any:
    return functools.partial(put, job_id=job_id, score=score)


def envelope(**changes: Any) -> Any:
    return functools.partial(put, **changes)


def argument(value: Any) -> Any:
    return functools.partial(put, a=(value,))


def after(key: str, value: str | int | None = None) -> Any:
    return functools.partial(put_behind, key=key, value=value)


def health_of(queue: str, harm: Harm, says: str = "") -> Way:
    """The worker's record of its health takes the place of a job's key."""
    write = functools.partial(put_later, job_id=HEALTH, queue=queue)
    settings = {"queue_name": queue, "health_check_interval": 0.01}
    return Way(f"queue: {queue}", harm, write, says, settings, HEALTH, queue)


HEALTH = "health-check"
ABORTS = {"allow_abort_jobs": True}
CANCEL = "import asyncio; raise asyncio.CancelledError"
NO_COUNTER = "(INCRBY arq:retry:"

WAYS = [
    # --- ids
    Way("id: no UTF-8", "dies", entry(b"\xff"), "UnicodeDecodeError"),
    Way("id: lone surrogate", "dies", entry(b"\xed\xa0\x80"), "UnicodeDecodeError"),
    # --- scores
    Way("score: 0", "passes over", entry(score=0)),
    Way("score: 0, many", "starves", functools.partial(put_many, score=0)),
    Way("score: -inf", "dies", entry(score=-math.inf), "OverflowError"),
    Way("score: inf", "passes over", entry(score=math.inf)),
    Way("score: beyond all time", "passes over", entry(score=2.0**60)),
    # --- queues whose keys are others' too
    Way("queue: of another type", "dies", lambda raw: raw.set(QUEUE, "x"), "WRONGTYPE"),
    Way("queue: an envelope", "dies", after(f"arq:job:{VICTIM}"), "(GET arq:job:"),
    Way("queue: a counter of tries", "dies", after(f"arq:retry:{VICTIM}"), NO_COUNTER),
    Way("queue: a job's mark", "passes over", after(f"arq:in-progress:{VICTIM}")),
    Way(
        "queue: a result",
        "dies",
        lambda raw: put(raw, queue=f"arq:result:{VICTIM}"),
        "WRONGTYPE",
        {"queue_name": f"arq:result:{VICTIM}"},
    ),
    Way(
        "queue: askings to abort",
        "drops",
        lambda raw: put(raw, queue="arq:abort"),
        "aborted before start",
        {"queue_name": "arq:abort", **ABORTS},
        queue="arq:abort",
    ),
    Way(
        "queue: a worker's record",
        "drops",
        put_over_record,
        settings={"health_check_interval": 0.01},
        queue="arq:queue:health-check",
    ),
    health_of("arq:job", "drops", "deserializing job health-check failed"),
    health_of("arq:result", "drops"),
    health_of("arq:retry", "dies", NO_COUNTER),
    health_of("arq:in-progress", "passes over"),
    # --- what is left of other jobs
    Way("mark: left", "passes over", after(f"arq:in-progress:{VICTIM}", "1")),
    Way(
        "mark: left, of many",
        "starves",
        functools.partial(put_many, score=1, in_progress=True),
    ),
    Way("tries: left", "drops", after(f"arq:retry:{VICTIM}", 5), "max retries 5 exceeded"),
    Way("tries: no number", "dies", after(f"arq:retry:{VICTIM}", "x"), NO_COUNTER),
    Way("tries: the last number", "dies", after(f"arq:retry:{VICTIM}", 2**63 - 1), NO_COUNTER),
    Way("abort: of an unknown id", "drops", after("arq:abort"), "aborted before start", ABORTS),
    Way(
        "abort: no UTF-8",
        "dies",
        lambda raw: raw.zadd("arq:abort", {b"\xff": 1}),
        "UnicodeDecodeError",
        ABORTS,
    ),
    Way("abort: of another type", "dies", after("arq:abort", "x"), "(ZREM arq:abort"),
    Way("written while it runs", "drops", put_while_it_runs),
    # --- envelopes
    Way("envelope: none", "drops", put_no_envelope, "job victim expired"),
    Way("envelope: empty", "drops", functools.partial(put_bytes, data=b""), "job victim expired"),
    Way("envelope: garbage", "drops", functools.partial(put_bytes, data=b"\x80"), "deserializing"),
    Way("function: no str", "dies", envelope(f=["echo"]), "TypeError: unhashable type"),
    Way("try: text", "dies", envelope(t="x"), "TypeError: '>' not supported"),
    Way("try: list", "dies", envelope(t=[1]), "TypeError: '>' not supported"),
    Way("try: fraction", "dies", envelope(t=1.5, f="retry_always", a=()), NO_COUNTER),
    Way("try: too long to be shown", "dies", envelope(t=10**5000), "Exceeds the limit"),
    Way("time: none", "dies", envelope(et=None), "TypeError: unsupported operand"),
    Way("time: text", "dies", envelope(et="1"), "TypeError: unsupported operand"),
    Way("time: not a number", "dies", envelope(et=math.nan), "ValueError: Invalid value NaN"),
    Way("time: after all time", "dies", envelope(et=10**20), "OSError"),
    Way("time: before all time", "dies", envelope(et=-(10**17)), "is out of range"),
    Way("time: endless", "dies", envelope(et=math.inf), "OverflowError"),
    # --- arguments
    Way("unpickling ends the process", "dies", argument(Calling(exec, "raise SystemExit(3)"))),
    Way("unpickling interrupts", "dies", argument(Calling(exec, "raise KeyboardInterrupt"))),
    Way("unpickling cancels", "dies", argument(Calling(exec, CANCEL))),
    Way("unpickling raises", "dies", argument(Calling(exec, "raise BaseException"))),
    Way("unpickling never ends", "hangs", argument(Calling(time.sleep, HOUR_MS))),
    Way("repr ends the process", "dies", argument(turning_into("__repr__", "raise SystemExit"))),
    Way(
        "pickling anew ends the process",
        "dies",
        argument(turning_into("__reduce_ex__", "raise SystemExit")),
    ),
    Way("repr is endless", "hangs", lambda raw: put(raw, a=(laughs(100),))),
]
