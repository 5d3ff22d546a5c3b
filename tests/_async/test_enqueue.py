from __future__ import annotations

import pytest

from arqade import JobNotQueued, JobStatus


async def test_job_is_queued(queue, redis_client):
    """A job gets arq's keys, and metadata that say what was sent."""
    job = await queue.enqueue("resize", 1, width=2, _job_id="k")
    assert job.id == "k"
    assert job.name == "resize"
    assert job.args == (1,)
    assert job.kwargs == {"width": 2}
    assert job.status is JobStatus.queued
    assert job.queue_name == "arq:queue"
    assert await redis_client.zscore("arq:queue", "k") == job.score
    assert job == await queue.get_job_metadata("k")


async def test_same_id_is_refused(queue):
    """A second job of the same id is refused with the state of the first."""
    await queue.enqueue("resize", _job_id="k")
    with pytest.raises(JobNotQueued) as caught:
        await queue.enqueue("resize", _job_id="k")
    assert caught.value.reason == "queued"
    assert caught.value.job_id == "k"
