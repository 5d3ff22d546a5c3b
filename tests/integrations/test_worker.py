"""Workers whose settings are built: stock ones, which tell of themselves."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import re
import socket
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

import pytest

pytest.importorskip("arq", reason="arq, as of a worker, is not installed here")

from arq import cron, func
from arq.connections import RedisSettings as StockSettings
from arq.worker import check_health, create_worker

from arqade import (
    ConfigurationError,
    JSONCodec,
    MockArqQueue,
    PickleCodec,
    RedisArqQueue,
    RedisSettings,
    SyncRedisArqQueue,
)
from arqade.worker import WorkerSettings, build_worker_settings
from tests.harness import functions
from tests.harness.built_app import CODECS, SEEN
from tests.harness.worker import PATIENCE, WorkerFailedError, WorkerProcess, wait_until

# In stock arq, where it closes its pool.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated close:DeprecationWarning")

APP = "tests.harness.built_app"
FUNCTIONS = ("add", "wait", "tests.harness.functions.worker_function", "cron:tick")
LOCAL = RedisSettings()


@pytest.fixture
def queue(redis_url):
    """A blocking queue: the workers are other processes."""
    with SyncRedisArqQueue.from_url(redis_url) as queue:
        yield queue


def hooks(raw):
    """Give the hooks that were called, and the number of records at the first and last moment."""
    calls = [text.decode().split() for text in raw.lrange(SEEN, 0, -1)]
    return [name for name, _ in calls], calls[0][1], calls[-1][1]


def wait_for_records(queue, pids):
    """Wait until the workers of these processes are listed, and give their records.

    A record that ends early, on a slow machine, is soon there again.
    """
    found = []

    def are_there():
        found[:] = queue.get_workers()
        return [record.pid for record in found] == pids

    wait_until(are_there)
    return found


# --- in a process ----------------------------------------------------------------------


def test_record(queue, redis_url, raw):
    """A worker tells what it is while it lives, and nothing once it has ended."""
    assert queue.check_worker("add")[0].code == "no-worker"
    with WorkerProcess(redis_url, app=APP, record_interval=0.1) as worker:
        [record] = wait_for_records(queue, [worker.pid])
        assert record.functions == FUNCTIONS
        assert (record.queue_name, record.codec) == ("arq:queue", "PickleCodec")
        assert record.hostname == socket.gethostname()
        assert record.arq_version == version("arq")
        assert record.arqade_version == version("arqade")
        assert abs(record.recorded - datetime.now(UTC)) < timedelta(seconds=PATIENCE)
        assert 0 < record.expires_in <= 0.3
        assert (record.jobs_started, record.jobs_ongoing) == (0, 0)
        wait_until(lambda: queue.check_worker("add", "wait", functions.add) == [])

        job = queue.enqueue("wait")
        wait_until(lambda: [r.jobs_ongoing for r in queue.get_workers()] == [1])
        raw.rpush("test:go", 1)
        assert queue.wait_for_result(job.id, timeout=PATIENCE).unwrap() == "told"
        wait_until(lambda: [r.jobs_ongoing for r in queue.get_workers()] == [0])
        [later] = wait_for_records(queue, [worker.pid])
        assert (later.id, later.started, later.jobs_started) == (record.id, record.started, 1)
        assert later.recorded > record.recorded
    assert queue.get_workers() == []
    assert raw.keys("arqade:worker*") == []
    assert hooks(raw) == (["on_startup", "on_job_start", "on_job_end", "on_shutdown"], "0", "0")


def test_two_workers_that_die(queue, redis_url, raw):
    """Workers of one queue are all listed; one that is killed is, until its record ends."""
    settings = {"app": APP, "record_interval": 0.2}
    with WorkerProcess(redis_url, **settings) as first:
        wait_for_records(queue, [first.pid])
        with WorkerProcess(redis_url, **settings) as second:
            found = wait_for_records(queue, [first.pid, second.pid])
            assert len({record.id for record in found}) == 2
            second.kill()
            wait_for_records(queue, [first.pid])
        first.kill()
        wait_for_records(queue, [])
    wait_until(lambda: raw.keys("arqade:worker*") == [])
    # The record of arq itself stays an hour, and can't be told from that of a worker that lives.
    [finding] = queue.check_worker("add", strict=True)
    assert finding.code == "stock-worker"


def test_stock_worker(queue, redis_url):
    """A worker without records is seen, but not what it knows."""
    with WorkerProcess(redis_url):
        wait_until(lambda: queue.get_worker_health() is not None)
        assert queue.get_workers() == []
        [finding] = queue.check_worker("add", strict=True)
        assert (finding.code, finding.severity) == ("stock-worker", "info")


@pytest.mark.parametrize("codec", CODECS)
def test_codecs(redis_url, codec):
    """One codec serves both ends."""
    with (
        SyncRedisArqQueue.from_url(redis_url, codec=CODECS[codec]) as queue,
        WorkerProcess(redis_url, app=APP, codec=codec, record_interval=0.1) as worker,
    ):
        job = queue.enqueue("add", 1, b=2)
        assert queue.wait_for_result(job.id, timeout=PATIENCE).unwrap() == 3
        [record] = wait_for_records(queue, [worker.pid])
        assert record.codec == type(CODECS[codec]).__name__


@pytest.mark.parametrize(
    ("hook", "calls"),
    [
        ("on_startup", ["on_startup", "on_shutdown"]),
        ("on_job_start", ["on_startup", "on_job_start", "on_shutdown"]),
        ("on_shutdown", ["on_startup", "on_job_start", "on_job_end", "on_shutdown"]),
    ],
)
@pytest.mark.parametrize("record_interval", [0.1, None])
def test_failing_hooks(queue, redis_url, raw, hook, calls, record_interval):
    """A worker's own hook that raises ends it, with a record as without, which is removed."""
    queue.enqueue("add", 1, 2)
    worker = WorkerProcess(
        redis_url, app=APP, burst=True, failing=hook, record_interval=record_interval
    )
    try:
        with pytest.raises(WorkerFailedError) as caught:
            worker.wait_until_over()
    finally:
        worker.close()
    assert f"RuntimeError: {hook} fails, as it was told to" in str(caught.value)
    assert raw.keys("arqade:worker*") == []
    assert hooks(raw) == (calls, "0", "0")


