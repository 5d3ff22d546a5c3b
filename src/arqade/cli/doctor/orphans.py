"""What is left of jobs that are no more, and queues that nobody asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from arqade.cli.doctor.report import Diagnosis, Level, good, told

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import redis

__all__ = ["orphans"]

PAGE: Final = 1000
MOST_KEYS: Final = 200_000
"""Keys of the database that are looked at."""

MOST_ENTRIES: Final = 20_000
"""Entries of each queue that are looked at, those that have been due for longest."""

ABORT: Final = b"arq:abort"
JOB: Final = b"arq:job:"
NAMED: Final = 3
"""Ids that a message names."""


@attrs.define
class _Keys:
    """What the database holds."""

    jobs: list[bytes] = attrs.field(factory=list)
    """Ids of the jobs that have an envelope."""
    sets: list[bytes] = attrs.field(factory=list)
    """Sorted sets, of which queues are some."""
    complete: bool = True
    """Whether all keys were looked at."""


def orphans(client: redis.Redis, queue_names: tuple[str, ...]) -> Iterator[Diagnosis]:
    """Look for entries without jobs, jobs without queues, and requests to abort nothing."""
    found: list[Diagnosis] = []
    for name in queue_names:
        found += _entries_without_jobs(client, name)
    found += _aborts_of_nothing(client)
    keys = _keys(client)
    found += _jobs_without_queues(client, keys)
    found += _other_queues(client, keys, queue_names)
    if not keys.complete:
        found.append(told("orphans", f"Of the database, {MOST_KEYS:,} keys were looked at"))
    elif not any(diagnosis.topic == "orphans" for diagnosis in found):
        found.append(good("orphans", "Nothing is left of jobs that are no more"))
    yield from found


def _entries_without_jobs(client: Any, name: str) -> Iterator[Diagnosis]:
    count = 0
    ids: list[bytes] = []
    for start in range(0, MOST_ENTRIES, PAGE):
        page = client.zrange(name, start, start + PAGE - 1)
        lost = _without_envelope(client, page)
        count += len(lost)
        ids += lost[: NAMED - len(ids)]
        if len(page) < PAGE:
            break
    if count:
        yield Diagnosis(
            "orphans",
            Level.warning,
            f"Entries of {name} without a job, as it expired before it was run: "
            f"{_named(ids, count)}",
            "run enough workers, which drop such entries, or give jobs more time (expires)",
        )


def _aborts_of_nothing(client: Any) -> Iterator[Diagnosis]:
    asked = client.zrange(ABORT, 0, MOST_ENTRIES - 1)
    ids = _without_envelope(client, asked)
    if ids:
        yield Diagnosis(
            "orphans",
            Level.warning,
            "Requests to abort jobs that are not there, by which workers will abort later jobs "
            f"with these ids: {_named(ids, len(ids))}",
            "enqueue such jobs with arqade, which clears that, or ZREM arq:abort ID",
        )


def _jobs_without_queues(client: Any, keys: _Keys) -> Iterator[Diagnosis]:
    ids = keys.jobs
    for name in keys.sets:
        if name == ABORT:
            continue
        missing = []
        for page in _pages(ids):
            pipeline = client.pipeline(transaction=False)
            for job_id in page:
                pipeline.zscore(name, job_id)
            missing += [
                job_id
                for job_id, score in zip(page, pipeline.execute(), strict=True)
                if score is None
            ]
        ids = missing
    # Some have finished, or come into a queue, since the keys were looked at.
    ids = [job_id for job_id in ids if job_id not in set(_without_envelope(client, ids))]
    if ids and keys.complete:
        yield Diagnosis(
            "orphans",
            Level.warning,
            f"Jobs that are in no queue, and will not be run: {_named(ids, len(ids))}",
            "enqueue them again; they go by themselves when they expire",
        )


def _other_queues(client: Any, keys: _Keys, queue_names: Iterable[str]) -> Iterator[Diagnosis]:
    known = {name.encode() for name in queue_names} | {ABORT}
    others = []
    for name in keys.sets:
        first = [] if name in known else client.zrange(name, 0, 0)
        if first and not _without_envelope(client, first):
            others.append(name.decode(errors="backslashreplace"))
    if others:
        yield told(
            "queues",
            f"There are jobs in other queues: {', '.join(sorted(others))}",
            "look into them with --queue",
        )


def _keys(client: Any) -> _Keys:
    found = _Keys()
    for kind, pattern in (("string", JOB + b"*"), ("zset", None)):
        cursor, looked_at = 0, 0
        while True:
            cursor, keys = client.scan(cursor, pattern, PAGE, kind)
            if kind == "zset":
                found.sets += keys
            else:
                found.jobs += [key.removeprefix(JOB) for key in keys]
            looked_at += PAGE
            if not cursor:
                break
            if looked_at >= MOST_KEYS:
                found.complete = False
                break
    return found


def _without_envelope(client: Any, ids: list[bytes]) -> list[bytes]:
    lost = []
    for page in _pages(ids):
        pipeline = client.pipeline(transaction=False)
        for job_id in page:
            pipeline.exists(JOB + job_id)
        lost += [
            job_id for job_id, there in zip(page, pipeline.execute(), strict=True) if not there
        ]
    return lost


def _pages(ids: list[bytes]) -> Iterator[list[bytes]]:
    for start in range(0, len(ids), PAGE):
        yield ids[start : start + PAGE]


def _named(ids: list[bytes], count: int) -> str:
    names = ", ".join(job_id.decode(errors="backslashreplace") for job_id in ids[:NAMED])
    return f"{count:,} ({names}{', ...' if count > NAMED else ''})"
