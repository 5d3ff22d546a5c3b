"""The command ``flask arqade``."""

from __future__ import annotations

import functools
import json
from itertools import islice
from typing import TYPE_CHECKING, Any

import click
from flask import current_app
from flask.cli import AppGroup

from arqade import ArqadeError, JobDeserializationError, JobRequest, JobStatus
from arqade._words import read_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from arqade import JobMetadata, SyncArqQueue
    from arqade.flask._extension import ArqadeQueues

__all__ = ["commands"]

commands = AppGroup("arqade", help="Look at job queues and enqueue jobs.")

STATUSES = [JobStatus.queued.value, JobStatus.deferred.value, JobStatus.in_progress.value]
"""What `jobs` can be asked for: those that are complete are in no queue."""


def _queues() -> ArqadeQueues:
    queues: ArqadeQueues = current_app.extensions["arqade"]
    return queues


def _queue(alias: str) -> SyncArqQueue:
    queues = _queues()
    if alias not in queues.aliases:
        known = ", ".join(queues.aliases)
        raise click.BadParameter(f"there is no {alias!r} among {known}", param_hint="--queue")
    return queues.queue(alias)


the_alias = click.option(
    "--queue",
    "alias",
    default="default",
    show_default=True,
    metavar="ALIAS",
    help="The queue, by its name in ARQADE_QUEUES.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _reports_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Let an error of arqade's end a command with one line."""

    @functools.wraps(command)
    def report(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except ArqadeError as error:
            raise click.ClickException(str(error)) from None

    return report


@commands.command()
@as_json
@_reports_errors
def info(*, as_json: bool) -> None:
    """Show the queues, how many jobs are in them, and whether a worker is there."""
    rows = []
    failed = []
    for alias in _queues().aliases:
        queue = _queues().queue(alias)
        try:
            health = queue.get_worker_health()
            stats = queue.get_queue_stats()
        except ArqadeError as error:
            failed.append(f"{alias}: {error}")
            continue
        worker = None if health is None else health.to_dict()
        rows.append({"alias": alias, **stats.to_dict(), "worker": worker})
    if as_json:
        click.echo(json.dumps(rows))
    elif rows:
        head = ["alias", "queue_name", "queued", "deferred", "in_progress", "worker"]
        lines = [
            [*(str(row[name]) for name in head[:-1]), "none" if row["worker"] is None else "alive"]
            for row in rows
        ]
        _print_table([head, *lines])
    if failed:
        raise click.ClickException("; ".join(failed))


@commands.command()
@the_alias
@click.option("--status", type=click.Choice(STATUSES), help="Only jobs of this state.")
@click.option("--name", help="Only jobs of this function.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="The most jobs to show.",
)
@click.option("--args", "with_args", is_flag=True, help="Show the jobs' arguments, too.")
@as_json
@_reports_errors
def jobs(
    *,
    alias: str,
    status: str | None,
    name: str | None,
    limit: int,
    with_args: bool,
    as_json: bool,
) -> None:
    """Show the jobs of a queue, the first to be due first."""
    queue = _queue(alias)
    found = (job for job in queue.iter_jobs(status=status) if name is None or job.name == name)
    rows = []
    unread = None
    try:
        for job in islice(found, limit):
            rows.append(_described(job, with_args=with_args))  # noqa: PERF401 - it may end early
    except JobDeserializationError as error:  # All others were given before it.
        unread = error
    if as_json:
        click.echo(json.dumps(rows))
    else:
        head = ["id", "name", "status", "enqueue_time", *(("args", "kwargs") if with_args else ())]
        _print_table([head, *([str(row[key]) for key in head] for row in rows)])
    if unread is not None:
        raise unread


@commands.command()
@click.argument("name")
@click.argument("arguments", nargs=-1)
@the_alias
@click.option("--job-id", help="The job's id; a random one if it is left out.")
@click.option("--defer-by", type=float, metavar="SECONDS", help="Not to be run before.")
@click.option("--expires", type=float, metavar="SECONDS", help="Not to be started after.")
@as_json
@_reports_errors
def enqueue(
    *,
    name: str,
    arguments: tuple[str, ...],
    alias: str,
    job_id: str | None,
    defer_by: float | None,
    expires: float | None,
    as_json: bool,
) -> None:
    """Enqueue a job of the function NAME with the ARGUMENTS.

    An argument is JSON, or else a text; one like key=value is given by its name.
    """
    try:
        args, kwargs = read_words(arguments)
        request = JobRequest[Any](
            name, args, kwargs, job_id=job_id, defer_by=defer_by, expires=expires
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    job = _queue(alias).enqueue(request)
    click.echo(json.dumps(_described(job, with_args=False)) if as_json else job.id)


def _described(job: JobMetadata[Any], *, with_args: bool) -> dict[str, Any]:
    described: dict[str, Any] = {
        "id": job.id,
        "name": job.name,
        "status": job.status.value,
        "queue_name": job.queue_name,
        "enqueue_time": job.enqueue_time.isoformat(timespec="seconds"),
    }
    if with_args:
        # As the model does it, so that whatever there is becomes JSON.
        described |= {key: job.to_dict()[key] for key in ("args", "kwargs")}
    return described


def _print_table(rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        # What others have stored must not act on the terminal.
        line = "".join(char if char.isprintable() else "?" for char in "  ".join(cells))
        click.echo(line.rstrip())
