"""Every codec on both ends: of a client, and of a stock worker in its own process or a mock's."""

from __future__ import annotations

import importlib.util
from typing import Any, NamedTuple

import pytest
import redis

from arqade import (
    CancelOutcome,
    JobDeserializationError,
    JobNotFound,
    JobRequest,
    JobStatus,
    MockArqQueue,
    RedisArqQueue,
    RemoteError,
)
from tests.harness.payload_codecs import (
    CODECS,
    FOLDED,
    MODELS,
    PICKLED,
    PLAIN,
    TASKS,
    ZONED,
    codec_named,
    inner_of,
)
from tests.harness.states import now_ms
from tests.harness.stock_values import CancelledError, CustomError
from tests.harness.worker import WorkerProcess, wait_until, wait_until_started

WITH_ARQ = importlib.util.find_spec("arq") is not None

NOTHING = "returned {'args': (), 'kwargs': {}}"
UNREADABLE = "unreadable"
LOST = "without a result"
UNABLE = (
    "raised JobSerializationError: Job ran, and its worker could not store its result: see the "
    "worker's log."
)
CANCELLED = "raised JobCancelled: Job was aborted."
TOO_OFTEN = "raised JobExecutionFailed: max 5 retries exceeded"
SOCKET = "Unencodable(type_name='tests.harness.payload_codecs.Socket', text='<a socket>')"
FOREIGN = "tests.harness.stock_values.UndecodableError"


class Case(NamedTuple):
    """A job that a worker runs, and what is to come of it."""

    task: str
    pickle: str
    tagged: str = ""
    """With JSON or MessagePack, if that makes a difference."""

    args: tuple[Any, ...] = ()
    options: dict[str, Any] = {}  # noqa: RUF012 - it is only read
    job_try: int = 1

    def expected(self, codec_name):
        return (inner_of(codec_name) == "tagged" and self.tagged) or self.pickle


CASES = {
    "arguments": Case("give_back", "returned {'args': (1, [2]), 'kwargs': {}}", args=(1, [2])),
    "model": Case("give_model", "returned Item(name='tea', price=Decimal('2'))"),
    "socket": Case("give_socket", UNABLE, f"returned {SOCKET}"),
    "partly": Case("give_partly", UNABLE, f"returned [1, {{'socket': {SOCKET}}}]"),
    "loop": Case(
        "give_loop",
        "returned [[...]]",
        "returned Unencodable(type_name='list', text='[[...]]')",
    ),
    "error-returned": Case("give_error", "returned ValueError('a value like any other')"),
    "foreign-returned": Case(
        "give_foreign_error", UNREADABLE, f"returned RemoteError({FOREIGN!r}, 'foreign (7)', None)"
    ),
    "arguments-changed": Case("change_arguments", LOST, "returned None", args=([1],)),
    "error": Case("raise_error", "raised ValueError: ('no', 1)"),
    "system-error": Case(
        "raise_system_error",
        "raised FileNotFoundError: [Errno 2] No such file or directory: '/no/such/file'",
    ),
    "custom": Case("raise_custom", "raised CustomError: ('custom', 7)"),
    "foreign": Case("raise_foreign", UNREADABLE, f"raised RemoteError: {FOREIGN}: foreign (7)"),
    "error-with-socket": Case("raise_socket", UNABLE, f"raised ValueError: {SOCKET}"),
    "retried": Case("retry_twice", "returned 3", job_try=3),
    "third-try": Case("retry_for_ever", TOO_OFTEN, options={"job_try": 3}, job_try=6),
    "too-often": Case("retry_for_ever", TOO_OFTEN, job_try=6),
    "deferred": Case("give_back", NOTHING, options={"defer_by": 0.1}),
    "timed-out": Case("time_out", "raised TimeoutError: "),
    "unknown": Case("nope", "raised JobExecutionFailed: function 'nope' not found"),
    "aborted": Case("give_back", CANCELLED),
    "expired": Case("give_back", "raised JobExecutionFailed: job expired"),
    "garbage": Case("give_back", "raised DeserializationError: unable to deserialize job"),
}
NEVER_READ = {"expired", "garbage"}
WRITTEN = {"aborted", *NEVER_READ}


def values_of(codec_name):
    """Give what a codec claims to give back."""
    kind = inner_of(codec_name)
    return {
        **PLAIN,
        **MODELS,
        **(FOLDED if codec_name != "pickle-2" else {}),
        **(ZONED if kind != "restricted" else {}),
        **(PICKLED if kind != "tagged" else {}),
    }


class Store:
    """A server, as a mock's store."""

    def __init__(self, client):
        self.set = client.set
        self._client = client

    def add(self, name, member, score):
        self._client.zadd(name, {member: score})


