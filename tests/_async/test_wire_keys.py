from __future__ import annotations

import json
import pickle
import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import pytest

from arqade import JobNotFound, JobNotQueued, RedisArqQueue
from tests.harness.stock import Raised, as_stock_says
from tests.harness.stock_values import Elsewhere
from tests.harness.worker import (
    WorkerProcess,
    keys_of_arq,
    run_burst,
    started_jobs,
    wait_until,
    wait_until_started,
)

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
TIME_LOST = 20_000
"""How many milliseconds a slow machine may take between a write and a look."""

ARGUMENTS = [
    ((), {}),
    ((1, -2.5, None, True, 1 << 70), {"x": [1, {"y": (2,)}], "name": "ü"}),
    ((b"\x00\xff", {1, 2}, datetime(2020, 2, 29, tzinfo=UTC)), {"delta": timedelta(days=1)}),
    (("x" * 100_000,), {f"k{number}": number for number in range(300)}),
]


def now_ms():
    return round(datetime.now(UTC).timestamp() * 1000)


# --- bytes -----------------------------------------------------------------------------


@pytest.mark.parametrize("job_try", [None, 3])
@pytest.mark.parametrize(("args", "kwargs"), ARGUMENTS)
async def test_job_has_the_bytes_of_stock_arq(queue, stock, raw, args, kwargs, job_try):
    """A job is the pickle that stock arq makes of the same values, byte for byte."""
    job = await queue.enqueue("echo", *args, _job_id="ours", _job_try=job_try, **kwargs)
    stock.enqueue_job("echo", *args, _job_id="stock", _job_try=job_try, **kwargs)
    ours, theirs = raw.get("arq:job:ours"), raw.get("arq:job:stock")
    envelope = pickle.loads(ours)
    time = round(job.enqueue_time.timestamp() * 1000)
    assert list(envelope.items()) == [
        ("t", job_try),
        ("f", "echo"),
        ("a", args),
        ("k", kwargs),
        ("et", time),
    ]
    assert type(envelope["a"]) is tuple
    assert type(envelope["et"]) is int
    # Python 3.14 calls the same bytes protocol 5.
    theirs = b"\x80\x04" + theirs[2:]
    # Nothing but the time differs.
    their_time = pickle.loads(theirs)["et"]
    as_pickled = {ms: b"\x8a\x06" + ms.to_bytes(6, "little") for ms in (time, their_time)}
    assert theirs.count(as_pickled[their_time]) == 1
    assert ours == theirs.replace(as_pickled[their_time], as_pickled[time])
    assert ours == pickle.dumps(
        {"t": job_try, "f": "echo", "a": args, "k": kwargs, "et": time}, protocol=4
    )


@pytest.mark.parametrize(("args", "kwargs"), ARGUMENTS)
@pytest.mark.parametrize("options", [{}, {"_defer_by": 60.5, "_job_try": 2, "_expires": 7}])
async def test_job_of_stock_arq_is_read(queue, stock, raw, args, kwargs, options):
    """Metadata of a job that stock arq enqueued hold what was enqueued."""
    assert stock.enqueue_job("echo", *args, _job_id="k", **options, **kwargs) == "k"
    job = await queue.get_job_metadata("k")
    assert (job.id, job.name, job.args, job.kwargs) == ("k", "echo", args, kwargs)
    assert job.score == raw.zscore("arq:queue", "k")
    assert job.job_try == options.get("_job_try")
    assert job.queue_name == "arq:queue"
    assert as_stock_says(job) == stock.info("k") == stock.queued_jobs()[0]


async def test_values_go_there_and_back(queue, redis_url):
    """Arguments that a stock worker gets and returns are what was given."""
    for number, (args, kwargs) in enumerate(ARGUMENTS):
        await queue.enqueue("echo", *args, _job_id=str(number), **kwargs)
    run_burst(redis_url)
    for number, (args, kwargs) in enumerate(ARGUMENTS):
        result = await queue.get_job_result(str(number))
        assert result.unwrap() == {"args": args, "kwargs": kwargs, "job_try": 1}
        assert (result.args, result.kwargs) == (args, kwargs)


