"""What holds when connections break: the basics."""

from __future__ import annotations

import pytest

from arqade import (
    EnqueueUncertain,
    JobNotQueued,
    JobStatus,
    QueueConnectionError,
    RedisArqQueue,
    RedisSettings,
)
from tests.harness.states import QUEUE, put_complete, put_queued, snapshot


def impatient(proxy, **options):
    """Settings whose budget is soon over."""
    options = {"socket_timeout": 0.2, "retry_budget": 1, **options}
    return RedisSettings.from_url(proxy.url, **options)


@pytest.mark.parametrize("fault", ["cut_requests", "cut_replies"])
async def test_enqueue_is_repeated(proxy, raw, fault):
    """A job whose request or reply gets lost three times is enqueued once, and called ok."""
    async with await RedisArqQueue.from_url(proxy.url) as queue:
        await queue.enqueue("work")
        setattr(proxy, fault, 3)
        job = await queue.enqueue("work", _job_id="k")
        assert getattr(proxy, fault) == 0
        assert await queue.get_job_metadata("k") == job
    assert raw.zcard(QUEUE) == 2


async def test_someone_elses_job_is_still_a_conflict(proxy, raw):
    """A lost reply does not make the caller the owner of a job that was there before."""
    put_queued(raw)
    async with await RedisArqQueue.from_url(proxy.url) as queue:
        await queue.enqueue("work")
        before = snapshot(raw)
        proxy.cut_replies = 1
        with pytest.raises(JobNotQueued):
            await queue.enqueue("other", _job_id="k")
        assert snapshot(raw) == before


async def test_unanswered_enqueue_is_uncertain_and_settled_by_its_token(proxy, raw):
    """If no answer comes within the budget the call says so; its token settles it."""
    async with await RedisArqQueue.initialize(impatient(proxy)) as queue:
        await queue.enqueue("work")
        proxy.swallow_replies = True
        with pytest.raises(EnqueueUncertain) as caught:
            await queue.enqueue("work", 1, _job_id="k")
        proxy.swallow_replies = False
        assert caught.value.job_id == "k"
        assert caught.value.token not in str(caught.value)
        assert caught.value.__cause__ is not None
        job = await queue.enqueue("work", 1, _job_id="k", _token=caught.value.token)
        assert await queue.get_job_metadata("k") == job
    assert raw.zcard(QUEUE) == 2


async def test_server_that_stays_away(proxy, raw):
    """A job that could not be sent is refused, and not there afterwards."""
    async with await RedisArqQueue.initialize(impatient(proxy, retry_budget=0.5)) as queue:
        proxy.refuse = True
        proxy.break_connections()
        with pytest.raises(QueueConnectionError):
            await queue.ping()  # Finds out that the idle connection is gone.
        with pytest.raises(QueueConnectionError, match="the job was not queued") as caught:
            await queue.enqueue("work")
        assert caught.value.__cause__ is not None
        assert raw.dbsize() == 0
        proxy.refuse = False
        await queue.enqueue("work")


@pytest.mark.parametrize("operation", ["get_job_status", "get_job_metadata", "get_job_result"])
@pytest.mark.parametrize("fault", ["cut_requests", "cut_replies"])
async def test_reads_are_repeated(proxy, raw, operation, fault):
    """A read whose request or reply gets lost is repeated."""
    put_complete(raw)
    async with await RedisArqQueue.from_url(proxy.url) as queue:
        setattr(proxy, fault, 2)
        answer = await getattr(queue, operation)("k")
        assert JobStatus.complete in (answer, getattr(answer, "status", None))
        assert getattr(proxy, fault) == 0


@pytest.mark.parametrize("operation", ["cancel_job", "delete_result"])
async def test_changes_are_not_repeated(proxy, raw, operation):
    """A change whose reply gets lost is not repeated: it could not tell what it had done."""
    put_queued(raw)
    put_complete(raw, "done")
    async with await RedisArqQueue.from_url(proxy.url) as queue:
        await queue.cancel_job("unknown")
        proxy.cut_replies = 1
        job_id = "k" if operation == "cancel_job" else "done"
        with pytest.raises(QueueConnectionError, match="look before you repeat it"):
            await getattr(queue, operation)(job_id)
        assert not raw.exists(f"arq:job:{job_id}", f"arq:result:{job_id}")


async def test_read_of_a_black_hole_ends(proxy):
    """A read that is never answered ends with the budget."""
    async with await RedisArqQueue.initialize(impatient(proxy)) as queue:
        await queue.get_job_status("k")
        proxy.swallow_replies = True
        with pytest.raises(QueueConnectionError):
            await queue.get_job_status("k")
        proxy.swallow_replies = False
        assert await queue.get_job_status("k") is JobStatus.not_found


async def test_connection_that_broke_while_idle(proxy):
    """The first call after idle connections broke works."""
    async with await RedisArqQueue.from_url(proxy.url) as queue:
        await queue.ping()
        proxy.break_connections()
        await queue.ping()
        job = await queue.enqueue("work")
        assert await queue.get_job_status(job.id) is JobStatus.queued


async def test_budget_that_ends_within_a_socket_timeout(proxy):
    """The budget ends a call even where the socket would wait for longer."""
    settings = impatient(proxy, socket_timeout=60, retry_budget=0.3)
    async with await RedisArqQueue.initialize(settings) as queue:
        await queue.get_job_status("k")
        proxy.swallow_replies = True
        with pytest.raises(QueueConnectionError):
            await queue.get_job_status("k")
