from __future__ import annotations

import functools
import math
import pickle
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

import pytest

from arqade import (
    EnqueueManyError,
    JobNotFound,
    JobNotQueued,
    JobRequest,
    JobSerializationError,
    MockArqQueue,
    PayloadTooLarge,
    PickleCodec,
    QueueServerError,
    RedisArqQueue,
)
from tests.harness.deadly import CANCEL, WAYS, turning_into
from tests.harness.states import now_ms, put_in_progress, snapshot
from tests.harness.stock_values import CancelledError, Elsewhere
from tests.harness.worker import WorkerProcess, keys_of_arq, wait_until

PATIENCE = 10
SLACK_MS = 5000
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


class Name(StrEnum):
    """A str that is pickled as something else, which no worker has."""

    echo = "echo"


class Writing:
    """A codec that writes what it was told to."""

    def __init__(self, data):
        self.data = data

    def dumps(self, envelope):
        return self.data

    def loads(self, data):
        return PickleCodec().loads(data)

    def worker_settings(self):
        return {}


# --- what is refused -------------------------------------------------------------------

NO_TEXT = ["", "\ud800", "a\udfffb", "a\0b", "a\nb", "\x7f", "\x85", "x" * 513, "é" * 257]
NO_STR = [b"\xff", b"k", 5, 0, 1.5, True, ["k"], {}, object()]
NO_TIME = [math.nan, math.inf, -math.inf, 1e300, 10**400, 10**5000, "1", b"1", True, [1], 1j]

REFUSED = {
    # The way, the field that would be it, and the values nearest to it.
    "id: no UTF-8": ("job_id", NO_STR),
    "id: lone surrogate": ("job_id", NO_TEXT),
    "score: 0": ("defer_until", [0, 0.0, "1970-01-01", date(1970, 1, 1), timedelta(0), True]),
    "score: 0, many": ("defer_by", ["0", b"", [], False, -1e-9, -1, timedelta(-1)]),
    "score: -inf": ("defer_by", [-math.inf, -(10**400), -1e300, timedelta.min]),
    "score: inf": ("defer_by", [math.inf, math.nan, "inf", Decimal("inf")]),
    "score: beyond all time": ("defer_by", [2**60, timedelta.max, *NO_TIME]),
    "queue: of another type": ("queue_name", [*NO_STR, *NO_TEXT]),
    "queue: an envelope": ("queue_name", ["arq:job:victim", "arq:job:"]),
    "queue: a counter of tries": ("queue_name", ["arq:retry:victim", "arq:retry:"]),
    "queue: a job's mark": ("queue_name", ["arq:in-progress:victim", "arq:in-progress:"]),
    "queue: a result": ("queue_name", ["arq:result:victim", "arq:result:"]),
    "queue: askings to abort": ("queue_name", ["arq:abort", "arq:abort:x"]),
    "queue: a worker's record": ("queue_name", ["arq:queue:health-check", ":health-check"]),
    "queue: arq:job": ("queue_name", ["arq:job"]),
    "queue: arq:result": ("queue_name", ["arq:result"]),
    "queue: arq:retry": ("queue_name", ["arq:retry"]),
    "queue: arq:in-progress": ("queue_name", ["arq:in-progress"]),
    "envelope: none": ("expires", [0, -1, timedelta(0), timedelta.max, *NO_TIME]),
    "function: no str": ("task_name", [["echo"], {"echo": 1}, {"echo"}, None, *NO_STR, *NO_TEXT]),
    "try: text": ("job_try", ["x", "", "1", b"1", Name.echo]),
    "try: list": ("job_try", [[1], [], {}, (), (1,), 1j, object()]),
    "try: fraction": ("job_try", [1.5, 1.0, math.nan, math.inf, True, False, Decimal(1)]),
    "try: too long to be shown": ("job_try", [10**5000, -(10**5000), 2**63, 10**6 + 1, 0, -1]),
}

BY_ID = ["get_job_status", "get_job_metadata", "get_job_result", "wait_for_result"]
BY_ID += ["cancel_job", "abort_job", "delete_result"]
OF_QUEUE = ["get_queue_stats", "get_worker_health", "get_workers", "purge"]


