"""What workers say of themselves: on a server and on a mock."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import attrs
import pytest

import arqade
from arqade import (
    ConfigurationError,
    JobRequest,
    MockArqQueue,
    QueueConnectionError,
    QueueServerError,
    RedisArqQueue,
    WorkerRecord,
)
from tests.harness import functions
from tests.harness.states import worker_record
from tests.harness.worker import PATIENCE, wait_until

STOCK = b"Nov-22 19:53:23 j_complete=7 j_failed=1 j_retried=2 j_ongoing=3 queued=4"


@pytest.fixture(params=["redis", "mock"])
async def queue(request):
    """A queue of each kind, without a worker."""
    if request.param == "mock":
        async with MockArqQueue() as queue:
            yield queue
    else:
        url = request.getfixturevalue("redis_url")
        async with await RedisArqQueue.from_url(url) as queue:
            yield queue


@pytest.fixture
async def real_queue(redis_url):
    """A queue on a server."""
    async with await RedisArqQueue.from_url(redis_url) as queue:
        yield queue


def shown(findings):
    return [(finding.code, str(finding.severity)) for finding in findings]


def own_records(caplog):
    return [record.message for record in caplog.records if record.name.startswith("arqade.")]


# --- records ---------------------------------------------------------------------------


async def test_records(queue):
    """Each worker of a queue is given, the oldest first, with the server's time; until it ends."""
    assert await queue.get_workers() == []
    old = worker_record("b", started=datetime(2025, 1, 2, tzinfo=UTC))
    young, other = worker_record("a"), worker_record("c", queue_name="mail")
    for record in (young, old, other):
        assert await queue.record_worker(record) is None
    found = await queue.get_workers()
    assert [type(record) for record in found] == [WorkerRecord, WorkerRecord]
    for record, expected in zip(found, (old, young), strict=True):
        assert abs(record.recorded - datetime.now(UTC)) < timedelta(seconds=PATIENCE)
        assert 45 - PATIENCE < record.expires_in <= 45
        assert attrs.evolve(record, recorded=None, expires_in=45.0) == expected
    assert [record.id for record in await queue.get_workers("mail")] == ["c"]

    assert await queue.forget_worker("a") is True
    assert await queue.forget_worker("a") is False
    assert await queue.forget_worker("c") is True, "a record goes by its id"
    assert [record.id for record in await queue.get_workers()] == ["b"]
    assert await queue.get_workers("mail") == []


async def test_record_anew(queue):
    """A worker has one record, which is the last one that it wrote."""
    for number in range(3):
        await queue.record_worker(worker_record(jobs_started=number))
    [record] = await queue.get_workers()
    assert record.jobs_started == 2


async def test_records_end_on_a_mock():
    """On a mock, a record ends by the mock's clock."""
    async with MockArqQueue() as queue:
        await queue.record_worker(worker_record(expires_in=15))
        queue.clock.advance(14)
        assert len(await queue.get_workers()) == 1
        queue.clock.advance(1)
        assert await queue.get_workers() == []
        assert queue.jobs == []


async def test_records_end(real_queue, raw):
    """Nothing is left of a worker that died, even if no other one writes or reads."""
    await real_queue.record_worker(worker_record("short", expires_in=0.05))
    await real_queue.record_worker(worker_record("long", expires_in=100))
    assert 90_000 < raw.pttl("arqade:workers:arq:queue") <= 100_000
    wait_until(lambda: not raw.exists("arqade:worker:short"))
    assert [record.id for record in await real_queue.get_workers()] == ["long"]
    await real_queue.record_worker(worker_record("long", expires_in=0.05))
    assert raw.zrange("arqade:workers:arq:queue", 0, -1) in ([b"long"], [])
    wait_until(lambda: raw.dbsize() == 0)


async def test_machines_clock_does_not_matter(real_queue, raw):
    """Records are dated by the server, and are JSON for whoever looks into it."""
    await real_queue.record_worker(worker_record(started=datetime(2099, 1, 1, tzinfo=UTC)))
    seconds, _ = raw.time()
    [record] = await real_queue.get_workers()
    assert abs(record.recorded.timestamp() - seconds) < PATIENCE
    assert raw.get("arqade:worker:w").startswith(b'{"recorded_ms":')


async def test_something_else_under_the_key(real_queue, raw):
    """What is no record is an error, and so is a key of another type."""
    await real_queue.record_worker(worker_record())
    raw.set("arqade:worker:w", "x")
    for call in (real_queue.get_workers, real_queue.check_worker):
        with pytest.raises(QueueServerError, match="holds no record of a worker"):
            await call()
    raw.delete("arqade:workers:arq:queue")
    raw.set("arqade:workers:arq:queue", "x")
    for call in (real_queue.get_workers, real_queue.check_worker):
        with pytest.raises(QueueServerError):
            await call()


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("id", "", ValueError),
        ("id", 5, TypeError),
        ("queue_name", "arq:job:x", ValueError),
        ("functions", "add", TypeError),
        ("functions", [""], ValueError),
        ("expires_in", 0, ValueError),
        ("expires_in", float("inf"), ValueError),
        ("expires_in", "45", TypeError),
    ],
)
def test_wrong_records(field, value, error):
    """A record has names that can be, and a life that ends."""
    with pytest.raises(error):
        worker_record(**{field: value})


