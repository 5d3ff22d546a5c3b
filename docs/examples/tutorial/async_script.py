"""Enqueue a job and wait for its result, in async code."""

import asyncio
import os

from arqade import RedisArqQueue


async def main() -> None:
    async with await RedisArqQueue.from_url(os.environ["ARQADE_URL"]) as queue:
        job = await queue.enqueue("count_words", "to be or not to be")
        print(job.id, job.status)
        result = await queue.wait_for_result(job.id, timeout=30)
        print(result.unwrap())


asyncio.run(main())