def attempts(queue, field, value):
    """Give each call of a queue that takes such a field, as a function and its arguments."""
    if field == "task_name":
        yield queue.enqueue, (value,), {}
        yield queue.check_worker, (value,), {}
        return
    for task in ("echo", JobRequest("echo")):
        yield queue.enqueue, (task,), {f"_{field}": value}
    if field == "job_id":
        for name in BY_ID:
            yield getattr(queue, name), (value,), {}
        yield queue.get_jobs_metadata, ([value],), {}
    elif field == "queue_name":
        for name in BY_ID:
            yield getattr(queue, name), ("k", value), {}
        yield queue.get_jobs_metadata, (["k"], value), {}
        for name in OF_QUEUE:
            yield getattr(queue, name), (value,), {}
        yield queue.check_worker, ("echo",), {"queue_name": value}
        yield queue.forget_worker, ("w", value), {}


@pytest.mark.parametrize("way", REFUSED)
async def test_field_that_would_harm_a_worker(queue, redis_client, raw, way):
    """Nothing is sent of a job with a field that would harm a worker, however it is given."""
    field, values = REFUSED[way]
    mock = MockArqQueue()
    errors = pytest.raises((TypeError, ValueError))
    for value in values:
        with errors:
            JobRequest(**{"task_name": "echo", field: value})
        with errors:
            JobRequest("echo").with_options(**{field: value})
        if field == "queue_name":
            with errors:
                RedisArqQueue(redis_client, default_queue_name=value)
        for each in (queue, mock):
            for call, args, options in attempts(each, field, value):
                with errors:
                    await call(*args, **options)
    assert mock.jobs == []
    assert raw.dbsize() == 0


@pytest.mark.parametrize("option", ["_token", "_on_conflict"])
async def test_option_that_is_none(queue, raw, option):
    """Nothing is sent with a token or a policy that can't be one."""
    for value in (*NO_STR, *NO_TEXT):
        for job_id in (None, "k"):
            with pytest.raises((TypeError, ValueError)):
                await queue.enqueue("echo", _job_id=job_id, **{option: value})
    assert raw.dbsize() == 0


@pytest.mark.parametrize("life", [0, -1, 2**63, 10**400, 1.5, math.nan, "1", None, True])
async def test_life_that_would_harm_a_worker(redis_client, life):
    """A queue is not made with a life for its jobs that would leave entries without a job."""
    with pytest.raises((TypeError, ValueError)):
        RedisArqQueue(redis_client, expires_extra_ms=life)


@pytest.mark.parametrize(
    "fields",
    [
        *({"args": args} for args in (None, 5, "abc", {"a": 1}, {1}, object())),
        *({"kwargs": kwargs} for kwargs in (None, 5, "abc", [("a", 1)], {1: 2}, {b"a": 1})),
        *({"kwargs": {"a": 1, key: 2}} for key in (1, None, ("a",))),
    ],
    ids=repr,
)
async def test_arguments_that_are_none(fields):
    """What a worker could not call a function with can't be in a request."""
    with pytest.raises(TypeError):
        JobRequest("echo", **fields)


@pytest.mark.parametrize(
    "call",
    [
        lambda queue, request: queue.enqueue(request),
        lambda queue, request: queue.enqueue_many([request]),
    ],
    ids=["enqueue", "enqueue_many"],
)
async def test_bytes_that_would_harm_a_worker(redis_url, raw, call):
    """What can't be encoded, or makes no bytes, or too many, is not sent."""
    bad = [
        (JobRequest("echo", [lambda: None]), PickleCodec()),
        (JobRequest("echo", [b"x" * 2000]), PickleCodec()),
        *((JobRequest("echo"), Writing(data)) for data in (None, "x", 5, [b""])),
    ]
    for request, codec in bad:
        async with await RedisArqQueue.from_url(
            redis_url, codec=codec, max_payload_bytes=1000
        ) as queue:
            with pytest.raises(
                (JobSerializationError, PayloadTooLarge, EnqueueManyError)
            ) as caught:
                await call(queue, request)
            cause = caught.value.__cause__
            if isinstance(caught.value, EnqueueManyError):
                assert isinstance(cause, (JobSerializationError, PayloadTooLarge))
    assert raw.dbsize() == 0


async def test_key_of_another_type_as_a_queue(queue, raw):
    """A queue's name that is another key's is refused by the server, and nothing is written."""
    raw.set("text", "x")
    raw.rpush("list", "x")
    before = snapshot(raw)
    for name in ("text", "list"):
        for options in ({}, {"_job_id": "k"}, {"_defer_by": 5}):
            with pytest.raises(QueueServerError, match="WRONGTYPE"):
                await queue.enqueue("echo", _queue_name=name, **options)
        with pytest.raises(EnqueueManyError, match="WRONGTYPE"):
            await queue.enqueue_many([JobRequest("echo", queue_name=name)])
        for operation in (queue.cancel_job, queue.abort_job):
            with pytest.raises(QueueServerError, match="WRONGTYPE"):
                await operation("k", name)
        with pytest.raises(QueueServerError, match="WRONGTYPE"):
            await queue.purge(name)
    assert snapshot(raw) == before


