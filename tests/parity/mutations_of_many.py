"""Broken mocks, as in `mutations`: what is wrong with many jobs, and with queues as a whole."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from arqade import MockArqQueue
from arqade._protocol import keys
from arqade._protocol.memory import MemoryStore
from arqade.exceptions import JobNotFound
from tests.parity.mutations import ENQUEUE, GET, MUTATIONS, VIEW, mutation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import pytest

__all__ = ["MUTATIONS"]

STATS = MemoryStore._stats
PURGE = MemoryStore._purge
HEALTH = MemoryStore._health
VIEWS = MemoryStore._view
EXECUTE = MemoryStore.execute
AS_COMPLETED = MockArqQueue.as_completed

IN_ONE_CALL = 4
"""A job of an enqueue has so many words."""


# --- counting, purging, health ---------------------------------------------------------


def _counted(patch: pytest.MonkeyPatch, change: Callable[[list[Any]], list[Any]]) -> None:
    patch.setattr(MemoryStore, "_stats", lambda store, *args: change(STATS(store, *args)))


@mutation("running jobs are counted as queued")
def _(patch: pytest.MonkeyPatch) -> None:
    _counted(patch, lambda found: [*found[:4], 0])


@mutation("deferred jobs are counted as queued")
def _(patch: pytest.MonkeyPatch) -> None:
    _counted(patch, lambda found: [found[0] + found[1], 0, *found[2:]])


@mutation("the oldest job of a queue is its last one")
def _(patch: pytest.MonkeyPatch) -> None:
    def stats(store: Any, queue: str, *rest: Any) -> list[Any]:
        found = STATS(store, queue, *rest)
        return [*found[:2], max(store._sets.get(queue, {}).values(), default=None), *found[3:]]

    patch.setattr(MemoryStore, "_stats", stats)


@mutation("purging removes running jobs")
def _(patch: pytest.MonkeyPatch) -> None:
    def purge(store: Any, queue: str, *rest: Any) -> list[int]:
        for job_id in store.members(queue):
            store.delete(keys.in_progress(job_id))
        return PURGE(store, queue, *rest)

    patch.setattr(MemoryStore, "_purge", purge)


@mutation("purging counts running jobs")
def _(patch: pytest.MonkeyPatch) -> None:
    def purge(store: Any, *args: Any) -> list[int]:
        entries, looked_at, _ = PURGE(store, *args)
        return [entries, looked_at, looked_at]

    patch.setattr(MemoryStore, "_purge", purge)


def _left_by_purging(patch: pytest.MonkeyPatch, key_of: Callable[[str], str]) -> None:
    def purge(store: Any, queue: str, *rest: Any) -> list[int]:
        names = [key_of(job_id) for job_id in store.members(queue)]
        kept = {name: store._values[name] for name in names if name in store._values}
        answer = PURGE(store, queue, *rest)
        store._values.update(kept)
        return answer

    patch.setattr(MemoryStore, "_purge", purge)


@mutation("purging leaves the jobs themselves")
def _(patch: pytest.MonkeyPatch) -> None:
    _left_by_purging(patch, keys.job)


@mutation("purging leaves the number of tries")
def _(patch: pytest.MonkeyPatch) -> None:
    _left_by_purging(patch, keys.retry)


@mutation("purging leaves what was asked to stop")
def _(patch: pytest.MonkeyPatch) -> None:
    def purge(store: Any, *args: Any) -> list[int]:
        kept = dict(store._sets.get(keys.ABORT, {}))
        answer = PURGE(store, *args)
        store._sets[keys.ABORT] = kept
        return answer

    patch.setattr(MemoryStore, "_purge", purge)


@mutation("a worker's health has no end")
def _(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MemoryStore, "_health", lambda store, key: [GET(store, key), -1])


@mutation("every queue's health is that of one worker")
def _(patch: pytest.MonkeyPatch) -> None:
    def health(store: Any, key: str) -> list[Any]:
        found = [name for name in store._values if name.endswith(":health-check")]
        return HEALTH(store, *(found or [key])[:1])

    patch.setattr(MemoryStore, "_health", health)


# --- looking at many -------------------------------------------------------------------


@mutation("many jobs are seen in a wrong order")
def _(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        MemoryStore,
        "_view",
        lambda store, queue, wanted, limit, *job_ids: VIEWS(
            store, queue, wanted, limit, *job_ids[::-1]
        ),
    )


@mutation("of many jobs the last one is in no queue")
def _(patch: pytest.MonkeyPatch) -> None:
    def view(store: Any, queue: str, wanted: str, limit: int, *job_ids: str) -> list[Any]:
        answer = VIEWS(store, queue, wanted, limit, *job_ids)
        if len(job_ids) > 1:
            answer[-4] = None
        return answer

    patch.setattr(MemoryStore, "_view", view)


def _listed_as(patch: pytest.MonkeyPatch, state: str, other: str) -> None:
    def view(store: Any, job_id: str, queue: str, wanted: str) -> Any:
        return VIEW(store, job_id, queue, other if wanted == state else wanted)

    patch.setattr(MemoryStore, "_view_one", view)


@mutation("deferred jobs are listed as queued")
def _(patch: pytest.MonkeyPatch) -> None:
    _listed_as(patch, "queued", "waiting")


@mutation("waiting jobs are listed as running")
def _(patch: pytest.MonkeyPatch) -> None:
    _listed_as(patch, "in_progress", "waiting")


@mutation("running jobs are not listed")
def _(patch: pytest.MonkeyPatch) -> None:
    _listed_as(patch, "in_progress", "status")


def _shorter_page(patch: pytest.MonkeyPatch, command: str, shorten: Callable[[Any], Any]) -> None:
    def execute(store: Any, words: Any) -> Any:
        reply = EXECUTE(store, words)
        return [reply[0], shorten(reply[1])] if words[0] == command else reply

    patch.setattr(MemoryStore, "execute", execute)


@mutation("a page of a queue lacks its last job")
def _(patch: pytest.MonkeyPatch) -> None:
    _shorter_page(patch, "ZSCAN", lambda found: found[:-2])


@mutation("a queue has one page only")
def _(patch: pytest.MonkeyPatch) -> None:
    _shorter_page(patch, "ZSCAN", lambda found: found[:200])


@mutation("a page of results lacks its last one")
def _(patch: pytest.MonkeyPatch) -> None:
    _shorter_page(patch, "SCAN", lambda found: found[:-1])


def _as_completed(
    patch: pytest.MonkeyPatch, *, any_queue: bool = False, passed_over: type[Exception] = OSError
) -> None:
    def take(
        queue: Any, job_ids: Any, queue_name: str | None = None, *, timeout: float | None = None
    ) -> AsyncIterator[Any]:
        name = None if any_queue else queue_name
        results = AS_COMPLETED(queue, job_ids, name, timeout=timeout)

        async def give() -> AsyncIterator[Any]:
            with contextlib.suppress(passed_over):
                async for result in results:
                    yield result

        return give()

    patch.setattr(MockArqQueue, "as_completed", take)


@mutation("as_completed passes over unknown jobs")
def _(patch: pytest.MonkeyPatch) -> None:
    _as_completed(patch, passed_over=JobNotFound)


@mutation("as_completed ends in silence when its time is over")
def _(patch: pytest.MonkeyPatch) -> None:
    _as_completed(patch, passed_over=TimeoutError)


@mutation("as_completed takes jobs of any queue")
def _(patch: pytest.MonkeyPatch) -> None:
    _as_completed(patch, any_queue=True)


# --- enqueuing many --------------------------------------------------------------------


def _is_of_many(words: Any) -> bool:
    return len(words) > IN_ONE_CALL + 1


@mutation("the token of a call for many is ignored")
def _(patch: pytest.MonkeyPatch) -> None:
    def enqueue(store: Any, numbers: str, *words: Any) -> Any:
        if _is_of_many(words):
            store.delete(words[-1])
        return ENQUEUE(store, numbers, *words)

    patch.setattr(MemoryStore, "_enqueue", enqueue)


def _recorded(patch: pytest.MonkeyPatch, change: Callable[[list[bytes], list[Any]], Any]) -> None:
    """Write other records into a marker; None leaves them as they are."""

    def enqueue(store: Any, numbers: str, *words: Any) -> Any:
        answer = ENQUEUE(store, numbers, *words)
        text, end = store._values.get(words[-1], (None, None))
        if text is not None and isinstance(answer[1], int | list):
            records = change(text.split(b"\n"), answer[1:])
            store._values[words[-1]] = b"\n".join(records), end
        return answer

    patch.setattr(MemoryStore, "_enqueue", enqueue)


@mutation("a marker has the first job only")
def _(patch: pytest.MonkeyPatch) -> None:
    _recorded(patch, lambda records, _: records[:1])


@mutation("a marker has no place for jobs that were refused")
def _(patch: pytest.MonkeyPatch) -> None:
    _recorded(patch, lambda records, _: [record for record in records if record])


@mutation("a repeated call forgets what it did the first time")
def _(patch: pytest.MonkeyPatch) -> None:
    _recorded(
        patch,
        lambda records, answers: [
            b"" if isinstance(answer, list) and answer[0] == b"repeated" else record
            for record, answer in zip(records, answers, strict=False)
        ],
    )


def _at_other_times(patch: pytest.MonkeyPatch, change: Callable[[int, int, int], Any]) -> None:
    def enqueue(store: Any, numbers: str, *words: Any) -> Any:
        sent, fence, life, limit = map(int, numbers.split())
        changed = *change(sent, fence, life), limit
        return ENQUEUE(store, " ".join(map(str, changed)), *words)

    patch.setattr(MemoryStore, "_enqueue", enqueue)


@mutation("a call that comes too late creates jobs")
def _(patch: pytest.MonkeyPatch) -> None:
    _at_other_times(patch, lambda sent, fence, life: (sent, fence + 20_000, life))


@mutation("a call from a machine that is ahead creates jobs")
def _(patch: pytest.MonkeyPatch) -> None:
    _at_other_times(patch, lambda sent, fence, life: (sent - 5000, fence, life))


def _answered(patch: pytest.MonkeyPatch, change: Callable[[Any], Any]) -> None:
    """Give other answers for jobs that are there."""

    def enqueue(store: Any, numbers: str, *words: Any) -> Any:
        now, *answers = ENQUEUE(store, numbers, *words)
        if not _is_of_many(words):
            return [now, *answers]
        there = [isinstance(answer, list) and answer[0] == b"exists" for answer in answers]
        return [
            now,
            *(change(x) if is_there else x for x, is_there in zip(answers, there, strict=True)),
        ]

    patch.setattr(MemoryStore, "_enqueue", enqueue)


@mutation("what stands in the way among many is always queued")
def _(patch: pytest.MonkeyPatch) -> None:
    _answered(patch, lambda answer: [b"exists", b"queued"] if len(answer) == 2 else answer)


@mutation("what is returned among many has no result")
def _(patch: pytest.MonkeyPatch) -> None:
    _answered(patch, lambda answer: answer if len(answer) == 2 else [*answer[:3], None, answer[4]])
