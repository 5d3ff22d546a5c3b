from __future__ import annotations

import pytest

from arqade import JobRequest, RedisArqQueue
from tests.harness.states import put_complete, put_in_progress, put_queued, worker_record

# A call of each operation on a job that waits ("w"), runs ("r") or is finished ("f").
CALLS = [
    ("enqueue", ("work", 1), {}),
    ("enqueue", ("work", 1), {"_defer_by": 5, "_queue_name": "mail"}),
    ("enqueue", ("work", 1), {"_job_id": "w", "_on_conflict": "return_existing"}),
    ("enqueue", ("work", 1), {"_job_id": "w", "_on_conflict": "replace"}),
    ("enqueue", ("work", 1), {"_job_id": "f", "_on_conflict": "ignore_result"}),
    ("enqueue", ("work", b"0" * 1_000_000), {}),
    ("get_job_status", ("w",), {}),
    ("get_job_status", ("f", "arq:queue"), {}),
    ("get_job_metadata", ("w",), {}),
    ("get_job_metadata", ("f",), {}),
    ("get_job_metadata", ("f", "arq:queue"), {}),
    ("get_job_result", ("f",), {}),
    ("get_job_result", ("f", "arq:queue"), {}),
    ("wait_for_result", ("f",), {}),
    ("cancel_job", ("w",), {}),
    ("cancel_job", ("f",), {}),
    ("cancel_job", ("unknown",), {}),
    ("abort_job", ("w",), {}),
    ("delete_result", ("f",), {}),
    ("ping", (), {}),
    ("enqueue_many", ([JobRequest("work", (n,)) for n in range(100)],), {}),
    ("get_jobs_metadata", (["w", "r", "f", *map(str, range(97))],), {}),
    ("get_queue_stats", (), {}),
    ("get_worker_health", (), {}),
    ("get_workers", (), {}),
    ("check_worker", ("work", "add"), {}),
    ("record_worker", (worker_record(),), {}),
    ("forget_worker", ("w",), {}),
    ("purge", (), {}),
]


@pytest.mark.parametrize(
    ("operation", "args", "options"), CALLS, ids=[f"{n}-{call[0]}" for n, call in enumerate(CALLS)]
)
async def test_one_round_trip(proxy, raw, operation, args, options):
    """Every operation but waiting takes one round trip, counted at the socket."""
    async with await RedisArqQueue.from_url(proxy.url) as queue:
        # The server learns the scripts, once in its life.
        await queue.cancel_job((await queue.enqueue("work")).id)
        await queue.get_job_status("w")
        for look in ("get_queue_stats", "get_worker_health", "get_workers", "purge"):
            await getattr(queue, look)()
        await queue.record_worker(worker_record())
        await queue.forget_worker("w")
        put_queued(raw, "w")
        put_in_progress(raw, "r")
        put_complete(raw, "f")
        before = proxy.round_trips
        await getattr(queue, operation)(*args, **options)
        assert proxy.round_trips - before == 1
        assert proxy.connections == 1


async def test_round_trips_of_listings(proxy, raw):
    """A page of a hundred jobs takes two round trips: one for ids, one for all that is wanted."""
    async with await RedisArqQueue.from_url(proxy.url) as queue:
        await queue.enqueue_many([JobRequest("work") for _ in range(100)])
        await queue.get_job_status("w")
        before = proxy.round_trips
        found = [job async for job in queue.iter_jobs(status="queued") if job]
        assert (len(found), proxy.round_trips - before) == (100, 2)
        raw.zadd("arq:queue", {f"d{n}": n + 1 for n in range(1100)})
        before = proxy.round_trips
        assert (await queue.get_queue_stats()).queued == 1200
        assert proxy.round_trips - before <= 3
        before = proxy.round_trips
        assert await queue.purge() == 1200
        assert proxy.round_trips - before <= 13
        assert proxy.connections == 1


async def test_script_that_the_server_does_not_know(proxy, raw):
    """After SCRIPT FLUSH a call takes one round trip more, and the next one no more."""
    async with await RedisArqQueue.from_url(proxy.url) as queue:
        await queue.enqueue("work")
        raw.script_flush()
        before = proxy.round_trips
        await queue.enqueue("work")
        assert proxy.round_trips - before == 2
        await queue.enqueue("work")
        assert proxy.round_trips - before == 3
    assert raw.zcard("arq:queue") == 3