@pytest.mark.parametrize("policy", ["raise", "return_existing", "ignore_result", "replace"])
async def test_running_job_is_not_written_over(queue, raw, policy):
    """Where a job runs, its worker would remove a new one of its id: no policy makes one."""
    put_in_progress(raw)
    before = snapshot(raw)
    if policy == "return_existing":
        assert (await queue.enqueue("echo", _job_id="k", _on_conflict=policy)).name == "work"
    else:
        with pytest.raises(JobNotQueued):
            await queue.enqueue("echo", _job_id="k", _on_conflict=policy)
    await queue.enqueue_many([JobRequest("echo", job_id="k", on_conflict=policy)])
    assert snapshot(raw) == before


# --- what is harmless ------------------------------------------------------------------

LOOP = ["loop"]
LOOP.append(LOOP)
DEEP = functools.reduce(lambda inner, _: [inner], range(150), [])

RUNS = "runs"
FAILS = "fails"
LEAVES_NOTHING = "leaves no result"
WAITS = "waits"
EXPIRES = "expires"

HARMLESS = [
    *(
        (RUNS, JobRequest("echo", job_id=job_id))
        for job_id in (
            *("0", "-inf", " ", "*", "%s", "{}", "é", "\u2028", "\u202e", "\ufeff", "x" * 512),
            *("health-check", "arq:abort", "arq:queue", "arq:job:k", "cron:tick", Name.echo),
        )
    ),
    *(
        (RUNS, JobRequest("echo", defer_until=time))
        for time in (LONG_AGO, datetime(1970, 1, 1, tzinfo=UTC))
    ),
    *((RUNS, JobRequest("echo", defer_by=time)) for time in (0, 0.0, 5e-324, timedelta(0))),
    *((WAITS, JobRequest("echo", defer_by=time)) for time in (3600, timedelta(days=2_900_000))),
    (WAITS, JobRequest("echo", defer_until=datetime(9999, 12, 31, tzinfo=UTC))),
    *((RUNS, JobRequest("echo", expires=time)) for time in (60, 253_402_300_799)),
    *((EXPIRES, JobRequest("echo", expires=time)) for time in (5e-324, 0.001)),
    *((RUNS, JobRequest("echo", job_try=number)) for number in (1, 5)),
    *((FAILS, JobRequest("echo", job_try=number)) for number in (6, 10**6)),
    *((FAILS, JobRequest("retry_always", job_try=number)) for number in (1, 4, 5)),
    (RUNS, JobRequest(Name.echo)),
    *(
        (FAILS, JobRequest(name))
        for name in ("nope", "__class__", "%s", "cron:tick", "\u2028", "x" * 512)
    ),
    *(
        (RUNS, JobRequest("echo", args))
        for args in (
            *(["\ud800"], ["a\0b"], [math.nan, math.inf], [LOOP], [DEEP], [b"x" * 100_000]),
            *([SystemExit(3)], [KeyboardInterrupt()], [CancelledError()], [GeneratorExit()]),
            [SystemExit, KeyboardInterrupt, CancelledError, BaseException],
        )
    ),
    *(
        (FAILS, JobRequest("echo", args))
        for args in ([10**5000], [{"n": [-(10**5000)]}], [Elsewhere()])
    ),
    *(
        (RUNS, JobRequest("echo", kwargs=kwargs))
        for kwargs in (
            *({"": 1}, {"a b": 1}, {"\ud800": 1}, {"\n": 1}, {"%s": 1}),
            {"self": 1, "job_id": 2, "score": 3, "name": 4, "task": 5, "args": 6, "kwargs": 7},
        )
    ),
    (FAILS, JobRequest("echo", kwargs={"ctx": 1})),
    (FAILS, JobRequest("return_nothing", [1])),
    (FAILS, JobRequest("return_nothing", kwargs={"unknown": 1})),
    *(
        (LEAVES_NOTHING, JobRequest("echo", [turning_into(method, code)]))
        for method, codes in {
            "__repr__": ["raise ValueError", "raise MemoryError", CANCEL],
            "__reduce_ex__": ["raise ValueError", "raise RecursionError"],
        }.items()
        for code in codes
    ),
]


