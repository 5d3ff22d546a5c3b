"""An application for web servers with an event loop, imported before there is one.

One of its queues is made then, on a borrowed client; the other one is opened when it starts.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from redis.asyncio import Redis

from arqade import RedisArqQueue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping

__all__ = ["app"]

Message = dict[str, Any]

url = os.environ["ARQADE_TEST_WEB_REDIS"]
client = Redis.from_url(url)
imported_by = os.getpid()
queues = {"early": RedisArqQueue(client)}


@contextlib.asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    """Open the other queue, and close both."""
    async with await RedisArqQueue.from_url(url) as queues["late"]:
        yield
    await queues["early"].aclose()
    await client.aclose(close_connection_pool=True)


async def app(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Enqueue a job of this number and read it back; wait for its result if ``wait`` is given."""
    if scope["type"] == "lifespan":
        await receive()
        async with lifespan():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    query = dict(parse_qsl(scope["query_string"].decode()))
    number = int(query["n"])
    mine, other = ("early", "late") if number % 2 else ("late", "early")
    job = await queues[mine].enqueue("work", number, _job_id=query.get("wait"))
    answer = {
        "pid": os.getpid(),
        "imported_by": imported_by,
        "id": job.id,
        "n": job.args[0],
    }
    if "wait" in query:
        answer["result"] = (await queues[mine].wait_for_result(job.id, timeout=20)).result
        answer["mode"] = queues[mine].push_mode
    else:
        answer["seen"] = (await queues[other].get_job_metadata(job.id)).args[0]
    body = json.dumps(answer).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
