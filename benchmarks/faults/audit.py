"""The jobs that are on the server, and what each call has come to."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis

IMAGE: Final = re.compile(rb"image-(\d+)\.png")
"""A job's argument, with the number of the call that it comes from."""

VERDICTS: Final = {
    "ok": "ok",
    "raised-absent": "error",
    "raised-there": "error, job there",
    "exists-absent": "“exists”, no job",
    "exists-own": "“exists”, own job",
    "lost": "lost",
    "doubled": "doubled",
    "crossed": "crossed",
    "hung": "hung",
    "died": "died",
}
"""What a call may come to, and what tables call it."""


def image(number: int) -> str:
    """Give the argument of a call's job."""
    return f"image-{number}.png"


def number_of(argument: bytes) -> int:
    """Give the number of the call whose job has this argument."""
    found = IMAGE.fullmatch(argument)
    return int(found[1]) if found else 0


def _arq(client: Any) -> Iterator[bytes | None]:
    for job_id in client.zrange("arq:queue", 0, -1):
        yield client.get(b"arq:job:" + job_id)


def _saq(client: Any) -> Iterator[bytes | None]:
    for key in client.lrange("saq:default:queued", 0, -1):
        yield client.get(key)


def _streaq(client: Any) -> Iterator[bytes | None]:
    for _, fields in client.xrange("streaq:default:queues:normal"):
        yield client.get(b"streaq:default:task:data:" + fields[b"task_id"])


def _taskiq(client: Any) -> Iterator[bytes | None]:
    yield from client.lrange("taskiq", 0, -1)


def _rq(client: Any) -> Iterator[bytes | None]:
    for job_id in client.lrange("rq:queue:default", 0, -1):
        data = client.hget(b"rq:job:" + job_id, "data")
        yield data and zlib.decompress(data)


def _huey(client: Any) -> Iterator[bytes | None]:
    yield from client.lrange("huey.redis.default", 0, -1)


def _dramatiq(client: Any) -> Iterator[bytes | None]:
    for message_id in client.lrange("dramatiq:default", 0, -1):
        yield client.hget("dramatiq:default.msgs", message_id)


def _celery(client: Any) -> Iterator[bytes | None]:
    for message in client.lrange("celery", 0, -1):
        yield base64.b64decode(json.loads(message)["body"])


READERS: Final[dict[str, Callable[[Any], Iterator[bytes | None]]]] = {
    "arq": _arq,
    "saq": _saq,
    "streaq": _streaq,
    "taskiq": _taskiq,
    "rq": _rq,
    "huey": _huey,
    "dramatiq": _dramatiq,
    "celery": _celery,
}
"""How the jobs that wait to be run are read, without the clients' own code."""


def jobs_there(kind: str, client: redis.Redis) -> Counter[int]:
    """Count the jobs that wait to be run, by the number of the call that they come from."""
    found: Counter[int] = Counter()
    for payload in READERS[kind](client):
        if payload is not None:  # A worker finds no job either.
            found.update(int(number) for number in set(IMAGE.findall(payload)))
    return found


def verdict(told: str, jobs: int, *, crossed: bool = False) -> str:
    """Say what a call has come to.

    Args:
        told: What its caller was told: ``ok``, ``exists``, ``raised``, ``hung`` or ``died``.
        jobs: How many jobs it has made.
        crossed: Whether the client, asked for the job, gave another call's.
    """
    if told in {"hung", "died"}:
        return told
    if jobs > 1:
        return "doubled"
    if told == "exists":
        return "exists-own" if jobs else "exists-absent"
    if told == "raised":
        return "raised-there" if jobs else "raised-absent"
    if crossed:
        return "crossed"
    return "ok" if jobs else "lost"
