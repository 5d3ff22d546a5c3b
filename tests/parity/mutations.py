"""Broken mocks: each lacks one rule, and the stories must notice."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import attrs

from arqade import MockArqQueue
from arqade._mock_settings import Settings
from arqade._mock_worker import KEEP_RESULT_MS, MockWorker
from arqade._protocol import keys, payloads
from arqade._protocol.memory import MemoryStore
from arqade.exceptions import JobNotFound
from arqade.models import JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

__all__ = ["MUTATIONS"]

MUTATIONS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {}
"""What is wrong with the mock, and how to make it so."""

ENQUEUE = MemoryStore._enqueue
PUT = MemoryStore._put
CANCEL = MemoryStore._cancel
VIEW = MemoryStore._view_one
GET = MemoryStore.get
SET = MemoryStore.set
FINISH = MemoryStore.finish
MEMBERS = MemoryStore.members


def mutation(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def register(apply: Callable[..., None]) -> Callable[..., None]:
        MUTATIONS[name] = apply
        return apply

    return register


def _is_running(store: MemoryStore, job_id: str) -> bool:
    return GET(store, keys.in_progress(job_id)) is not None


# --- enqueue ---------------------------------------------------------------------------


@mutation("duplicates are accepted")
def _(patch: pytest.MonkeyPatch) -> None:
    def put(store: Any, *args: Any) -> Any:
        *args, options = args
        return PUT(store, *args, " ".join(["replace", *options.split()[1:]]))

    patch.setattr(MemoryStore, "_put", put)


@mutation("return_existing raises")
def _(patch: pytest.MonkeyPatch) -> None:
    def put(store: Any, *args: Any) -> Any:
        *args, options = args
        return PUT(store, *args, options.replace("return_existing", "raise"))

    patch.setattr(MemoryStore, "_put", put)


@mutation("a running job is replaced")
def _(patch: pytest.MonkeyPatch) -> None:
    def put(store: Any, now: int, job_id: str, *rest: Any) -> Any:
        if rest[-1].startswith("replace"):
            store.delete(keys.in_progress(job_id))
        return PUT(store, now, job_id, *rest)

    patch.setattr(MemoryStore, "_put", put)


@mutation("deferral is ignored")
def _(patch: pytest.MonkeyPatch) -> None:
    def put(store: Any, now: int, *args: Any) -> Any:
        *args, options = args
        policy, _, life, _, fresh = options.split()
        return PUT(store, now, *args, f"{policy} {now} {life} 0 {fresh}")

    patch.setattr(MemoryStore, "_put", put)


@mutation("the token is ignored")
def _(patch: pytest.MonkeyPatch) -> None:
    def enqueue(store: Any, *args: Any) -> Any:
        store.delete(args[-1])
        return ENQUEUE(store, *args)

    patch.setattr(MemoryStore, "_enqueue", enqueue)


@mutation("a result outlives the job that replaces it")
def _(patch: pytest.MonkeyPatch) -> None:
    def put(store: Any, now: int, job_id: str, *rest: Any) -> Any:
        kept = store._values.get(keys.result(job_id))
        answer = PUT(store, now, job_id, *rest)
        if kept is not None:
            store._values[keys.result(job_id)] = kept
        return answer

    patch.setattr(MemoryStore, "_put", put)


@mutation("a replacing job counts on from the old one's tries")
def _(patch: pytest.MonkeyPatch) -> None:
    def put(store: Any, now: int, job_id: str, *rest: Any) -> Any:
        kept = store._values.get(keys.retry(job_id))
        answer = PUT(store, now, job_id, *rest)
        if kept is not None:
            store._values[keys.retry(job_id)] = kept
        return answer

    patch.setattr(MemoryStore, "_put", put)


@mutation("arguments go round the codec")
def _(patch: pytest.MonkeyPatch) -> None:
    class Handles:
        """Gives back the very objects."""

        def __init__(self) -> None:
            self._objects: list[Any] = []

        def dumps(self, envelope: Any) -> bytes:
            self._objects.append(envelope)
            return b"%d" % (len(self._objects) - 1)

        def loads(self, data: bytes) -> Any:
            return self._objects[int(data)]

    init = MockArqQueue.__init__

    def make(queue: MockArqQueue, **options: Any) -> None:
        init(queue, **options, codec=Handles())

    patch.setattr(MockArqQueue, "__init__", make)


@mutation("a payload may be of any size")
def _(patch: pytest.MonkeyPatch) -> None:
    init = MockArqQueue.__init__

    def make(queue: MockArqQueue, **options: Any) -> None:
        init(queue, **{**options, "max_payload_bytes": 10**8})

    patch.setattr(MockArqQueue, "__init__", make)


# --- time ------------------------------------------------------------------------------


@mutation("nothing expires")
def _(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MemoryStore, "get", lambda store, key: store._values.get(key, (None,))[0])


@mutation("results do not expire")
def _(patch: pytest.MonkeyPatch) -> None:
    def put(store: Any, key: str, value: bytes, life: int | None = None) -> None:
        SET(store, key, value, None if key.startswith(keys.result("")) else life)

    patch.setattr(MemoryStore, "set", put)


@mutation("_expires is ignored")
def _(patch: pytest.MonkeyPatch) -> None:
    def put(store: Any, key: str, value: bytes, life: int | None = None) -> None:
        SET(store, key, value, keys.EXPIRES_EXTRA_MS if key.startswith(keys.job("")) else life)

    patch.setattr(MemoryStore, "set", put)


@mutation("a dead worker's claim stays")
def _(patch: pytest.MonkeyPatch) -> None:
    def put(store: Any, key: str, value: bytes, life: int | None = None) -> None:
        SET(store, key, value, None if key.startswith(keys.in_progress("")) else life)

    patch.setattr(MemoryStore, "set", put)


# --- reads -----------------------------------------------------------------------------


@mutation("an explicit queue does not matter to results")
def _(patch: pytest.MonkeyPatch) -> None:
    asked = MockArqQueue._asked
    patch.setattr(
        MockArqQueue,
        "_asked",
        lambda queue, *args: attrs.evolve(asked(queue, *args), explicit=False),
    )


@mutation("the queue that is asked does not matter to jobs")
def _(patch: pytest.MonkeyPatch) -> None:
    def view(store: Any, job_id: str, queue: str, wanted: str) -> Any:
        held = [name for name in store.queues() if store.score(name, job_id) is not None]
        return VIEW(store, job_id, *(held or [queue])[:1], wanted)

    patch.setattr(MemoryStore, "_view_one", view)


@mutation("an expired job that is still queued has the status not_found")
def _(patch: pytest.MonkeyPatch) -> None:
    async def status(queue: Any, job_id: str, queue_name: str | None = None) -> JobStatus:
        asked = queue._asked(job_id, queue_name)
        view = await queue._view(asked, "status")
        return JobStatus.not_found if view.job is view.result is None else view.status

    patch.setattr(MockArqQueue, "get_job_status", status)


@mutation("the result of an unknown job is unavailable, not unknown")
def _(patch: pytest.MonkeyPatch) -> None:
    result = MockArqQueue.get_job_result

    async def get(queue: Any, job_id: str, queue_name: str | None = None) -> Any:
        try:
            return await result(queue, job_id, queue_name)
        except JobNotFound as error:
            from arqade.exceptions import JobResultUnavailable  # noqa: PLC0415

            raise JobResultUnavailable(error.job_id or "") from None

    patch.setattr(MockArqQueue, "get_job_result", get)


# --- cancel ----------------------------------------------------------------------------


@mutation("cancelling removes a running job")
def _(patch: pytest.MonkeyPatch) -> None:
    def cancel(store: Any, job_id: str, *rest: Any) -> Any:
        if _is_running(store, job_id) and job_id not in store.abort_hooks:
            store.delete(keys.in_progress(job_id))
        return CANCEL(store, job_id, *rest)

    patch.setattr(MemoryStore, "_cancel", cancel)


@mutation("cancelling leaves the job in the queue")
def _(patch: pytest.MonkeyPatch) -> None:
    def cancel(store: Any, job_id: str, queue: str, meant: str) -> Any:
        score, data = store.score(queue, job_id), store._values.get(keys.job(job_id))
        answer = CANCEL(store, job_id, queue, meant)
        if answer == [b"removed"] and data is not None:
            store.add(queue, job_id, score)
            store._values[keys.job(job_id)] = data
        return answer

    patch.setattr(MemoryStore, "_cancel", cancel)


@mutation("cancelling an unknown job poisons its id")
def _(patch: pytest.MonkeyPatch) -> None:
    def cancel(store: Any, job_id: str, *rest: Any) -> Any:
        answer = CANCEL(store, job_id, *rest)
        if answer == [b"not_found"]:
            store.add(keys.ABORT, job_id, store.now())
        return answer

    patch.setattr(MemoryStore, "_cancel", cancel)


@mutation("deleting a result does nothing")
def _(patch: pytest.MonkeyPatch) -> None:
    async def delete(queue: Any, job_id: str, queue_name: str | None = None) -> bool:
        queue._asked(job_id, queue_name)
        return False

    patch.setattr(MockArqQueue, "delete_result", delete)


# --- the worker ------------------------------------------------------------------------


def _with_settings(patch: pytest.MonkeyPatch, **changes: Any) -> None:
    read = Settings.read
    patch.setattr(Settings, "read", lambda given: attrs.evolve(read(given), **changes))


@mutation("jobs run in a wrong order")
def _(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MemoryStore, "members", lambda store, *args: MEMBERS(store, *args)[::-1])


@mutation("max_tries is ignored")
def _(patch: pytest.MonkeyPatch) -> None:
    _with_settings(patch, max_tries=5)


@mutation("retry_jobs is ignored")
def _(patch: pytest.MonkeyPatch) -> None:
    _with_settings(patch, retry_jobs=True)


@mutation("max_jobs is ignored")
def _(patch: pytest.MonkeyPatch) -> None:
    _with_settings(patch, max_jobs=10)


@mutation("keep_result is ignored")
def _(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MockWorker, "_life", staticmethod(lambda *_: KEEP_RESULT_MS))


@mutation("the deferral of a retry is ignored")
def _(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MockWorker, "_retry_delay", lambda *_: 0)


@mutation("an aborted job is tried again")
def _(patch: pytest.MonkeyPatch) -> None:
    class Forgetful(set[str]):
        def add(self, _: str) -> None:
            pass

    init = MockWorker.__init__

    def make(worker: MockWorker, *args: Any, **options: Any) -> None:
        init(worker, *args, **options)
        worker._aborting = Forgetful()

    patch.setattr(MockWorker, "__init__", make)


@mutation("a job that is asked to stop before its start is run")
def _(patch: pytest.MonkeyPatch) -> None:
    pick_up = MockWorker._pick_up

    async def pick(worker: MockWorker, job_id: str) -> bool:
        worker._store.remove(keys.ABORT, job_id)
        return await pick_up(worker, job_id)

    patch.setattr(MockWorker, "_pick_up", pick)


@mutation("tries are counted on after the end")
def _(patch: pytest.MonkeyPatch) -> None:
    def finish(store: Any, job_id: str, queue: str) -> None:
        kept = store._values.get(keys.retry(job_id))
        FINISH(store, job_id, queue)
        if kept is not None:
            store._values[keys.retry(job_id)] = kept

    patch.setattr(MemoryStore, "finish", finish)


@mutation("an unknown function is passed over")
def _(patch: pytest.MonkeyPatch) -> None:
    fail = MockWorker._fail

    def forget(worker: MockWorker, job: Any, start: int, error: BaseException) -> None:
        if "not found" in str(error):
            FINISH(worker._store, job.id, job.queue_name)
        else:
            fail(worker, job, start, error)

    patch.setattr(MockWorker, "_fail", forget)


@mutation("_job_try is ignored")
def _(patch: pytest.MonkeyPatch) -> None:
    decode = payloads.decode_job

    def forget(*args: Any, **options: Any) -> Any:
        job = decode(*args, **options)
        if job.status is JobStatus.in_progress and asyncio.current_task() is not None:
            job.job_try = None
        return job

    patch.setattr("arqade._mock_worker.payloads", _Module(payloads, decode_job=forget))


@mutation("results that can't be encoded become their repr")
def _(patch: pytest.MonkeyPatch) -> None:
    encode = payloads.encode_result

    def represent(*args: Any, **options: Any) -> Any:
        try:
            options["codec"].dumps({"r": options["result"]})
        except Exception:  # noqa: BLE001 - whatever pickling raises
            options["result"] = repr(options["result"])[:10]
        return encode(*args, **options)

    patch.setattr("arqade._mock_worker.payloads", _Module(payloads, encode_result=represent))


class _Module:
    """A module with other values for some of its names."""

    def __init__(self, module: Any, **changes: Any) -> None:
        self._module = module
        vars(self).update(changes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


assert len(MUTATIONS) == len(set(itertools.chain(MUTATIONS)))