# --- in this process -------------------------------------------------------------------


async def start(settings, **options):
    """Start a worker of these settings in this event loop."""
    worker = create_worker(settings, handle_signals=False, **options)
    return worker, asyncio.create_task(worker.async_run())


async def end(worker, running):
    running.cancel()
    await asyncio.wait([running])
    await worker.close()


async def until(answer):
    """Ask again and again until the answer is true."""
    async with asyncio.timeout(PATIENCE):
        while not (said := await answer()):  # noqa: ASYNC110 - the answer is the server's
            await asyncio.sleep(0.01)
    return said


async def test_refused_writes(redis_url, raw, caplog):
    """A worker that may write no record works on, and its log says so once."""
    caplog.set_level(logging.INFO, "arqade.worker")
    raw.execute_command(
        *("ACL", "SETUSER", "worker", "reset", "on", ">of the worker", "~*", "+@all"),
        *("-evalsha", "-eval"),
    )
    url = RedisSettings.from_url(redis_url, username="worker", password="of the worker")
    settings = build_worker_settings(
        [functions.add], redis_settings=url, record_interval=0.01, poll_delay=0.01
    )
    try:
        async with await RedisArqQueue.from_url(redis_url) as queue:
            worker, running = await start(settings)
            for _ in range(3):
                job = await queue.enqueue("add", 1, 2)
                assert (await queue.wait_for_result(job.id, timeout=PATIENCE)).unwrap() == 3
            assert await queue.get_workers() == []
            raw.execute_command("ACL", "SETUSER", "worker", "+evalsha", "+eval")
            await until(queue.get_workers)
            raw.execute_command("ACL", "SETUSER", "worker", "-evalsha", "-eval")
            await until(lambda: is_in(caplog, "can't be written", 2))
            await end(worker, running)
    finally:
        raw.acl_deluser("worker")
    said = [record.message for record in caplog.records if record.name == "arqade.worker"]
    beginnings = ["can't be written", "is written again", "can't be written", "can't be removed"]
    assert len(said) == len(beginnings)
    for message, beginning in zip(said, beginnings, strict=True):
        assert message.startswith(f"The worker's record {beginning}")
    assert "of the worker" not in caplog.text


