"""Options and arguments that several commands have, and how their texts become values."""

from __future__ import annotations

import functools
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from arqade import JobRequest
from arqade._opening import DEFAULT_QUEUE
from arqade.cli.formats import ANY
from arqade.cli.output import AS_JSON, Output
from arqade.cli.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "connected",
    "duration",
    "job_id",
    "job_ids",
    "one_queue",
    "point_in_time",
    "queue_name",
    "queues",
]

Function = TypeVar("Function", bound="Callable[..., Any]")

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)?")
_SECONDS: Final = {None: 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def job_id(text: str) -> str:
    """Take a job's id.

    Raises:
        click.BadParameter: It can't be one.
    """
    return _checked("job_id", text)


def queue_name(text: str) -> str:
    """Take a queue's name.

    Raises:
        click.BadParameter: It can't be one.
    """
    return _checked("queue_name", text)


def _checked(field: str, text: str) -> str:
    fields: dict[str, Any] = {"task_name": "task", field: text}
    try:
        JobRequest(**fields)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return text


def duration(text: str) -> float:
    """Give the seconds of ``90``, ``1.5s``, ``5m``, ``2h`` or ``1d``.

    Raises:
        click.BadParameter: It is no duration.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise click.BadParameter("use seconds, or a number with s, m, h or d, as in 90 or 5m")
    return float(found[1]) * _SECONDS[found[2]]


def point_in_time(text: str) -> datetime:
    """Give the time of ``2026-11-28T20:00:00Z``; one without a zone is local.

    Raises:
        click.BadParameter: It is none of ISO 8601.
    """
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter("use ISO 8601, as in 2026-11-28T20:00:00Z") from error


def connected(function: Function) -> Callable[..., Any]:
    """Give a command the options by which it finds the server, and how it answers.

    The function's first two arguments are a `Server` and an `Output`.
    """

    @click.option(
        "--url",
        metavar="URL",
        help="Redis, as in redis://host:6379/0. Better set ARQADE_URL or REDIS_URL: everybody on a "
        "machine can read the command lines of its processes, and a password in them.",
    )
    @click.option(
        "--codec",
        default=ANY,
        show_default=True,
        envvar="ARQADE_CODEC",
        show_envvar=True,
        help="How payloads are read and written: 'any' reads pickle, JSON and MessagePack, runs "
        "nothing, and writes pickle; else json, msgpack, restricted-pickle, pickle (which runs "
        "what it reads), or a codec to import, as in package.module:codec.",
    )
    @click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="Answer in JSON: a document, or a line for each.",
    )
    @functools.wraps(function)
    def command(*, url: str | None, codec: str, as_json: bool, **kwargs: Any) -> Any:
        click.get_current_context().meta[AS_JSON] = as_json
        return function(Server(url, codec), Output(as_json=as_json), **kwargs)

    return command


def one_queue(function: Function) -> Function:
    """Give a command the option ``--queue``, for the queue in which a job is."""
    return click.option(
        "--queue",
        "-q",
        metavar="QUEUE",
        type=queue_name,
        help=f"The queue.  [default: {DEFAULT_QUEUE}; a finished job is found in any]",
    )(function)


def queues(function: Function) -> Function:
    """Give a command the option ``--queue``, which may be given several times."""
    return click.option(
        "--queue",
        "-q",
        "queue_names",
        metavar="QUEUE",
        type=queue_name,
        multiple=True,
        default=(DEFAULT_QUEUE,),
        show_default=True,
        help="A queue; may be given several times, since arq keeps no list of them.",
    )(function)


def job_ids(function: Function) -> Function:
    """Give a command one or more ids."""
    return click.argument("ids", metavar="ID...", type=job_id, nargs=-1, required=True)(function)
