"""What is counted in runs of its own, for counting takes time: round trips, connections, memory."""

from __future__ import annotations

import contextlib
import threading
import time
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.harness.proxy import Proxy

from benchmarks.catalogue import SUBJECTS
from benchmarks.processes import Agent, Skipped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.catalogue import Subject
    from benchmarks.processes import Message, Server

COUNTED_CALLS = 9


def round_trips(subject: Subject, request: Message, server: Server) -> float:
    """Count the round trips of a call, at the socket.

    Raises:
        Skipped: The subject can't do it.
    """
    request = {**request, "calls": 1}
    counts = []
    with Proxy(server.url) as proxy, Agent(subject, proxy.url) as agent:
        agent.ask(request)
        for _ in range(COUNTED_CALLS):
            before = proxy.round_trips
            agent.ask(request)
            counts.append(proxy.round_trips - before)
    # A large request goes out in parts, and the reply to the first may come between them.
    return median(counts)


def peak_connections(subject: Subject, request: Message, server: Server) -> int:
    """Count the connections that a subject has open, at most, while it works.

    Raises:
        Skipped: The subject can't do it.
    """
    with Agent(subject, server.url) as agent, watching(server) as seen:
        agent.ask(request)
        return max(seen)


@contextlib.contextmanager
def watching(server: Server) -> Iterator[list[int]]:
    """Count the connections, again and again; the counts so far are in the list that it gives."""
    done = threading.Event()
    seen = [0]

    def watch() -> None:
        while not done.is_set():
            seen.append(server.connections())
            time.sleep(0.005)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def measure_memory(jobs: int, server: Server, payload: str = "small") -> dict[str, Any]:
    """Measure the memory that ``enqueue_many`` takes, with tracemalloc.

    Args:
        jobs: How many jobs are enqueued.
        server: The server.
        payload: The job's.
    """
    results: dict[str, Any] = {"title": "Memory of enqueue_many", "subjects": {}, "skipped": {}}
    ways = (("bulk", jobs), ("bulk_discarding", jobs), ("bulk_discarding", jobs // 4))
    for name in ("arqade", "arqade-sync"):
        found = []
        try:
            for operation, calls in ways:
                server.flush()
                request = {"operation": operation, "way": "memory", "payload": payload}
                with Agent(SUBJECTS[name], server.url) as agent:
                    # What is made but once is not part of the bulk.
                    agent.ask({**request, "calls": 200})
                    found.append({"jobs": calls, **agent.ask({**request, "calls": calls})})
        except Skipped as reason:
            results["skipped"][name] = str(reason)
            print(f"  left out: {SUBJECTS[name].label}: {reason}", flush=True)
        else:
            kept, discarded, quarter = found
            results["subjects"][name] = {"kept": kept, "discarded": discarded, "quarter": quarter}
    server.flush()
    return results