async def enqueue_all(queue, store, codec_name):
    """Enqueue all cases, and write what no client writes."""
    values = values_of(codec_name)
    await queue.enqueue("give_back", *values.values(), _job_id="values", **values)
    await queue.enqueue("loop_arguments", [1], _job_id="looped")
    requests = [
        JobRequest(case.task, case.args, job_id=name, **case.options)
        for name, case in CASES.items()
        if name not in WRITTEN
    ]
    assert None not in await queue.enqueue_many(requests)
    envelope = {"t": None, "f": "give_back", "a": (), "k": {}, "et": now_ms()}
    store.set("arq:job:aborted", codec_named(codec_name).dumps(envelope))
    store.add("arq:abort", "aborted", now_ms())
    store.set("arq:job:garbage", b"garbage")
    for name in WRITTEN:
        store.add(codec_name, name, now_ms())


class Ran(NamedTuple):
    """A queue whose jobs have been run."""

    queue: Any
    codec: str


@pytest.fixture(scope="module")
def redis_url(module_redis_url):
    """One server for all these tests: one worker for each codec."""
    return module_redis_url


@pytest.fixture(scope="module")
def worker(redis_url):
    """A process with a stock worker for each codec, whose queue is named after it."""
    settings = {"allow_abort_jobs": True, "poll_delay": 0.02}
    with WorkerProcess(redis_url, codecs=list(CODECS), **settings) as worker:
        yield worker


@pytest.fixture(scope="module", params=CODECS)
def codec_name(request):
    """A codec, by name."""
    return request.param


@pytest.fixture(scope="module", params=["stock", "mock"])
async def ran(request, redis_url, codec_name, worker):
    """A queue with this codec, whose jobs a worker has run, or the mock itself."""
    options = {"codec": codec_named(codec_name), "default_queue_name": codec_name}
    if request.param == "mock":
        async with MockArqQueue(**options) as queue:
            await enqueue_all(queue, queue.store, codec_name)
            queue.clock.advance(1)
            settings = {"functions": TASKS, "allow_abort_jobs": True}
            await queue.run_jobs(settings, raise_errors=False)
            await queue.enqueue("run_until_told", _job_id="stopped")
            await queue.set_in_progress("stopped")
            assert await queue.cancel_job("stopped", timeout=10) is CancelOutcome.aborted
            yield Ran(queue, codec_name)
        return
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
        async with await RedisArqQueue.from_url(redis_url, **options) as queue:
            await queue.enqueue("run_until_told", _job_id="stopped")
            wait_until_started(client, "stopped")
            await enqueue_all(queue, Store(client), codec_name)
            assert await queue.cancel_job("stopped", timeout=10) is CancelOutcome.aborted
            wait_until(lambda: client.zcard(codec_name) == 0)
            yield Ran(queue, codec_name)


async def outcome(queue, job_id):
    """Tell in words what has come of a job."""
    try:
        result = await queue.get_job_result(job_id)
    except JobDeserializationError:
        return UNREADABLE
    except JobNotFound:
        return LOST
    try:
        return f"returned {result.unwrap()!r}"
    except Exception as error:  # noqa: BLE001 - which one is what is asked
        text = str(error).replace(f" id={job_id}", "")
        return f"raised {type(error).__name__}: {text}"


async def test_outcomes(ran):
    """Whatever a job does, the client is told so, by a stock worker and a mock alike."""
    outcomes = {name: await outcome(ran.queue, name) for name in CASES}
    assert outcomes == {name: case.expected(ran.codec) for name, case in CASES.items()}


async def test_every_value_comes_back(ran):
    """What a codec claims to keep is given to the worker and back, of the same types."""
    values, result = values_of(ran.codec), await ran.queue.get_job_result("values")
    expected = {name: repr(value) for name, value in values.items()}
    for found in (result.kwargs, result.unwrap()["kwargs"]):
        assert {name: repr(value) for name, value in found.items()} == expected
    for args in (result.args, result.unwrap()["args"]):
        assert type(args) is tuple
        assert [repr(value) for value in args] == list(expected.values())


async def test_result_tells_of_the_job(ran):
    """A result that can be read names the job as it was enqueued, and its last try."""
    for name, case in CASES.items():
        assert await ran.queue.get_job_status(name) == (
            "not_found" if case.expected(ran.codec) == LOST else "complete"
        )
        if case.expected(ran.codec) in {LOST, UNREADABLE}:
            continue
        result = await ran.queue.get_job_result(name)
        job = await ran.queue.get_job_metadata(name)
        never_read = name in NEVER_READ
        assert (result.id, result.status) == (name, JobStatus.complete)
        assert result.queue_name == job.queue_name == ran.codec
        assert result.job_try == job.job_try == case.job_try
        assert result.name == job.name == ("<unknown>" if never_read else case.task)
        assert result.success is ("returned" in case.expected(ran.codec))
        if not name.startswith("arguments-"):
            assert result.args == job.args == (() if never_read else case.args)
            assert result.kwargs == job.kwargs == {}