async def test_names_that_no_client_can_use(redis_url, caplog):
    """A worker of a function that no client can name works on without a record."""
    settings = build_worker_settings(
        [functions.add, func(functions.worker_function, name="x" * 600)],
        redis_settings=RedisSettings.from_url(redis_url),
        poll_delay=0.01,
    )
    async with await RedisArqQueue.from_url(redis_url) as queue:
        worker, running = await start(settings)
        job = await queue.enqueue("add", 1, 2)
        assert (await queue.wait_for_result(job.id, timeout=PATIENCE)).unwrap() == 3
        assert await queue.get_workers() == []
        await end(worker, running)
    assert "The worker's record can't be made: task_name must be at most 512" in caplog.text


async def is_in(caplog, text, count):
    return sum(text in record.message for record in caplog.records) >= count


async def test_two_in_one_process(redis_url):
    """Two workers of one class, in one process, have a record each."""
    settings = build_worker_settings(
        [functions.add], redis_settings=RedisSettings.from_url(redis_url), record_interval=0.05
    )
    async with await RedisArqQueue.from_url(redis_url) as queue:
        first, second = await start(settings), await start(settings)
        records = await until(lambda: as_many(queue, 2))
        assert len({record.id for record in records}) == 2
        await end(*first)
        [left] = await until(lambda: as_many(queue, 1))
        assert left.id in {record.id for record in records}
        await end(*second)
        assert await queue.get_workers() == []


async def as_many(queue, count):
    found = await queue.get_workers()
    return found if len(found) == count else None


async def test_mock_runs_them():
    """A mock runs jobs by built settings, and has no record of a worker."""
    settings = build_worker_settings([functions.add], redis_settings=LOCAL)
    async with MockArqQueue() as queue:
        job = await queue.enqueue("add", 1, 2)
        assert await queue.run_jobs(settings) == 1
        assert (await queue.get_job_result(job.id)).unwrap() == 3
        assert await queue.get_workers() == []


def test_check(queue, redis_url):
    """What arq has to check a worker takes what is built: it finds a worker, or none."""
    settings = build_worker_settings(
        [functions.add], redis_settings=RedisSettings.from_url(redis_url)
    )
    assert check_health(settings) == 1
    with WorkerProcess(redis_url, app=APP):
        wait_until(lambda: queue.get_worker_health() is not None)
        assert check_health(settings) == 0


# --- values ----------------------------------------------------------------------------


def build(**options):
    return build_worker_settings([functions.add], **{"redis_settings": LOCAL, **options})


@pytest.mark.parametrize("record_interval", [None, 15, 0.5, timedelta(minutes=1)])
async def test_attributes(record_interval):
    """All settings are the class's own, for arq ignores inherited ones."""
    codec, crons = JSONCodec(), [cron(functions.worker_function, hour=3)]
    built = build(
        redis_settings=RedisSettings(host="redis", password="p"),
        queue_name="mail",
        codec=codec,
        record_interval=record_interval,
        max_jobs=5,
        cron_jobs=crons,
    )
    own = vars(built)
    assert type(own["redis_settings"]) is StockSettings
    assert (own["redis_settings"].host, own["redis_settings"].password) == ("redis", "p")
    assert (own["functions"], own["queue_name"], own["max_jobs"]) == ([functions.add], "mail", 5)
    assert own["cron_jobs"] is crons
    envelope = {"t": None, "f": "add", "a": (), "k": {}, "et": 1}
    assert own["job_serializer"](envelope) == codec.dumps(envelope)
    assert own["job_deserializer"](codec.dumps(envelope)) == envelope
    hooks = {"on_startup", "on_shutdown", "on_job_start", "on_job_end"}
    assert own.keys() & hooks == (set() if record_interval is None else hooks)
    worker = create_worker(built, handle_signals=False)
    assert (worker.queue_name, worker.max_jobs) == ("mail", 5)
    assert [*worker.functions] == ["add", "cron:worker_function"]