class JSON:
    """A codec of an application that has set stock arq to JSON."""

    def dumps(self, envelope):
        return json.dumps(envelope).encode()

    def loads(self, data):
        return json.loads(data)

    def worker_settings(self):
        return {"job_serializer": self.dumps, "job_deserializer": self.loads}


async def test_json_worker(redis_url):
    """With a codec for what a stock worker's serializer writes, arguments are still a tuple."""
    async with await RedisArqQueue.from_url(redis_url, codec=JSON()) as queue:
        await queue.enqueue("echo", 1, _job_id="k", x=2)
        await queue.enqueue("raise_value_error", _job_id="fails")
        run_burst(redis_url, json_jobs=True)
        result, failed = [await queue.get_job_result(job_id) for job_id in ("k", "fails")]
    assert result.unwrap() == {"args": [1], "kwargs": {"x": 2}, "job_try": 1}
    assert result.args == (1,)
    assert failed.success is False
    assert failed.result == "unable to serialize result"


# --- keys ------------------------------------------------------------------------------


async def test_waiting_job_has_the_keys_of_stock_arq(queue, stock, raw):
    """A job is a string that lives for a day, in a sorted set without an end."""
    await queue.enqueue("echo", _job_id="ours")
    stock.enqueue_job("echo", _job_id="stock")
    (marker,) = raw.keys("arqade:once:*")
    jobs = {b"arq:job:ours", b"arq:job:stock"}
    assert set(raw.keys("*")) == {*jobs, b"arq:queue", marker}
    assert raw.type("arq:queue") == b"zset"
    assert raw.ttl("arq:queue") == -1
    assert sorted(raw.zrange("arq:queue", 0, -1)) == [b"ours", b"stock"]
    for key in jobs:
        assert raw.type(key) == b"string"
        assert DAY_MS - TIME_LOST < raw.pttl(key) <= DAY_MS
    assert raw.type(marker) == b"string"
    assert 0 < raw.pttl(marker) <= HOUR_MS


async def test_running_job_has_the_keys_of_stock_arq(queue, stock, raw, redis_url):
    """While stock workers run jobs, those of arqade look like those of stock arq."""
    await queue.enqueue("run_until_told", _job_id="ours")
    stock.enqueue_job("run_until_told", _job_id="stock")
    with WorkerProcess(redis_url):
        for job_id in ("ours", "stock"):
            wait_until_started(raw, job_id)
            assert raw.get(f"arq:in-progress:{job_id}") == b"1"
            assert 310_000 - TIME_LOST < raw.pttl(f"arq:in-progress:{job_id}") <= 310_000
            assert raw.get(f"arq:retry:{job_id}") == b"1"
            assert 88_400 - TIME_LOST / 1000 < raw.ttl(f"arq:retry:{job_id}") <= 88_400
            assert DAY_MS - TIME_LOST < raw.pttl(f"arq:job:{job_id}") <= DAY_MS
            assert raw.zscore("arq:queue", job_id)
            raw.rpush(f"test:go:{job_id}", "go")
        for job_id in ("ours", "stock"):
            assert (await queue.wait_for_result(job_id, timeout=10)).unwrap() == "told"
            assert HOUR_MS - TIME_LOST < raw.pttl(f"arq:result:{job_id}") <= HOUR_MS
    assert keys_of_arq(raw) == {b"arq:result:ours", b"arq:result:stock"}


async def test_results_can_be_kept_for_ever(queue, raw, redis_url):
    """A worker that keeps results forever keeps them without an end, and they are read."""
    await queue.enqueue("echo", _job_id="k")
    run_burst(redis_url, keep_result_forever=True)
    assert raw.pttl("arq:result:k") == -1
    assert (await queue.get_job_result("k")).success
    assert await queue.delete_result("k")
    assert await queue.get_job_status("k") == "not_found"


async def test_health_checks_do_not_disturb(queue, stock, raw, redis_url):
    """A worker's record of its health is no job, and jobs do not touch it."""
    with WorkerProcess(redis_url, health_check_interval=1) as worker:
        wait_until(lambda: raw.exists("arq:queue:health-check"))
        await queue.enqueue("echo", _job_id="k")
        assert (await queue.wait_for_result("k", timeout=10)).success
        for unknown in ("health-check", "arq:queue:health-check"):
            assert stock.status(unknown) == await queue.get_job_status(unknown) == "not_found"
            assert await queue.cancel_job(unknown) == "not_found"
        wait_until(lambda: b"j_complete=1" in (raw.get("arq:queue:health-check") or b""))
        worker.stop()
    assert not raw.exists("arq:queue:health-check")


