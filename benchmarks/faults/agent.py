"""The process of one client: enqueues a job for each line of JSON, and answers what it was told.

    python -m benchmarks.faults.agent benchmarks.subjects.arqade_queue:async_queue

The first request names the server, ``{"url": ...}``, and is answered when the client is open. The
others are calls:

    {"image": "image-17.png", "read": true, "cancel": null}
    {"told": "ok", "error": "", "read": ["image-17.png"]}

``told`` is ``ok``, ``exists`` or ``raised``. With ``read`` the client is asked for the job it has
enqueued, if it can tell; with ``cancel`` the call is cancelled after so many seconds.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import sys
from importlib.metadata import distributions
from typing import TYPE_CHECKING, Any

from benchmarks.agent import Channel
from benchmarks.jobs import KWARGS

if TYPE_CHECKING:
    from collections.abc import Awaitable

Message = dict[str, Any]


def told(answer: object) -> Message:
    """Say what a client's answer means.

    arq and SAQ document None for a job that is there already. The others give something to follow
    their job by.
    """
    return {"told": "exists" if answer is None else "ok", "error": ""}


def told_error(error: BaseException) -> Message:
    """Say what an error means: arqade and safir-arq have one for a job that is there already."""
    name = type(error).__name__
    return {"told": "exists" if name == "JobNotQueued" else "raised", "error": name}


def read_call(operations: Message, answer: object) -> Any:
    """Ask the client for the job of an answer; None if it can't tell."""
    job_id = getattr(answer, "id", None) or getattr(answer, "job_id", None)
    return operations["metadata"](job_id) if "metadata" in operations and job_id else None


def seen(found: Any) -> Message:
    """Give the arguments of a job that was read, if the client tells of them."""
    return {"read": [str(value) for value in found.args]} if hasattr(found, "args") else {}


async def answer_async(operations: Message, request: Message) -> Message:
    """Make one call of a client of async code."""
    args = ((request["image"],), KWARGS)
    try:
        call = _as_coroutine(operations["enqueue"](*args))
        answer = await asyncio.wait_for(call, request["cancel"])
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller sees it
        return told_error(error)
    message = told(answer)
    if request["read"] and answer is not None:
        try:
            if (reading := read_call(operations, answer)) is not None:
                message |= seen(await reading)
        except Exception as error:  # noqa: BLE001 - reading is not what is judged
            message["error"] = type(error).__name__
    return message


async def _as_coroutine(call: Awaitable[Any]) -> Any:
    return await call


def answer_sync(operations: Message, request: Message) -> Message:
    """Make one call of a client of blocking code."""
    try:
        answer = operations["enqueue"]((request["image"],), KWARGS)
    except Exception as error:  # noqa: BLE001 - as above
        return told_error(error)
    message = told(answer)
    if request["read"] and answer is not None:
        try:
            message |= seen(read_call(operations, answer))
        except Exception as error:  # noqa: BLE001 - as above
            message["error"] = type(error).__name__
    return message


async def serve_async(manager: Any, channel: Channel) -> None:
    """Open a client of async code and make calls until there are no more."""
    async with manager as operations:
        channel.write(_hello())
        while request := await asyncio.to_thread(channel.read):
            channel.write(await answer_async(operations, request))


def serve_sync(manager: Any, channel: Channel) -> None:
    """Open a client of blocking code and make calls until there are no more."""
    with manager as operations:
        channel.write(_hello())
        while request := channel.read():
            channel.write(answer_sync(operations, request))


def _hello() -> Message:
    return {"packages": {found.name.lower(): found.version for found in distributions()}}


def main() -> None:
    """Open the client that the command line names, and serve it."""
    logging.basicConfig(level=logging.CRITICAL)
    channel = Channel()
    request = channel.read()
    if request is None:
        return
    module, _, function = sys.argv[1].partition(":")
    manager = getattr(importlib.import_module(module), function)(request["url"])
    if hasattr(manager, "__aenter__"):
        asyncio.run(serve_async(manager, channel))
    else:
        serve_sync(manager, channel)


if __name__ == "__main__":
    main()
