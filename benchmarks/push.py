"""How soon a result is in hand after the worker's EXEC.

The harness ends jobs as a stock worker does, in one transaction of one write. A latency runs from
just before that write, so it holds the server's own work and both ways through the socket, to the
moment at which the waiting caller goes on with the decoded result. Both clocks are CLOCK_MONOTONIC,
which all processes of a machine share.
"""

from __future__ import annotations

import random
import time
import uuid
from typing import TYPE_CHECKING, Any

from benchmarks.jobs import add_job_commands, finish_job_commands

if TYPE_CHECKING:
    from benchmarks.processes import Agent, Server

POLL_DELAY = 0.5
"""arq's default, in seconds: a result comes at any moment of it."""

SETTLE = {1: 0.05, 1000: 1.0}
"""Seconds for so many callers to begin waiting."""

SPACING = 0.001
"""Seconds from one result to the next one, where many callers wait."""


def push_round(
    agent: Agent,
    server: Server,
    waiters: int,
    trials: int,
    *,
    number: int = 0,
) -> list[float]:
    """Let callers wait for results, and end their jobs.

    Args:
        agent: The subject.
        server: The server.
        waiters: How many callers wait at once.
        trials: How often that is done.
        number: The round's: in each, results come at other moments, the same for all subjects.

    Returns:
        The latencies, in seconds.
    """
    connection = _connect(server)
    # No moment of arq's polling is favoured.
    moments = random.Random(number)  # noqa: S311 - it guards nothing
    latencies: list[float] = []
    for _ in range(trials):
        ids = [uuid.uuid4().hex for _ in range(waiters)]
        with server.client.pipeline(transaction=False) as pipe:
            for job_id in ids:
                for command in add_job_commands(job_id):
                    pipe.execute_command(*command)
            pipe.execute()
        endings = [connection.pack_commands(finish_job_commands(job_id)) for job_id in ids]
        agent.ask({"operation": "wait", "way": "wait", "ids": ids})
        time.sleep(SETTLE[waiters] + (moments.uniform(0, POLL_DELAY) if waiters == 1 else 0))
        sent = [_finish(connection, ending, pause=waiters > 1) for ending in endings]
        times = agent.listen()["times"]
        latencies += [there - then for there, then in zip(times, sent, strict=True)]
    connection.disconnect()
    return latencies


def _connect(server: Server) -> Any:
    connection: Any = server.client.connection_pool.make_connection()
    connection.connect()
    return connection


def _finish(connection: Any, ending: list[bytes], *, pause: bool) -> float:
    sent = time.monotonic()
    connection.send_packed_command(ending)
    replies = [connection.read_response() for _ in range(6)]
    if not isinstance(replies[-1], list):
        raise RuntimeError(f"the transaction was answered {replies[-1]!r}")  # noqa: TRY004
    if pause:
        time.sleep(SPACING)
    return sent