async def test_classes_of_errors(ran):
    """Errors come back as their own classes, with their attributes, or as `RemoteError`."""
    custom = (await ran.queue.get_job_result("custom")).result
    assert (type(custom), custom.code) == (CustomError, 7)
    system = (await ran.queue.get_job_result("system-error")).result
    assert (type(system), system.filename) == (FileNotFoundError, "/no/such/file")
    for name in ("unknown", "too-often", "garbage"):
        error = (await ran.queue.get_job_result(name)).result
        module = "arq.jobs" if name == "garbage" else "arq.worker"
        assert type(error).__module__ == (module if WITH_ARQ else "arqade.exceptions")
    if inner_of(ran.codec) == "tagged":
        foreign = (await ran.queue.get_job_result("foreign")).result
        assert type(foreign) is RemoteError
        assert (foreign.type_name, foreign.message) == (FOREIGN, "foreign (7)")
        assert foreign.traceback.startswith("Traceback")


async def test_traceback_is_a_note(ran):
    """JSON and MessagePack keep the worker's traceback as a note; a pickle has none."""
    tagged = inner_of(ran.codec) == "tagged"
    for name in ("error", "custom", "foreign") if tagged else ("error", "custom"):
        error = (await ran.queue.get_job_result(name)).result
        notes = getattr(error, "__notes__", [])
        assert len(notes) == tagged
        for note in notes:
            assert note.startswith("Traceback of the worker:\nTraceback (most recent call last):")
            assert f"in raise_{name}" in note
            assert note.endswith(f"{error}\n")


async def test_running_job_that_was_stopped(ran):
    """Its result is a `CancelledError`, which no operation raises."""
    assert await outcome(ran.queue, "stopped") == CANCELLED
    result = await ran.queue.wait_for_result("stopped", timeout=5)
    assert type(result.result) is CancelledError
    assert not result.success


async def test_result_whose_arguments_hold_themselves(ran):
    """A job that returned has a result that says so, whatever it did to its arguments."""
    assert await outcome(ran.queue, "looped") == "returned None"


async def collect(results, found):
    """Note what comes, and the error at the end if there is one."""
    try:
        async for result in results:
            found.append((result.id, repr(result.result)))
    except (JobDeserializationError, JobNotFound) as error:
        return error
    return None


async def test_all_ways_to_a_result(ran):
    """Waiting, listing and asking for many give the results that asking for each one gives."""
    queue, expected = ran.queue, {}
    bad = {name for name, case in CASES.items() if case.expected(ran.codec) == UNREADABLE}
    lost = {name for name, case in CASES.items() if case.expected(ran.codec) == LOST}
    for name in CASES.keys() - bad - lost:
        expected[name] = repr((await queue.get_job_result(name)).result)
        assert repr((await queue.wait_for_result(name, timeout=5)).result) == expected[name]
    completed = []
    error = await collect(queue.as_completed(CASES.keys() - lost, timeout=5), completed)
    assert (error is not None) is bool(bad)
    listed = []
    error = await collect(queue.iter_results(), listed)
    assert (error is not None) is bool(bad)
    assert all(name in str(error) for name in bad)
    assert dict(completed) == expected
    assert {name: result for name, result in listed if name in CASES} == expected
    jobs = await queue.get_jobs_metadata([*expected, "no-job"])
    assert [job and job.id for job in jobs] == [*expected, None]


async def test_jobs_that_wait(ran):
    """Jobs in a queue are read as they were enqueued, by every operation."""
    values = values_of(ran.codec)
    args, kwargs = tuple(values.values()), dict(values)
    many = [
        JobRequest("x", args, kwargs, job_id=f"many-{n}", queue_name="wait", defer_by=60 * n)
        for n in range(3)
    ]
    jobs = await ran.queue.enqueue_many(many)
    jobs.append(await ran.queue.enqueue("x", *args, _job_id="one", _queue_name="wait", **kwargs))
    found = [job async for job in ran.queue.iter_jobs("wait")]
    assert sorted(job.id for job in found) == ["many-0", "many-1", "many-2", "one"]
    found += await ran.queue.get_jobs_metadata([job.id for job in jobs], "wait")
    found += [await ran.queue.get_job_metadata(job.id, "wait") for job in jobs]
    existing = await ran.queue.enqueue(
        "y", _job_id="one", _queue_name="wait", _on_conflict="return_existing"
    )
    for job in [*jobs, *found, existing]:
        assert job.name == "x"
        assert [repr(value) for value in job.args] == [repr(value) for value in args]
        assert repr(job.kwargs) == repr(kwargs)
    assert await ran.queue.purge("wait") == 4
