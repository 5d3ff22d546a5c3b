"""Measure arqade against stock arq, side by side on a server of their own: ``make bench``.

Every round runs every client once, for the same number of calls, and each round begins with
another client. So what disturbs the machine disturbs them all, and a ratio is one of a single
round. The first round is not counted: in it connections are made and the server learns scripts.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import platform
import threading
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from statistics import median
from typing import TYPE_CHECKING, Any

import redis
from arq import create_pool
from arq.connections import RedisSettings
from arq.jobs import Job, serialize_result

from arqade import RedisArqQueue, SyncRedisArqQueue
from arqade.embedded import RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence

TASK = "resize"
ARGS = ("cat.png",)
KWARGS: dict[str, Any] = {"width": 300}
RESULT_ID = "finished"


@dataclass
class Client:
    """One way to do what its group does.

    Attributes:
        group: What is measured; the first client of a group is arqade's.
        name: The way.
        run: Does it so many times, and gives the seconds that each took.
        rounds: What ``run`` gave in each round.
    """

    group: str
    name: str
    run: Callable[[int], list[float]]
    rounds: list[list[float]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Calls in a second, in the median round."""
        return median(len(seconds) / sum(seconds) for seconds in self.rounds)

    @property
    def typical(self) -> float:
        """The median call, in microseconds."""
        return median(second for seconds in self.rounds for second in seconds) * 1e6

    def times_as_fast_as(self, other: Client) -> list[float]:
        """Divide the other client's time by this one's, round by round."""
        return [sum(b) / sum(a) for a, b in zip(self.rounds, other.rounds, strict=True)]


def blocking(call: Callable[[], object]) -> Callable[[int], list[float]]:
    """Time calls of a function."""

    def run(calls: int) -> list[float]:
        seconds = []
        for _ in range(calls):
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
        return seconds

    return run


def awaited(
    runner: asyncio.Runner, call: Callable[[], Coroutine[Any, Any, object]]
) -> Callable[[int], list[float]]:
    """Time calls of a coroutine function, one after the other in one event loop."""

    async def run(calls: int) -> list[float]:
        seconds = []
        for _ in range(calls):
            start = time.perf_counter()
            await call()
            seconds.append(time.perf_counter() - start)
        return seconds

    return lambda calls: runner.run(run(calls))


@contextlib.contextmanager
def loop_in_a_thread() -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """Run an event loop in a thread; give what runs a coroutine there and waits for it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextlib.contextmanager
def open_clients(url: str) -> Iterator[list[Client]]:
    """Open all clients on a server."""
    settings = RedisSettings.from_dsn(url)
    with contextlib.ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        in_thread = stack.enter_context(loop_in_a_thread())
        queue = runner.run(RedisArqQueue.from_url(url))
        stack.callback(lambda: runner.run(queue.aclose()))
        sync_queue = stack.enter_context(SyncRedisArqQueue.from_url(url))
        pool = runner.run(create_pool(settings))
        stack.callback(lambda: runner.run(pool.aclose()))
        pool_in_thread = in_thread(create_pool(settings))
        stack.callback(lambda: in_thread(pool_in_thread.aclose()))

        async def enqueue_in_a_loop_of_its_own() -> None:
            own_pool = await create_pool(settings)
            await own_pool.enqueue_job(TASK, *ARGS, **KWARGS)
            await own_pool.aclose()

        async def read_with_arq() -> None:
            job = Job(RESULT_ID, pool)
            await job.result_info()
            await job.info()
            await job.status()

        yield [
            Client(
                "enqueue from async code",
                "arqade",
                awaited(runner, lambda: queue.enqueue(TASK, *ARGS, **KWARGS)),
            ),
            Client(
                "enqueue from async code",
                "arq: enqueue_job",
                awaited(runner, lambda: pool.enqueue_job(TASK, *ARGS, **KWARGS)),
            ),
            Client(
                "enqueue from blocking code",
                "arqade",
                blocking(lambda: sync_queue.enqueue(TASK, *ARGS, **KWARGS)),
            ),
            Client(
                "enqueue from blocking code",
                "arq: loop in a thread",
                blocking(lambda: in_thread(pool_in_thread.enqueue_job(TASK, *ARGS, **KWARGS))),
            ),
            Client(
                "enqueue from blocking code",
                "arq: asyncio.run for each",
                blocking(lambda: asyncio.run(enqueue_in_a_loop_of_its_own())),
            ),
            Client(
                "read a result in async code",
                "arqade: get_job_result",
                awaited(runner, lambda: queue.get_job_result(RESULT_ID)),
            ),
            Client(
                "read a result in async code",
                "arq: result_info, info, status",
                awaited(runner, read_with_arq),
            ),
        ]


def finished_job() -> bytes:
    """Make the result of a job, as a worker stores it."""
    now = time.time_ns() // 1_000_000
    result = serialize_result(
        TASK, ARGS, KWARGS, 1, now, True, "cat-300.png", now, now, "", "arq:queue", RESULT_ID
    )
    if result is None:
        raise RuntimeError("arq can't serialize the result")
    return result


def measure(clients: Sequence[Client], server: redis.Redis, *, rounds: int, jobs: int) -> None:
    """Run all clients in all rounds, each time with nothing but a result on the server."""
    result = finished_job()
    for number in range(rounds + 1):
        first = number % len(clients)
        for client in (*clients[first:], *clients[:first]):
            server.flushall()
            server.set(f"arq:result:{RESULT_ID}", result)
            seconds = client.run(jobs)
            if number:
                client.rounds.append(seconds)


def table(clients: Sequence[Client]) -> Iterator[str]:
    """Lay out what was measured, line by line."""
    width = max(len(client.name) for client in clients) + 2
    group = arqade = None
    for client in clients:
        if arqade is None or client.group != group:
            group, arqade = client.group, client
            yield f"\n{group:<{width}} {'calls/s':>8} {'p50 µs':>8}   arqade is faster by"
        line = f"  {client.name:<{width - 2}} {client.rate:8,.0f} {client.typical:8,.0f}"
        if client is not arqade:
            ratios = arqade.times_as_fast_as(client)
            line += f"   {median(ratios):5.2f}  ({min(ratios):.2f} .. {max(ratios):.2f})"
        yield line


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=31, help="rounds (%(default)s)")
    parser.add_argument(
        "--jobs", type=int, default=200, help="calls of each client in a round (%(default)s)"
    )
    options = parser.parse_args()
    if min(options.rounds, options.jobs) < 1:
        parser.error("there must be rounds and jobs")
    start = time.perf_counter()
    with RedisServer() as server:
        packages = ("arqade", "arq", "redis", "hiredis")
        print(f"Python {platform.python_version()};", f"{server.version};", end=" ")
        print(", ".join(f"{name} {version(name)}" for name in packages))
        with redis.Redis.from_url(server.url) as client, open_clients(server.url) as clients:
            measure(clients, client, rounds=options.rounds, jobs=options.jobs)
    print(*table(clients), sep="\n")
    seconds = time.perf_counter() - start
    print(f"\n{options.rounds} rounds of {options.jobs} calls each, in {seconds:.0f} s.")
    print("Medians; in parentheses the least and the greatest factor of a round.")


if __name__ == "__main__":
    main()
