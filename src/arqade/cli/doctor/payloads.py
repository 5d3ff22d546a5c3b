"""In which formats jobs and results are, and what workers say of those that they could not run."""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import attrs

from arqade import JobDeserializationError, RestrictedPickleCodec
from arqade.cli.doctor.report import Diagnosis, Level, told
from arqade.cli.formats import AnyFormat

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import redis

__all__ = ["payloads"]

SAMPLE: Final = 200
"""Jobs of each queue, and results, that are looked at."""

LARGEST: Final = 1024 * 1024
"""Bytes of a payload that is read; larger ones are passed over."""

KEYS_LOOKED_AT: Final = 20_000
"""Keys of the database among which results are looked for."""

NO_FUNCTION: Final = re.compile(r"function '(.+)' not found")
"""What a worker says that has no such function."""

UNSTORABLE: Final = "unable to serialize result"
"""What a worker stores in place of a result that it could not encode."""


@attrs.define
class _Seen:
    """What a sample has."""

    formats: Counter[str] = attrs.field(factory=Counter)
    unreadable: int = 0
    foreign: int = 0
    """Payloads with classes that are not made here."""
    undecoded: int = 0
    """Results of jobs that a worker could not decode."""
    unstored: int = 0
    """Results that a worker could not encode."""
    functions: set[str] = attrs.field(factory=set)
    """Functions that a worker does not have."""


def payloads(client: redis.Redis, queue_names: tuple[str, ...]) -> Iterator[Diagnosis]:
    """Tell in which formats jobs and results are, from a sample."""
    seen = _Seen()
    for data in _sample(client, queue_names):
        _look(data, seen)
    if not seen.formats:
        yield told("codec", "There are no jobs and results to see a format in")
        return
    counts = ", ".join(f"{count:,} {name}" for name, count in seen.formats.most_common())
    classes = f"; {seen.foreign:,} with classes that are not made here" if seen.foreign else ""
    yield told("codec", f"Of the jobs and results looked at: {counts}{classes}")
    yield from _complaints(seen)


def _complaints(seen: _Seen) -> Iterator[Diagnosis]:
    if seen.unreadable:
        yield Diagnosis(
            "codec",
            Level.info,
            f"Of them can't be read here: {seen.unreadable:,}",
            "give the codec of the workers, as in --codec package.module:codec",
        )
    if seen.undecoded:
        yield Diagnosis(
            "codec",
            Level.error,
            f"Results that say that the worker could not decode the job: {seen.undecoded:,}",
            "let clients and workers use the same codec, and let the worker have the classes",
        )
    if seen.unstored:
        yield Diagnosis(
            "codec",
            Level.warning,
            "Results that say that the worker could not encode what the job gave: "
            f"{seen.unstored:,}",
            "let jobs return what the worker's codec takes",
        )
    if seen.functions:
        yield Diagnosis(
            "functions",
            Level.error,
            f"Workers have no function {', '.join(sorted(seen.functions))}",
            "add it to the worker's functions, or correct the name where it is enqueued",
        )


def _sample(client: Any, queue_names: Iterable[str]) -> Iterator[bytes]:
    keys = [
        b"arq:job:" + job_id
        for name in queue_names
        for job_id in client.zrange(name, 0, SAMPLE - 1)
    ]
    keys += islice(_results(client), SAMPLE)
    for key in keys:
        if client.strlen(key) <= LARGEST and (data := client.get(key)):
            yield data


def _results(client: Any) -> Iterator[bytes]:
    cursor, looked_at, page = 0, 0, 1000
    while looked_at < KEYS_LOOKED_AT:
        cursor, keys = client.scan(cursor, "arq:result:*", page, "string")
        yield from keys
        looked_at += page
        if not cursor:
            return


def _look(data: bytes, seen: _Seen) -> None:
    codec = AnyFormat()
    name = codec.name_of(data)
    seen.formats[name or "of unknown format"] += 1
    try:
        envelope = codec.loads(data)
    except JobDeserializationError:
        seen.unreadable += 1
        return
    if name == "pickle":
        try:
            RestrictedPickleCodec().loads(data)
        except JobDeserializationError:
            seen.foreign += 1
    result = envelope.get("r")
    if envelope.get("f") == "<unknown>" and type(result).__name__ == "DeserializationError":
        seen.undecoded += 1
    elif result == UNSTORABLE and not envelope.get("s"):
        seen.unstored += 1
    elif isinstance(result, Exception) and (found := NO_FUNCTION.fullmatch(str(result))):
        seen.functions.add(found[1])
