"""Many callers at the same time: tasks in the async form of a test, threads in the sync one."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence

__all__ = ["async_together", "meanwhile", "together"]


async def async_together(callers: Sequence[Callable[[], Coroutine[Any, Any, Any]]]) -> list[Any]:
    """Run them all as tasks, and give what they return."""
    return await asyncio.gather(*(caller() for caller in callers))


def together(callers: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run them all in threads, and give what they return."""
    with ThreadPoolExecutor(max(len(callers), 1)) as threads:
        running = [threads.submit(caller) for caller in callers]
        return [one.result() for one in running]


@contextlib.contextmanager
def meanwhile(work: Callable[[], object], *, after: float = 0.0) -> Iterator[threading.Thread]:
    """Do something in a thread while the block runs; its errors are the block's."""
    errors: list[BaseException] = []

    def do() -> None:
        time.sleep(after)
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    thread = threading.Thread(target=do)
    thread.start()
    try:
        yield thread
    finally:
        thread.join()
    if errors:
        raise errors[0]
