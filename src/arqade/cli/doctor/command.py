"""The command ``arqade doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import click
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from arqade import QueueConnectionError, QueueServerError
from arqade.cli.doctor.orphans import orphans
from arqade.cli.doctor.payloads import payloads
from arqade.cli.doctor.permissions import permissions
from arqade.cli.doctor.report import Diagnosis, from_finding, good, told
from arqade.cli.doctor.server import configuration, here, pushes, there
from arqade.cli.params import connected, queues
from arqade.cli.server import masked, raw_client
from arqade.cli.status import finish
from arqade.cli.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from arqade import SyncArqQueue
    from arqade.cli.output import Output
    from arqade.cli.server import Server

__all__ = ["doctor"]


@click.command()
@queues
@connected
def doctor(server: Server, out: Output, *, queue_names: tuple[str, ...]) -> None:
    """Tell what is wrong, and how to cure it.

    It looks at versions, clocks, eviction, persistence, pushed results, permissions, workers,
    formats of jobs and results, and what is left of jobs that are no more. It changes nothing. The
    exit status is 1 if there are warnings or errors.
    """
    found = list(_examine(server, queue_names))
    well = not any(diagnosis.is_grave for diagnosis in found)
    if out.as_json:
        diagnoses = [attrs.asdict(diagnosis) for diagnosis in found]
        out.document({"ok": well, "server": masked(server.settings), "diagnoses": diagnoses})
    else:
        out.line(masked(server.settings))
        out.entries(
            (diagnosis.level, diagnosis.topic, diagnosis.message, diagnosis.cure)
            for diagnosis in found
        )
    finish(ok=well)


def _examine(server: Server, queue_names: tuple[str, ...]) -> Iterator[Diagnosis]:
    with server.open() as queue, raw_client(server.settings) as client:
        parts: list[Callable[[], Iterator[Diagnosis]]] = [
            here,
            lambda: there(client),
            lambda: configuration(queue),
            lambda: pushes(server.settings),
            lambda: permissions(client, queue_names),
            lambda: _workers(queue, queue_names),
            lambda: payloads(client, queue_names),
            lambda: orphans(client, queue_names),
        ]
        for part in parts:
            yield from _answered(part)


def _answered(part: Callable[[], Iterator[Any]]) -> Iterator[Diagnosis]:
    """Give what one part finds; what the server refuses to tell hides none of the others."""
    try:
        yield from part()
    except (RedisConnectionError, RedisTimeoutError) as error:
        raise QueueConnectionError(f"The server is gone: {error}") from error
    except (ResponseError, QueueServerError) as error:
        yield told("unknown", f"The server refused to tell something: {error}")


def _workers(queue: SyncArqQueue, queue_names: tuple[str, ...]) -> Iterator[Diagnosis]:
    for name in queue_names:
        yield from map(from_finding, queue.check_worker(queue_name=name))
        if workers := queue.get_workers(name):
            codecs = ", ".join(sorted({worker.codec for worker in workers}))
            yield good("workers", f"On {name}: {counted(len(workers), 'worker')}, with {codecs}")
