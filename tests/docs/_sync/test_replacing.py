# Generated from tests/docs/_async/test_replacing.py by "make generate"; do not edit.
from __future__ import annotations

from arqade._concurrency import sleep
from docs.examples._sync import replacing


def test_publish_twice(queue, capsys):
    """A second click finds the job of the first."""
    replacing.publish(queue, "film")
    replacing.publish(queue, "film")
    assert capsys.readouterr().out == "film is queued already\n"
    assert queue.get_queue_stats().queued == 1


def test_publish_again(mock):
    """A finished job does not stand in the way."""
    replacing.publish(mock, "film")
    mock.set_complete("render:film", result="done")
    replacing.publish_again(mock, "film")
    assert mock.get_job_status("render:film") == "queued"


def test_save(mock):
    """Only the last of many changes is acted on, half a minute after it."""
    for width in (100, 200, 300):
        replacing.save(mock, "cat.png", width)
        mock.clock.advance(20)
    [job] = mock.jobs
    assert (job.kwargs, job.status) == ({"width": 300}, "deferred")
    mock.clock.advance(10)
    assert mock.get_job_status(job.id) == "queued"


def test_withdraw(queue):
    """A job that waits is removed, and then there is none."""
    replacing.publish(queue, "film")
    assert replacing.withdraw(queue, "film") == "It had not begun, and will not run."
    assert replacing.withdraw(queue, "film") == "There is no such job."


def test_withdraw_running(queue, worker):
    """A worker stops a job that runs."""
    replacing.publish(queue, "film")
    for _ in range(2000):
        if queue.get_job_status("render:film") == "in_progress":
            break
        sleep(0.01)
    assert replacing.withdraw(queue, "film") == "It was stopped in the middle."
    assert replacing.withdraw(queue, "film") == "Too late: it has finished."


def test_withdraw_all(queue):
    """Jobs of other functions stay."""
    for number in range(3):
        replacing.save(queue, f"{number}.png", 100)
    queue.enqueue("resize", "now.png")
    queue.enqueue("render", "film", _defer_by=100)
    assert replacing.withdraw_all(queue, "resize") == 4
    assert [job.name for job in queue.iter_jobs()] == ["render"]
