"""Jobs in every state, written as stock clients and workers write them (wire.md's table)."""

from __future__ import annotations

import asyncio
import pickle
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from arqade import WorkerRecord
from tests.harness.canary import Loud

if TYPE_CHECKING:
    import redis

QUEUE = "arq:queue"
HOUR_MS = 3_600_000

# Plain numbers to all who read them, and in no message.
ARGS = (Loud(1),)
KWARGS = {"b": Loud(2)}
RESULT = Loud(42)


def now_ms() -> int:
    return round(time.time() * 1000)


def job_bytes(name: str = "work", *args: Any, **kwargs: Any) -> bytes:
    return pickle.dumps({"t": None, "f": name, "a": args, "k": kwargs, "et": now_ms()})


def result_bytes(
    job_id: str = "k", value: Any = RESULT, *, success: bool = True, queue: str | None = QUEUE
) -> bytes:
    now = now_ms()
    envelope = {
        "t": 1,
        "f": "work",
        "a": ARGS,
        "k": KWARGS,
        "et": now - 30,
        "s": success,
        "r": value,
        "st": now - 20,
        "ft": now - 10,
        "q": queue,
        "id": job_id,
    }
    if queue is None:
        del envelope["q"]
    return pickle.dumps(envelope)


def aborted_bytes() -> bytes:
    """The result of a job that its worker stopped."""
    return result_bytes(value=asyncio.CancelledError(), success=False)


def worker_record(worker_id: str = "w", **changes: Any) -> WorkerRecord:
    """What a worker says of itself."""
    said: dict[str, Any] = {
        "id": worker_id,
        "queue_name": QUEUE,
        "functions": ("add", "work"),
        "hostname": "host",
        "pid": 7,
        "started": datetime(2026, 1, 2, tzinfo=UTC),
        "codec": "PickleCodec",
        "arq_version": "0.28.0",
        "arqade_version": "0.1.0",
    }
    return WorkerRecord(**{**said, **changes})


def put_queued(raw: redis.Redis, job_id: str = "k", queue: str = QUEUE) -> None:
    """A job that is due."""
    raw.psetex(f"arq:job:{job_id}", HOUR_MS, job_bytes("work", *ARGS, **KWARGS))
    raw.zadd(queue, {job_id: now_ms() - 10})


def put_deferred(raw: redis.Redis, job_id: str = "k", queue: str = QUEUE) -> None:
    """A job that is due in an hour."""
    put_queued(raw, job_id, queue)
    raw.zadd(queue, {job_id: now_ms() + HOUR_MS})


def put_in_progress(raw: redis.Redis, job_id: str = "k", queue: str = QUEUE) -> None:
    """A job that a worker runs."""
    put_queued(raw, job_id, queue)
    raw.psetex(f"arq:in-progress:{job_id}", HOUR_MS, b"1")
    raw.set(f"arq:retry:{job_id}", 1)


def put_complete(
    raw: redis.Redis, job_id: str = "k", queue: str | None = QUEUE, value: Any = RESULT
) -> None:
    """A job that has a result."""
    raw.psetex(f"arq:result:{job_id}", HOUR_MS, result_bytes(job_id, value, queue=queue))


def put_expired(raw: redis.Redis, job_id: str = "k", queue: str = QUEUE) -> None:
    """A job whose envelope has expired, and which no worker has met since."""
    raw.zadd(queue, {job_id: now_ms() - 10})


def put_finished_cron(raw: redis.Redis, job_id: str = "k", queue: str = QUEUE) -> None:
    """A cron job that has finished without a result: arq keeps its mark for a minute."""
    raw.psetex(f"arq:in-progress:{job_id}", 60_000, b"1")


STATES = {
    "queued": put_queued,
    "deferred": put_deferred,
    "in_progress": put_in_progress,
    "complete": put_complete,
}


def snapshot(raw: redis.Redis) -> dict[bytes, Any]:
    """Give all that the server holds, but for arqade's markers, to see that nothing changed."""
    found: dict[bytes, Any] = {}
    for key in raw.keys("*"):
        if not key.startswith(b"arqade:once:"):
            found[key] = raw.dump(key)
    return found


def looks(raw: redis.Redis) -> int:
    """How often scripts were run, each of them a look at jobs."""
    stats: Any = raw.info("commandstats")
    return sum(found["calls"] for name, found in stats.items() if "evalsha" in name)
