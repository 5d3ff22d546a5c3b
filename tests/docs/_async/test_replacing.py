from __future__ import annotations

from arqade._concurrency import async_sleep
from docs.examples._async import replacing


async def test_publish_twice(queue, capsys):
    """A second click finds the job of the first."""
    await replacing.publish(queue, "film")
    await replacing.publish(queue, "film")
    assert capsys.readouterr().out == "film is queued already\n"
    assert (await queue.get_queue_stats()).queued == 1


async def test_publish_again(mock):
    """A finished job does not stand in the way."""
    await replacing.publish(mock, "film")
    await mock.set_complete("render:film", result="done")
    await replacing.publish_again(mock, "film")
    assert await mock.get_job_status("render:film") == "queued"


async def test_save(mock):
    """Only the last of many changes is acted on, half a minute after it."""
    for width in (100, 200, 300):
        await replacing.save(mock, "cat.png", width)
        mock.clock.advance(20)
    [job] = mock.jobs
    assert (job.kwargs, job.status) == ({"width": 300}, "deferred")
    mock.clock.advance(10)
    assert await mock.get_job_status(job.id) == "queued"


async def test_withdraw(queue):
    """A job that waits is removed, and then there is none."""
    await replacing.publish(queue, "film")
    assert await replacing.withdraw(queue, "film") == "It had not begun, and will not run."
    assert await replacing.withdraw(queue, "film") == "There is no such job."


async def test_withdraw_running(queue, worker):
    """A worker stops a job that runs."""
    await replacing.publish(queue, "film")
    for _ in range(2000):
        if await queue.get_job_status("render:film") == "in_progress":
            break
        await async_sleep(0.01)
    assert await replacing.withdraw(queue, "film") == "It was stopped in the middle."
    assert await replacing.withdraw(queue, "film") == "Too late: it has finished."


async def test_withdraw_all(queue):
    """Jobs of other functions stay."""
    for number in range(3):
        await replacing.save(queue, f"{number}.png", 100)
    await queue.enqueue("resize", "now.png")
    await queue.enqueue("render", "film", _defer_by=100)
    assert await replacing.withdraw_all(queue, "resize") == 4
    assert [job.name async for job in queue.iter_jobs()] == ["render"]
