"""How long the server keeps other clients waiting while arqade works on a long queue."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from benchmarks.catalogue import ROOT, SUBJECTS
from benchmarks.jobs import add_job_commands
from benchmarks.processes import Agent, Skipped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.processes import Server

SLOW_US = 300
"""What goes into the server's own log, in microseconds."""

OWN_COMMANDS = (b"SLOWLOG", b"FLUSHALL", b"CONFIG")
"""What the harness itself sends."""

IDLE_SECONDS = 2.0
STEPS = {
    "idle": "nothing",
    "fill": "enqueue_many",
    "stats": "get_queue_stats",
    "iterate": "iter_jobs",
    "purge": "purge",
}


@contextlib.contextmanager
def _pinging(server: Server) -> Iterator[Any]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.pinger"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None  # noqa: S101 - for the type checkers
    assert process.stdout is not None  # noqa: S101 - as above
    stdin, stdout = process.stdin, process.stdout

    def look() -> dict[str, Any]:
        stdin.write("\n")
        stdin.flush()
        answer: dict[str, Any] = json.loads(stdout.readline())
        return answer

    stdin.write(server.url + "\n")
    try:
        look()
        yield look
    finally:
        process.communicate()


def _slowest(server: Server) -> dict[str, Any]:
    entries: Any = server.client.slowlog_get(-1)
    entries = [entry for entry in entries if not entry["command"].startswith(OWN_COMMANDS)]
    slowest = max(entries, key=lambda entry: entry["duration"], default=None)
    if slowest is None:
        return {"slowest": 0, "command": ""}
    return {
        "slowest": slowest["duration"] / 1e6,
        "command": slowest["command"].split()[0].decode(errors="replace"),
    }


def _fill(server: Server, jobs: int) -> None:
    for first in range(0, jobs, 1000):
        with server.client.pipeline(transaction=False) as pipe:
            for number in range(first, min(first + 1000, jobs)):
                for command in add_job_commands(f"job-{number}"):
                    pipe.execute_command(*command)
            pipe.execute()


def measure_stall(jobs: int, server: Server, subject: str = "arqade") -> dict[str, Any]:
    """Measure the longest time of an answer, and the server's slowest command, step by step.

    Args:
        jobs: How many jobs are in the queue.
        server: The server.
        subject: Whose operations are used.
    """
    results: dict[str, Any] = {
        "title": f"The server's pauses, {jobs:,} jobs", "jobs": jobs, "subjects": {}, "skipped": {}
    }  # fmt: skip
    server.place(together=False)
    server.flush()
    server.client.config_set("slowlog-log-slower-than", SLOW_US)
    server.client.config_set("slowlog-max-len", 100_000)
    with Agent(SUBJECTS[subject], server.url) as agent, _pinging(server) as look:
        for step, title in STEPS.items():
            server.client.slowlog_reset()
            look()
            start = time.perf_counter()
            try:
                if step == "idle":
                    time.sleep(IDLE_SECONDS)
                elif step == "fill":
                    request = {"operation": "bulk_discarding", "way": "whole", "payload": "small"}
                    agent.ask({**request, "calls": jobs})
                else:
                    agent.ask({"operation": step, "way": "once", "calls": 1})
            except Skipped as reason:
                results["skipped"][step] = f"{title}: {reason}"
                print(f"  left out: {title}: {reason}", flush=True)
                if step == "fill":
                    _fill(server, jobs)
                continue
            seconds = time.perf_counter() - start
            results["subjects"][step] = {
                "title": title, "seconds": seconds, **look(), **_slowest(server)
            }  # fmt: skip
    server.client.config_set("slowlog-log-slower-than", 10_000)
    server.flush()
    return results