# --- time ------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-7)), None])
async def test_defer_until_is_the_score(queue, stock, raw, zone):
    """A job that is deferred until a time, aware or local, has the score of stock arq."""
    until = (datetime.now(UTC) + timedelta(hours=2)).astimezone(zone)
    until = until if zone else until.replace(tzinfo=None)
    job = await queue.enqueue("echo", _job_id="ours", _defer_until=until)
    stock.enqueue_job("echo", _job_id="stock", _defer_until=until)
    assert raw.zscore("arq:queue", "ours") == raw.zscore("arq:queue", "stock") == job.score
    assert job.status == stock.status("ours") == await queue.get_job_status("ours") == "deferred"
    assert abs(raw.pttl("arq:job:ours") - raw.pttl("arq:job:stock")) < TIME_LOST
    assert raw.pttl("arq:job:ours") > DAY_MS + HOUR_MS


async def test_deferred_job_runs_at_its_time(queue, redis_url):
    """A stock worker starts a deferred job when it is due, after one that is due before."""
    late = await queue.enqueue("echo", _job_id="late", _defer_by=0.4)
    soon = await queue.enqueue("echo", _job_id="soon", _defer_by=timedelta(seconds=0.2))
    assert late.status == soon.status == "deferred"
    run_burst(redis_url)
    for job in (late, soon):
        result = await queue.get_job_result(job.id)
        assert result.success
        assert result.start_time.timestamp() * 1000 >= job.score
    assert job.score - now_ms() < 0


async def test_job_deferred_into_the_past_runs_now(queue, redis_url):
    """A job whose time is years ago runs at once: it is not taken for expired."""
    job = await queue.enqueue("echo", _job_id="k", _defer_until=datetime(2001, 1, 1, tzinfo=UTC))
    assert job.status == "queued"
    run_burst(redis_url)
    assert (await queue.get_job_result("k")).success


async def test_expires_is_the_life_of_the_job(queue, stock, raw):
    """A job that expires has the life that stock arq gives it."""
    await queue.enqueue("echo", _job_id="ours", _expires=90)
    stock.enqueue_job("echo", _job_id="stock", _expires=90)
    for job_id in ("ours", "stock"):
        assert 90_000 - TIME_LOST < raw.pttl(f"arq:job:{job_id}") <= 90_000


async def test_expired_job_fails_when_a_worker_meets_it(queue, raw, stock, redis_url):
    """A job that has expired is unknown though it is queued, until a worker says so."""
    await queue.enqueue("echo", _job_id="k", _expires=0.01)
    wait_until(lambda: not raw.exists("arq:job:k"))
    assert await queue.get_job_status("k") == stock.status("k") == "queued"
    with pytest.raises(JobNotFound):
        await queue.get_job_metadata("k")
    run_burst(redis_url)
    result = await queue.get_job_result("k")
    assert repr(result.result) == "JobExecutionFailed('job expired')"
    assert stock.result("k") == Raised("JobExecutionFailed", repr(result.result))


# --- ids and queues --------------------------------------------------------------------

IDS = [
    *("k", "0", " ", "a b", " padded ", "with:colons", "a/b\\c", "'quoted\"", "{hash}tag", "%25"),
    *("*", "[a-z]?", "arq:job:k", "cron:tick:1", "-1", "+inf", "None", "null", "$1"),
    *("ünïcode", "日本語", "🎉" * 3, "שלום", "Ω≈ç√", "\N{NO-BREAK SPACE}", "\N{ZERO WIDTH JOINER}"),
    *(unicodedata.normalize(form, "é") for form in ("NFC", "NFD")),
    *("x" * 512, "é" * 256, "🎉" * 128, "\N{LATIN SMALL LETTER Y WITH DIAERESIS}"),
]


