"""A worker with one function."""

import asyncio
from collections import Counter
from typing import Any


async def count_words(ctx: dict[str, Any], text: str) -> dict[str, int]:
    await asyncio.sleep(1)  # as if it were hard work
    return dict(Counter(text.lower().split()))


class WorkerSettings:
    functions = [count_words]
