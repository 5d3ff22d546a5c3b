"""What type checkers must accept and refuse of `arqade.django`; never run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, assert_type

from arqade import (
    ArqQueue,
    JobMetadata,
    JobRequest,
    JobResult,
    SyncArqQueue,
    SyncMockArqQueue,
    job_for,
)
from arqade.django import (
    AsyncQueues,
    BlockingQueues,
    QueueSettingsError,
    UnknownQueueError,
    aqueue,
    aqueues,
    on_commit,
    queue,
    queues,
)


async def resize(_ctx: dict[Any, Any], name: str, *, width: int) -> int:
    return width


def blocking(name: str) -> None:
    assert_type(queues, BlockingQueues)
    assert_type(queue, SyncArqQueue)
    assert_type(queues["mail"], SyncArqQueue)
    assert_type(list(queues), list[str])
    assert_type(queues.all(), list[SyncArqQueue])
    assert_type(queue.enqueue("resize", name, width=300), JobMetadata[Any])
    assert_type(queue.enqueue(resize, name, width=300), JobMetadata[int])
    assert_type(queue.wait_for_result("k", timeout=1), JobResult[Any])
    queues.close_all()


async def asynchronous(name: str) -> None:
    assert_type(aqueues, AsyncQueues)
    assert_type(aqueue, ArqQueue)
    assert_type(aqueues["mail"], ArqQueue)
    assert_type(aqueues.all(), list[ArqQueue])
    assert_type(await aqueue.enqueue(resize, name, width=300), JobMetadata[int])
    await aqueues.aclose_all()


def transaction(name: str) -> None:
    on_commit("resize", name, width=300)
    on_commit(resize, name, width=300, _using="other", _alias="mail", _robust=True)
    on_commit(job_for(resize), name, width=300)
    on_commit(JobRequest("resize", (name,)), _job_id="k", _defer_by=timedelta(seconds=5))
    on_commit(3)  # type: ignore[arg-type]
    on_commit("resize", _alias=3)  # type: ignore[arg-type]


def test_mode(name: str) -> None:
    assert isinstance(queue, SyncMockArqQueue)
    queue.assert_enqueued("resize", name, width=300)


def errors(error: UnknownQueueError) -> QueueSettingsError:
    return error
