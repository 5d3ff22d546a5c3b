"""Functions of workers: coroutine functions, whichever API enqueues them."""

from __future__ import annotations


async def worker_function(ctx: dict[str, object], number: int) -> int:
    return number
