"""What type checkers must accept and refuse of declared jobs; never run. See api.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_type

import arqade
from arqade import ArqQueue, JobDef, JobMetadata, JobRequest, MockArqQueue, SyncArqQueue
from arqade.jobs import ArqFunction


@arqade.job(queue="mail", expires=60)
def send_email(to: str, *, subject: str, copies: int = 1) -> int:
    raise NotImplementedError


@arqade.job
async def resize(name: str, width: int = 300) -> bytes:
    raise NotImplementedError


@arqade.job()
async def tidy_up() -> None:
    raise NotImplementedError


async def worker_add(ctx: dict[str, Any], a: int, /, b: int) -> int:
    return a + b


async def worker_without_context() -> int:
    return 1


def blocking_function(ctx: dict[str, Any]) -> int:
    return 1


add = arqade.job_for(worker_add, queue="numbers")


def declaring(function: ArqFunction) -> None:
    assert_type(add(1, 2), JobRequest[int])
    assert_type(add(1, b=2), JobRequest[int])
    assert_type(resize("a"), JobRequest[bytes])
    assert_type(tidy_up(), JobRequest[None])
    assert_type(send_email("a@b", subject="x"), JobRequest[int])
    assert_type(send_email("a@b", subject="x").with_options(job_id="k"), JobRequest[int])
    assert_type(arqade.job_for(function)(1, "x", y=2), JobRequest[Any])
    assert_type(add.name, str)
    assert_type(add.queue_name, str | None)
    arqade.job_for(worker_without_context)  # type: ignore[arg-type]
    arqade.job_for(blocking_function)  # type: ignore[arg-type]
    arqade.job(queue=5)  # type: ignore[call-overload]
    arqade.job(que="mail")  # type: ignore[call-overload]
    arqade.job_for(worker_add, on_conflict="no")  # type: ignore[call-overload]


def calling() -> None:
    send_email("a@b")  # type: ignore[call-arg]
    send_email("a@b", "x")  # type: ignore[call-arg]
    send_email("a@b", subject=5)  # type: ignore[arg-type]
    send_email("a@b", subject="x", other=1)  # type: ignore[call-arg]
    resize("a", "b")  # type: ignore[arg-type]
    resize("a", 1, 2)  # type: ignore[call-arg]
    tidy_up(1)  # type: ignore[call-arg]
    add(1)  # type: ignore[call-arg]
    add("a", 2)  # type: ignore[arg-type]
    add(a=1, b=2)  # type: ignore[call-arg]


async def enqueuing(queue: ArqQueue, mock: MockArqQueue) -> None:
    assert_type(await queue.enqueue(add, 1, 2), JobMetadata[int])
    assert_type(await queue.enqueue(add, 1, b=2), JobMetadata[int])
    assert_type(await queue.enqueue(send_email, "a@b", subject="x"), JobMetadata[int])
    assert_type(await queue.enqueue(resize("a")), JobMetadata[bytes])
    request = resize("a").with_options(job_id="k", defer_by=5)
    assert_type(await queue.enqueue(request, _queue_name="images"), JobMetadata[bytes])
    assert_type(await queue.enqueue_many([add(1, 2)]), list[JobMetadata[Any] | None])
    mock.assert_enqueued(add, 1, 2)
    # Beside options, arguments can't be checked: what is called with them is.
    assert_type(await queue.enqueue(add, 1, 2, _defer_by=5), JobMetadata[int])
    await queue.enqueue(add(1))  # type: ignore[call-arg]
    await queue.enqueue(add("a", 2))  # type: ignore[arg-type]
    await queue.enqueue(add, 1, 2, _defer_by="x")  # type: ignore[call-overload]


def blocking(queue: SyncArqQueue) -> None:
    assert_type(queue.enqueue(add, 1, 2), JobMetadata[int])
    assert_type(queue.enqueue(resize("a")), JobMetadata[bytes])
    queue.enqueue(add(1))  # type: ignore[call-arg]
    queue.enqueue(send_email("a@b", subject=5))  # type: ignore[arg-type]


takes_any: Callable[[JobDef[..., Any]], None] = print
takes_any(add)
