"""What type checkers must accept and refuse of the extension for Flask; never run. See api.py."""

from __future__ import annotations

from typing import Any, assert_type

from flask import Flask

from arqade import ArqQueue, JobMetadata, SyncArqQueue
from arqade.flask import (
    Arqade,
    ArqadeQueues,
    current_async_queue,
    current_queue,
    get_async_queue,
    get_queue,
)


def making(app: Flask) -> None:
    Arqade(app)
    assert_type(Arqade().init_app(app), None)
    Arqade("app")  # type: ignore[arg-type]
    queues = ArqadeQueues(app.config)
    assert_type(queues.queue("mail"), SyncArqQueue)
    assert_type(queues.async_queue(), ArqQueue)
    queues.queue(5)  # type: ignore[arg-type]


def blocking() -> None:
    assert_type(current_queue.enqueue("add", 1), JobMetadata[Any])
    assert_type(get_queue(), SyncArqQueue)
    current_queue.enqueue(5)  # type: ignore[call-overload]


async def asynchronous() -> None:
    assert_type(await current_async_queue.enqueue("add", 1), JobMetadata[Any])
    assert_type(get_async_queue("mail"), ArqQueue)