def test_stock_settings():
    """Redis settings of arq stay as they are."""
    stock = StockSettings(host="redis", retry_on_timeout=True)
    assert vars(build(redis_settings=stock))["redis_settings"] is stock


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"max_job": 5}, TypeError, "no option 'max_job'; did you mean max_jobs?"),
        ({"record_intervall": 5}, TypeError, "did you mean record_interval?"),
        ({"xyz": 5}, TypeError, "no option 'xyz'; arq has functions, queue_name"),
        ({"job_serializer": bytes}, TypeError, "a codec, which stands for job_serializer"),
        ({"redis_settings": "redis://redis"}, TypeError, "settings must be an instance"),
        ({"redis_settings": RedisSettings(client_name="c")}, ConfigurationError, "client_name"),
        ({"queue_name": "arq:job:x"}, ValueError, "reserved prefix"),
        ({"queue_name": 5}, TypeError, "queue_name must be a str"),
        ({"record_interval": 0}, ValueError, "must be positive and finite, not 0"),
        ({"record_interval": float("nan")}, ValueError, "positive and finite"),
        ({"record_interval": "15"}, TypeError, "record_interval must be seconds"),
        ({"record_interval": True}, TypeError, "record_interval must be seconds"),
    ],
    ids=str,
)
def test_wrong_settings(options, error, said):
    """What is wrong is told when the settings are built."""
    with pytest.raises(error, match=re.escape(said)):
        build(**options)


async def test_safirs_settings():
    """The fields of safir, by name and by place, with its defaults; arq takes an instance."""
    settings = WorkerSettings([functions.add], RedisSettings(host="redis"), 10, 60, 3)
    assert dataclasses.asdict(dataclasses.replace(settings, redis_settings=LOCAL)) == {
        "functions": [functions.add],
        "redis_settings": dataclasses.asdict(LOCAL.to_arq()),
        "job_completion_wait": 10,
        "job_timeout": 60,
        "max_jobs": 3,
        "allow_abort_jobs": False,
        "queue_name": "arq:queue",
        "on_startup": None,
        "on_shutdown": None,
        "cron_jobs": None,
    }
    worker = create_worker(settings, handle_signals=False)
    assert (worker.redis_settings.host, worker.max_jobs) == ("redis", 3)
    built = vars(build_worker_settings(**vars(settings), codec=PickleCodec()))
    assert (built["max_jobs"], built["redis_settings"]) == (3, settings.redis_settings)
    with pytest.raises(ConfigurationError):
        WorkerSettings([functions.add], RedisSettings(client_name="c"), 10, 60, 3)


async def records_when(queue, *, there):
    """Wait until there are records of workers, or none, and give them."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = await queue.get_workers()
            if bool(found) is there:
                return found
            await asyncio.sleep(0.02)


async def test_worker_that_is_cut_off_in_a_process_that_lives_on(redis_url):
    """Its record ends by itself: nobody writes it anew, although nobody closed the worker."""
    built = build_worker_settings(
        [functions.add],
        redis_settings=RedisSettings.from_url(redis_url),
        record_interval=0.1,
        handle_signals=False,
    )
    worker = create_worker(built)
    async with await RedisArqQueue.from_url(redis_url) as queue:
        running = asyncio.create_task(worker.async_run())
        await records_when(queue, there=True)
        running.cancel()
        await asyncio.wait([running])
        await records_when(queue, there=False)
    await worker.close()


async def test_names_are_those_of_arq(redis_url):
    """An attribute that a function happens to have is not its name."""

    async def named(ctx):
        raise NotImplementedError

    named.name = "other"
    built = build_worker_settings(
        iter([named]),
        redis_settings=RedisSettings.from_url(redis_url),
        handle_signals=False,
        on_job_start=None,
    )
    worker = create_worker(built)
    async with await RedisArqQueue.from_url(redis_url) as queue:
        running = asyncio.create_task(worker.async_run())
        found = await records_when(queue, there=True)
        assert found[0].functions == tuple(worker.functions)
        running.cancel()
        await asyncio.wait([running])
        await worker.close()
        assert await queue.get_workers() == []


def test_waiting_for_jobs_to_end_as_safir_says_it():
    """It may be a timedelta; arq gets seconds."""
    wait = timedelta(seconds=30)
    safirs = WorkerSettings([functions.add], LOCAL, wait, 5, 3)
    assert safirs.job_completion_wait == 30
    built = build_worker_settings([functions.add], redis_settings=LOCAL, job_completion_wait=wait)
    assert built.job_completion_wait == 30
