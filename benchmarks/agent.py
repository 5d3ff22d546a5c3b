"""The process of one subject: reads requests as lines of JSON and answers each with one.

    python -m benchmarks.agent benchmarks.subjects.arqade_queue:async_queue

The first request names the server, ``{"url": ...}``, and is answered when the client is open. The
others name an operation, a way to call it and how often:

    {"operation": "enqueue", "way": "one by one", "calls": 200, "payload": "small"}
    {"seconds": 0.031, "each": [0.00015, ...], "cpu": 0.025}

``seconds`` is the time of all calls, ``each`` that of every one of them, ``cpu`` the processor time
of this process. Where something can't be done, the answer says so: ``{"skip": "the reason"}``.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import json
import logging
import os
import sys
import threading
import time
import traceback
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distributions
from typing import TYPE_CHECKING, Any, Self

from benchmarks.jobs import KWARGS, PAYLOADS
from benchmarks.timing import by_many_tasks, by_many_threads, one_by_one, one_by_one_async

if TYPE_CHECKING:
    from collections.abc import Callable

Message = dict[str, Any]
READING = frozenset({"metadata", "result"})
"""Operations on the one job that is named in the request."""

WAIT_LIMIT = 120
"""Seconds for results to arrive; a client that has missed one must not stop the benchmark."""


class NoOperation(LookupError):  # noqa: N818 - it is an answer
    """A client lacks what is asked for."""


class Channel:
    """Lines of JSON on what were the standard streams.

    From now on, what a client prints goes to standard error.
    """

    def __init__(self) -> None:
        self._input = sys.stdin
        self._output = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def read(self) -> Message | None:
        """Read a request; None at the end."""
        line = self._input.readline()
        return json.loads(line) if line else None

    def write(self, message: Message) -> None:
        """Write an answer."""
        self._output.write(json.dumps(message) + "\n")
        self._output.flush()


class Timed:
    """Times a block: wall clock and processor time."""

    seconds: float
    cpu: float

    def __enter__(self) -> Self:
        gc.collect()
        self._cpu, self._start = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._start
        self.cpu = time.process_time() - self._cpu

    def answer(self, **others: Any) -> Message:
        """Tell what was measured."""
        return {"seconds": self.seconds, "cpu": self.cpu, **others}


class Traced:
    """Follows the memory that a block takes."""

    def __enter__(self) -> Self:
        gc.collect()
        tracemalloc.start()
        self._before = tracemalloc.get_traced_memory()[0]
        return self

    def __exit__(self, *_: object) -> None:
        tracemalloc.stop()

    def answer(self) -> Message:
        """Tell what is kept by now, and the most that there was at a time; in bytes."""
        kept, peak = tracemalloc.get_traced_memory()
        return {"kept": kept - self._before, "peak": peak - self._before}


def _arguments(request: Message) -> tuple[Any, ...]:
    """Give what the operation is called with."""
    if request["operation"] in READING:
        return (request["id"],)
    if request["way"] == "once":
        return ()
    job = (PAYLOADS[request["payload"]], KWARGS)
    return (request["calls"], *job) if request["way"] in {"whole", "memory"} else job


async def answer_async(call: Callable[..., Any], request: Message, channel: Channel) -> Message:
    """Do what is asked with a client of async code."""
    way = request["way"]
    if way == "wait":
        return await _wait_async(call, request["ids"], channel)
    args = _arguments(request)
    if way == "memory":
        with Traced() as traced:
            kept = await call(*args)
            return traced.answer()
    with Timed() as timed:
        if way == "one by one":
            each = await one_by_one_async(call, args, request["calls"])
        elif way == "tasks":
            each = await by_many_tasks(call, args, request["calls"], request["width"])
        else:
            # Bound to a name: freeing it is not part of the work.
            each, kept = [], await call(*args)  # noqa: F841
    return timed.answer(each=each)


async def _wait_async(call: Callable[..., Any], ids: list[str], channel: Channel) -> Message:
    async def wait(job_id: str) -> float:
        await call(job_id)
        return time.monotonic()

    with Timed() as timed:
        tasks = [asyncio.create_task(wait(job_id)) for job_id in ids]
        await asyncio.sleep(0)
        channel.write({"waiting": len(tasks)})
        async with asyncio.timeout(WAIT_LIMIT):
            times = await asyncio.gather(*tasks)
    return timed.answer(times=times)


class Threads:
    """The threads of this process, which stay for the sake of their connections."""

    def __init__(self) -> None:
        self._executors: dict[int, ThreadPoolExecutor] = {}

    def run(self, call: Callable[..., Any], request: Message) -> list[float]:
        """Share calls among threads."""
        width = request["width"]
        executor = self._executors.setdefault(width, ThreadPoolExecutor(width))
        barrier = threading.Barrier(width + 1)
        return by_many_threads(call, _arguments(request), request["calls"], barrier, executor)


THREADS = Threads()


def answer_sync(call: Callable[..., Any], request: Message, channel: Channel) -> Message:
    """Do what is asked with a client of blocking code."""
    way = request["way"]
    if way == "wait":
        return _wait_sync(call, request["ids"], channel)
    args = _arguments(request)
    if way == "memory":
        with Traced() as traced:
            kept = call(*args)
            return traced.answer()
    with Timed() as timed:
        if way == "one by one":
            each = one_by_one(call, args, request["calls"])
        elif way == "threads":
            each = THREADS.run(call, request)
        else:
            each, kept = [], call(*args)  # noqa: F841 - as above
    return timed.answer(each=each)


def _wait_sync(call: Callable[..., Any], ids: list[str], channel: Channel) -> Message:
    [job_id] = ids
    with Timed() as timed:
        channel.write({"waiting": 1})
        call(job_id)
        moment = time.monotonic()
    return timed.answer(times=[moment])


def _find(operations: dict[str, Any], request: Message) -> Callable[..., Any]:
    """Find what is asked for, and prepare it."""
    if request["operation"] not in operations:
        raise NoOperation(f"it has no operation {request['operation']!r}")
    if "prepare" in operations:
        operations["prepare"](request["calls"], *_arguments(request))
    call: Callable[..., Any] = operations[request["operation"]]
    return call


def _failed(error: BaseException) -> Message:
    if isinstance(error, NoOperation):
        return {"skip": str(error)}
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" ({last[0].name}, line {last[0].lineno})" if last else ""
    return {"skip": f"{type(error).__name__}: {str(error)[:300]}{where}"}


async def serve_async(manager: Any, channel: Channel) -> None:
    """Open a client of async code and answer requests until there are no more."""
    async with manager as operations:
        channel.write(_hello())
        while request := await asyncio.to_thread(channel.read):
            try:
                answer = await answer_async(_find(operations, request), request, channel)
            except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
                answer = _failed(error)
            channel.write(answer)


def serve_sync(manager: Any, channel: Channel) -> None:
    """Open a client of blocking code and answer requests until there are no more."""
    with manager as operations:
        channel.write(_hello())
        while request := channel.read():
            try:
                answer = answer_sync(_find(operations, request), request, channel)
            except Exception as error:  # noqa: BLE001 - as above
                answer = _failed(error)
            channel.write(answer)


def _hello() -> Message:
    packages = {found.name.lower(): found.version for found in distributions()}
    return {"pid": os.getpid(), "python": sys.version.split()[0], "packages": packages}


def main() -> None:
    """Open the subject that the command line names, and serve it."""
    logging.basicConfig(level=logging.ERROR)
    channel = Channel()
    request = channel.read()
    if request is None:
        return
    try:
        module, _, function = sys.argv[1].partition(":")
        manager = getattr(importlib.import_module(module), function)(request["url"])
        if hasattr(manager, "__aenter__"):
            asyncio.run(serve_async(manager, channel))
        else:
            serve_sync(manager, channel)
    except Exception as error:  # noqa: BLE001 - the harness says why, and goes on without it
        with contextlib.suppress(OSError):
            channel.write(_failed(error))


if __name__ == "__main__":
    main()