async def look(queue, raw, job, becomes):
    """See that a job becomes what it should."""
    if becomes == WAITS:
        assert await queue.get_job_status(job.id) == "deferred"
        assert await queue.abort_job(job.id)
    elif becomes == EXPIRES:
        # Its envelope is gone before a worker meets it: then there is nothing to wait for.
        wait_until(lambda: raw.zcard("arq:queue") == 0)
        assert await queue.delete_result(job.id)
    elif becomes == LEAVES_NOTHING:
        with pytest.raises(JobNotFound):
            await queue.wait_for_result(job.id, timeout=PATIENCE)
    else:
        result = await queue.wait_for_result(job.id, timeout=PATIENCE)
        assert result.success is (becomes == RUNS)
        assert await queue.delete_result(job.id)


async def test_worker_outlives_what_is_harmless(queue, raw, redis_url):
    """Whatever is taken, a worker runs it or says why not, and then the next good job."""
    with WorkerProcess(redis_url, allow_abort_jobs=True, poll_delay=0.002):
        for becomes, request in HARMLESS:
            await look(queue, raw, await queue.enqueue(request), becomes)
            (job,) = await queue.enqueue_many([request])
            await look(queue, raw, job, becomes)
            good = await queue.enqueue("echo")
            assert (await queue.wait_for_result(good.id, timeout=PATIENCE)).success
    assert raw.zcard("arq:queue") == 0


async def test_no_mark_is_left(queue, raw, redis_url):
    """No operation leaves what tells a worker that a job runs, was tried or is to be stopped."""
    for job_id in ("replaced", "removed", "purged"):
        await queue.enqueue("echo", _job_id=job_id, _defer_by=60)
    await queue.enqueue("echo", _job_id="replaced", _on_conflict="replace")
    raw.delete("arq:job:replaced")
    await queue.enqueue("echo", _job_id="replaced")
    assert await queue.abort_job("removed")
    assert await queue.purge() == 2
    assert keys_of_arq(raw) == set()
    for job_id in ("replaced", "removed", "purged"):
        await queue.enqueue("echo", _job_id=job_id)
    with WorkerProcess(redis_url):
        for job_id in ("replaced", "removed", "purged"):
            assert (await queue.wait_for_result(job_id, timeout=PATIENCE)).success


async def test_worker_outlives_changed_requests(queue, redis_url):
    """A request's mapping can be changed after the checks: the job fails, and its worker lives."""
    with WorkerProcess(redis_url, poll_delay=0.002):
        for changes in ({1: 2}, {1: 2, "a": 3}, {None: 1}, {b"a": 1}):
            request = JobRequest("echo")
            request.kwargs.update(changes)
            job = await queue.enqueue(request)
            assert not (await queue.wait_for_result(job.id, timeout=PATIENCE)).success
        good = await queue.enqueue("echo")
        assert (await queue.wait_for_result(good.id, timeout=PATIENCE)).success


@pytest.mark.parametrize("defer", [{}, {"_defer_by": 3600}, {"_defer_until": LONG_AGO}])
async def test_time_of_enqueuing_is_an_int(queue, raw, defer):
    """No argument makes another time of enqueuing, or another score, than one of now or later."""
    before = now_ms()
    await queue.enqueue("echo", _job_id="one", **defer)
    options = {name.removeprefix("_"): value for name, value in defer.items()}
    await queue.enqueue_many([JobRequest("echo", job_id="many", **options)])
    for job_id in ("one", "many"):
        time = pickle.loads(raw.get(f"arq:job:{job_id}"))["et"]
        assert type(time) is int
        assert before - SLACK_MS <= time <= now_ms() + SLACK_MS
        score = raw.zscore("arq:queue", job_id)
        assert score >= before - SLACK_MS
        assert score == int(score)


async def test_worker_outlives_other_codecs(queue, redis_url):
    """A worker fails jobs that it can't read, and runs those of each protocol of pickle."""
    with WorkerProcess(redis_url, poll_delay=0.002):
        for protocol in range(6):
            codec = PickleCodec(protocol=protocol)
            async with await RedisArqQueue.from_url(redis_url, codec=codec) as other:
                job = await other.enqueue("echo", "é", x=[1])
                assert (await other.wait_for_result(job.id, timeout=PATIENCE)).success
        for data in (b"", b"\x80", b"{}", b"\0" * 1000, pickle.dumps(5), pickle.dumps({})):
            async with await RedisArqQueue.from_url(redis_url, codec=Writing(data)) as other:
                job = await other.enqueue("echo")
                assert not (await other.wait_for_result(job.id, timeout=PATIENCE)).success
                good = await queue.enqueue("echo")
                assert (await queue.wait_for_result(good.id, timeout=PATIENCE)).success


