"""The example behind real web servers: each request enqueues a job, and no connection is left."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import anyio
import httpx
import pytest

from tests.harness.web_servers import NAME, gunicorn, running, uvicorn
from tests.harness.worker import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.web_servers import Process

QUEUE = "images"
"""The example's queue."""

CLIENTS = 16
BLOCKING = range(700)
"""The numbers of the requests to the view that blocks."""

ASYNC = range(700, 1000)
"""Those of the requests to the asynchronous view."""


class Server(NamedTuple):
    """A web server, and how many connections it may have; with one of the process that forks."""

    command: list[str]

    blocking: int
    """For blocking views: as many as threads block at a time."""

    both: int
    """For asynchronous views, too: one for each event loop, and one that is just being closed."""

    kept: int
    """When all requests are answered."""


SERVERS = {
    "processes": Server(
        gunicorn("tests.django.used_before", "--workers=2", "--worker-class=sync"),
        blocking=2 + 1,
        both=2 + 1 + 2 * 2,
        kept=2 + 1,
    ),
    "threads": Server(
        gunicorn(
            "tests.django.used_before", "--workers=2", "--worker-class=gthread", "--threads=4"
        ),
        blocking=8 + 1,
        both=8 + 1 + 2 * 8,
        kept=8 + 1,
    ),
    # Django has a thread for each request to a blocking view, and the event loop goes on.
    "event loop": Server(
        uvicorn("examples.django_app.asgi:application"),
        blocking=CLIENTS,
        both=CLIENTS + 1,
        kept=CLIENTS + 1,
    ),
}


def connections(raw) -> int:
    return sum(client["name"] == NAME for client in raw.client_list())


@contextlib.contextmanager
def watching(raw) -> Iterator[list[int]]:
    """Count the connections again and again."""
    counts: list[int] = []
    over = threading.Event()

    def watch():
        while not over.wait(0.005):
            counts.append(connections(raw))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield counts
    finally:
        over.set()
        thread.join()


async def post_all(process: Process, path: str, numbers: range) -> list[str]:
    """Post a job for each number, some at a time, and give the jobs' ids."""
    url, left = process.url() + path, iter(numbers)
    ids: list[str] = []

    async def post(client: httpx.AsyncClient) -> None:
        for number in left:
            response = await client.post(url, data={"name": str(number)})
            assert response.status_code == 202, process.said
            ids.append(response.json()["job_id"])

    async with httpx.AsyncClient(timeout=30) as client, anyio.create_task_group() as clients:
        for _ in range(CLIENTS):
            clients.start_soon(post, client)
    return ids


@pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS)
async def test_thousand_requests(server, redis_url, raw):
    """All jobs are there; connections are as many as can be used at a time, and end."""
    with running(server.command, {"APP_REDIS_URL": f"{redis_url}?client_name={NAME}"}) as process:
        with watching(raw) as counts:
            ids = await post_all(process, "/jobs", BLOCKING)
        assert 1 <= max(counts) <= server.blocking
        with watching(raw) as counts:
            ids += await post_all(process, "/async/jobs", ASYNC)
        assert max(counts) <= server.both
        wait_until(lambda: connections(raw) <= server.kept)
        process.stop()
    wait_until(lambda: connections(raw) == 0)
    assert len(set(ids)) == len(BLOCKING) + len(ASYNC)
    assert {member.decode() for member in raw.zrange(QUEUE, 0, -1)} == set(ids)
    jobs = [json.loads(value) for value in raw.mget([f"arq:job:{job_id}" for job_id in ids])]
    expected = {str(number): 1 for number in [*BLOCKING, *ASYNC]}
    assert Counter(job["a"][0] for job in jobs) == expected