async def test_wrong_ids(queue):
    """An id that can't be a worker's is refused."""
    for wrong, error in (("", ValueError), (5, TypeError)):
        with pytest.raises(error, match="worker_id"):
            await queue.forget_worker(wrong)


# --- checks ----------------------------------------------------------------------------


async def test_no_worker(queue, caplog):
    """Without a worker there is one finding, whatever the tasks; it is logged, or raised."""
    for tasks in ((), ("add", "other")):
        found = await queue.check_worker(*tasks)
        assert shown(found) == [("no-worker", "error")]
        assert "No worker is seen on the queue arq:queue" in found[0].message
    assert own_records(caplog) == [f"Jobs lack a worker: {found[0]}"] * 2
    caplog.clear()
    with pytest.raises(ConfigurationError, match="Jobs lack a worker: no-worker"):
        await queue.check_worker(strict=True)
    assert own_records(caplog) == []


async def test_worker_that_knows(queue, caplog):
    """All is well if a worker knows the tasks, however they are given."""
    await queue.record_worker(worker_record())
    tasks = ("add", functions.add, arqade.job_for(functions.add), JobRequest("work", (1,)))
    assert await queue.check_worker() == []
    assert await queue.check_worker(*tasks) == []
    assert await queue.check_worker(*tasks, queue_name="arq:queue", strict=True) == []
    assert own_records(caplog) == []


async def test_unknown_tasks(queue):
    """Each task that no worker knows is an error; one that some don't know is a warning."""
    await queue.record_worker(worker_record("1"))
    assert shown(await queue.check_worker("add", "x", "y", "x")) == [("unknown-task", "error")] * 2
    for number in range(2, 7):
        await queue.record_worker(worker_record(str(number), functions=["x"], pid=number))
    error, warning = found = await queue.check_worker("add", "y")
    assert shown(found) == [("unknown-task", "error"), ("unknown-task", "warning")]
    assert "No worker of the queue arq:queue knows y" in error.message
    assert "5 of 6 workers of the queue arq:queue do not know add" in warning.message
    assert "host (pid 2), host (pid 3), host (pid 4) and 2 more" in warning.message
    with pytest.raises(ConfigurationError) as caught:
        await queue.check_worker("add", "y", strict=True)
    assert str(caught.value) == f"Jobs lack a worker: {error}; {warning}"


async def test_queues_of_tasks(queue):
    """A task is looked for in its own queue, unless one is given."""

    @arqade.job(queue="mail", name="send")
    def send(to: str) -> None:
        raise NotImplementedError

    await queue.record_worker(worker_record(functions=["add"]))
    await queue.record_worker(worker_record("m", queue_name="mail", functions=["send"]))
    request = JobRequest("send", queue_name="mail")
    assert await queue.check_worker("add", send, request) == []
    [finding] = await queue.check_worker(send, queue_name="arq:queue")
    assert "No worker of the queue arq:queue knows send" in finding.message
    [finding] = await queue.check_worker("add", "send", queue_name="other")
    assert "No worker is seen on the queue other" in finding.message


async def test_stock_worker(real_queue, raw, caplog):
    """Of a stock worker no more is known than that it was there: good to know, and no error."""
    raw.psetex("arq:queue:health-check", 60_000, STOCK)
    found = await real_queue.check_worker("add", strict=True)
    assert shown(found) == [("stock-worker", "info")]
    assert "Nov-22 19:53:23" in found[0].message
    assert own_records(caplog) == []
    await real_queue.record_worker(worker_record())
    assert await real_queue.check_worker("add") == []
    raw.set("arq:queue:health-check", "x")
    assert await real_queue.check_worker("add") == []
    await real_queue.forget_worker("w")
    with pytest.raises(QueueServerError, match="no record of an arq worker"):
        await real_queue.check_worker("add")


@pytest.mark.parametrize("task", [5, None, b"add", lambda: None])
async def test_what_is_no_task(queue, task):
    """What names no function is refused."""
    with pytest.raises(TypeError, match="task must be"):
        await queue.check_worker("add", task)


async def test_failing(caplog):
    """A mock that fails does so here, too."""
    caplog.set_level(logging.DEBUG)
    async with MockArqQueue() as queue:
        with queue.failing(QueueConnectionError("down")):
            for call, *args in (
                (queue.get_workers,),
                (queue.check_worker, "add"),
                (queue.record_worker, worker_record()),
                (queue.forget_worker, "w"),
            ):
                with pytest.raises(QueueConnectionError):
                    await call(*args)
    assert own_records(caplog) == []


async def test_broken_connection(proxy):
    """A connection that broke is made anew, for a removal alone if nothing was sent."""
    async with await RedisArqQueue.from_url(proxy.url) as queue:
        await queue.record_worker(worker_record())
        proxy.break_connections()
        assert len(await queue.get_workers()) == 1
        proxy.break_connections()
        assert await queue.check_worker("add") == []
        proxy.break_connections()
        await queue.record_worker(worker_record(jobs_started=5))
        assert [record.jobs_started for record in await queue.get_workers()] == [5]