# --- ids that were used before ---------------------------------------------------------

POLICIES = ["raise", "return_existing", "ignore_result", "replace"]


async def abort_by_stock(queue, stock, raw, job_id):
    stock.abort(job_id, timeout=0)
    assert raw.zscore("arq:abort", job_id) is not None


async def cancel(queue, stock, raw, job_id):
    assert await queue.cancel_job(job_id) in {"not_found", "complete"}
    assert raw.zscore("arq:abort", job_id) is None


async def abort(queue, stock, raw, job_id):
    assert not await queue.abort_job(job_id)
    assert raw.zscore("arq:abort", job_id) is None


async def leave_tries(queue, stock, raw, job_id):
    raw.set(f"arq:retry:{job_id}", 5)


async def leave_no_number(queue, stock, raw, job_id):
    raw.set(f"arq:retry:{job_id}", "x")


@pytest.mark.parametrize("before", [cancel, abort, abort_by_stock, leave_tries, leave_no_number])
@pytest.mark.parametrize("known", ["unknown", "finished", "finished and not kept"])
async def test_id_that_was_aborted_before(queue, stock, raw, redis_url, before, known):
    """A job runs, whatever was asked of an unknown or finished job that had its id."""
    with WorkerProcess(redis_url, allow_abort_jobs=True, poll_delay=0.002):
        for policy in POLICIES:
            for many in (False, True):
                job_id = f"{policy}-{many}"
                if known != "unknown":
                    name = "echo" if known == "finished" else "keep_nothing"
                    await queue.enqueue(name, _job_id=job_id)
                    wait_until(lambda: raw.zcard("arq:queue") == 0)
                await before(queue, stock, raw, job_id)
                if known == "finished" and policy in {"raise", "return_existing"}:
                    assert await queue.delete_result(job_id)
                request = JobRequest("echo", ["anew"], job_id=job_id, on_conflict=policy)
                if many:
                    assert await queue.enqueue_many([request]) != [None]
                else:
                    await queue.enqueue(request)
                result = await queue.wait_for_result(job_id, timeout=PATIENCE)
                assert result.success
                assert result.result == {"args": ("anew",), "kwargs": {}, "job_try": 1}
                assert result.args == ("anew",)
    assert not raw.exists("arq:abort")
    assert raw.keys("arq:retry:*") == []


# --- the whole table -------------------------------------------------------------------

CLOSED = {
    # What has no field to be refused, and the test that would find it.
    "mark: left": test_no_mark_is_left,
    "mark: left, of many": test_no_mark_is_left,
    "tries: left": test_id_that_was_aborted_before,
    "tries: no number": test_id_that_was_aborted_before,
    "tries: the last number": test_id_that_was_aborted_before,
    "abort: of an unknown id": test_id_that_was_aborted_before,
    "abort: no UTF-8": test_field_that_would_harm_a_worker,
    "abort: of another type": test_field_that_would_harm_a_worker,
    "written while it runs": test_running_job_is_not_written_over,
    "envelope: empty": test_worker_outlives_other_codecs,
    "envelope: garbage": test_worker_outlives_other_codecs,
    **{
        f"time: {what}": test_time_of_enqueuing_is_an_int
        for what in (
            *("none", "text", "not a number", "endless"),
            *("after all time", "before all time"),
        )
    },
}

LEFT_OPEN = {
    # What the code of an argument does in the worker. To find it out, each job would have to be
    # decoded and shown before it is sent: that takes longer than all the rest, and runs the code
    # here. A worker trusts what its clients send in a pickle.
    "unpickling ends the process",
    "unpickling interrupts",
    "unpickling cancels",
    "unpickling raises",
    "unpickling never ends",
    "repr ends the process",
    "pickling anew ends the process",
    # Lists that hold one list over and over, twenty levels deep. To count them takes as long as the
    # pickling, for every job with a list in it.
    "repr is endless",
}


def test_no_other_way_is_left_open():
    """Of all that harms a stock worker, only what an argument's own code does is taken."""
    closed = REFUSED.keys() | CLOSED.keys()
    assert {way.name for way in WAYS} - closed == LEFT_OPEN
    assert not closed & LEFT_OPEN
    assert len(closed) > 31