async def test_ids_of_every_kind_run(queue, stock, raw, redis_url):
    """A stock worker runs jobs of any id that is allowed, each as a job of its own."""
    for job_id in IDS:
        job = await queue.enqueue("echo", job_id, _job_id=job_id)
        assert job.id == job_id
        assert await queue.get_job_metadata(job_id) == job
    assert sorted(job["job_id"] for job in stock.queued_jobs()) == sorted(IDS)
    run_burst(redis_url)
    assert sorted(started_jobs(raw)) == sorted(IDS)
    for job_id in IDS:
        result = await queue.get_job_result(job_id)
        assert result.unwrap()["args"] == (job_id,)
        assert stock.info(job_id) == as_stock_says(result)
        assert stock.status(job_id) == await queue.get_job_status(job_id) == "complete"


async def test_worker_of_another_queue(queue, stock, redis_url):
    """A finished job is found by its own queue's name, by none, but not by another's."""
    await queue.enqueue("echo", _job_id="k", _queue_name="ünïcode queue")
    await queue.enqueue("echo", _job_id="stays")
    run_burst(redis_url, queue_name="ünïcode queue")
    for name in ("ünïcode queue", None):
        result = await queue.get_job_result("k", name)
        assert result.success
        assert result.queue_name == "ünïcode queue"
        assert as_stock_says(result) == stock.info("k")
        assert (await queue.get_job_metadata("k", name)).queue_name == "ünïcode queue"
    for read in (queue.get_job_result, queue.get_job_metadata, queue.wait_for_result):
        with pytest.raises(JobNotFound):
            await read("k", "arq:queue")
    assert await queue.get_job_status("stays") == "queued"


# --- duplicates ------------------------------------------------------------------------


@pytest.mark.parametrize("finished", [False, True])
async def test_ids_of_stock_arq_are_taken(queue, stock, redis_url, finished):
    """A job with the id of one of stock arq's, waiting or finished, is refused."""
    assert stock.enqueue_job("echo", 1, _job_id="k") == "k"
    if finished:
        run_burst(redis_url)
    with pytest.raises(JobNotQueued) as caught:
        await queue.enqueue("echo", 2, _job_id="k")
    assert caught.value.reason == ("complete" if finished else "queued")
    assert (await queue.get_job_metadata("k")).args == (1,)


@pytest.mark.parametrize("finished", [False, True])
async def test_ids_of_arqade_are_taken(queue, stock, redis_url, finished):
    """Stock arq refuses a job with the id of one of arqade's, waiting or finished."""
    await queue.enqueue("echo", 1, _job_id="k")
    if finished:
        run_burst(redis_url)
    assert stock.enqueue_job("echo", 2, _job_id="k") is None
    assert (await queue.get_job_metadata("k")).args == (1,)


async def test_kept_result_can_be_ignored(queue, redis_url):
    """A job can take the id of one that has finished: it runs, and its result is the one kept."""
    for number in (1, 2):
        await queue.enqueue("echo", number, _job_id="k", _on_conflict="ignore_result")
        assert await queue.get_job_status("k") == "queued"
        run_burst(redis_url)
        assert (await queue.get_job_result("k")).args == (number,)


async def test_replaced_job_counts_its_own_tries(queue, raw, redis_url):
    """A job that replaces one between two tries runs with its own arguments, as a first try."""
    await queue.enqueue("retry_later", _job_id="k")
    run_burst(redis_url, max_burst_jobs=1)
    await queue.enqueue("echo", 2, _job_id="k", _on_conflict="replace")
    assert started_jobs(raw) == ["k"]
    run_burst(redis_url)
    result = await queue.get_job_result("k")
    assert result.unwrap() == {"args": (2,), "kwargs": {}, "job_try": 1}
    assert started_jobs(raw) == ["k", "k"]


async def test_bad_job_does_not_stop_the_worker(queue, redis_url):
    """After a job that it can't decode, a stock worker runs the next one."""
    await queue.enqueue("echo", Elsewhere(), _job_id="bad")
    await queue.enqueue("echo", _job_id="good")
    run_burst(redis_url, max_jobs=1)
    assert (await queue.get_job_result("good")).success
    assert not (await queue.get_job_result("bad")).success
