"""``arqade enqueue``: one job, or as many as a file has lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, Final, get_args

import click

from arqade import EnqueueUncertain, JobRequest
from arqade._words import read_json, read_words
from arqade.cli.bulk import enqueue_lines
from arqade.cli.params import connected, duration, job_id, point_in_time, queue_name
from arqade.cli.status import CommandError, Status
from arqade.models import OnConflict

if TYPE_CHECKING:
    from arqade.cli.output import Output
    from arqade.cli.server import Server

__all__ = ["enqueue"]

KINDS: Final[dict[type, str]] = {list: "a list", dict: "an object"}


@click.command()
@click.argument("task_name", metavar="[NAME]", required=False)
@click.argument("words", metavar="[ARGS]...", nargs=-1)
@click.option("--args", "args_json", metavar="JSON", help="Positional arguments, as a list.")
@click.option("--kwargs", "kwargs_json", metavar="JSON", help="Keyword arguments, as an object.")
@click.option(
    "--from-jsonl",
    "file",
    metavar="FILE",
    type=click.File("rb"),
    help="Enqueue a job for each line, an object with the fields of a JobRequest; - reads from "
    "standard input. NAME and options hold for lines that don't say otherwise.",
)
@click.option("--queue", "-q", "queue_name", metavar="QUEUE", type=queue_name, help="The queue.")
@click.option(
    "--id", "job_id", metavar="ID", type=job_id, help="The job's id; a random one by default."
)
@click.option("--defer-by", type=duration, help="Not before so much time has passed.")
@click.option("--defer-until", metavar="TIME", type=point_in_time, help="Not before this time.")
@click.option("--expires", type=duration, help="Not to be started after so much time.")
@click.option("--job-try", type=int, help="The number of the first try.")
@click.option(
    "--on-conflict",
    type=click.Choice(get_args(OnConflict)),
    help="What to do about a job with the same id.  [default: raise]",
)
@connected
def enqueue(
    server: Server,
    out: Output,
    *,
    task_name: str | None,
    words: tuple[str, ...],
    args_json: str | None,
    kwargs_json: str | None,
    file: BinaryIO | None,
    **options: Any,
) -> None:
    """Enqueue a job of the worker's function NAME, and print its id.

    Each of ARGS is JSON if it can be read as such, else a text; name=value is a keyword argument.
    Those that begin with a dash come after --. Other users of the machine can read a command
    line: secrets belong into a file, for --from-jsonl.
    """
    fields = {name: value for name, value in options.items() if value is not None}
    if file is not None:
        if words or args_json or kwargs_json or "job_id" in fields:
            raise click.UsageError("--from-jsonl takes arguments and ids from the file")
        if task_name is not None:
            fields["task_name"] = task_name
        enqueue_lines(server, out, file, fields)
        return
    if task_name is None:
        raise click.UsageError("Missing argument 'NAME'.")
    args, kwargs = _arguments(words, args_json, kwargs_json)
    try:
        request: JobRequest[Any] = JobRequest(task_name, tuple(args), kwargs, **fields)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with server.open() as queue:
        try:
            job = queue.enqueue(request)
        except EnqueueUncertain as error:
            raise CommandError(
                f"The job was sent and no answer came: it may or may not be queued. `arqade show "
                f"{error.job_id}` tells, once the server is back. id={error.job_id}",
                Status.unreachable,
            ) from error
    if out.as_json:
        out.document(job.to_dict())
    else:
        out.line(job.id)


def _arguments(
    words: tuple[str, ...], args_json: str | None, kwargs_json: str | None
) -> tuple[list[Any], dict[str, Any]]:
    try:
        args, kwargs = read_words(words)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if args_json is not None:
        args += _json("--args", args_json, list)
    if kwargs_json is not None:
        more = _json("--kwargs", kwargs_json, dict)
        if twice := sorted(kwargs.keys() & more):
            raise click.UsageError(f"{', '.join(twice)}: given twice")
        kwargs |= more
    return args, kwargs


def _json(option: str, text: str, kind: type) -> Any:
    try:
        value = read_json(text)
    except ValueError as error:
        raise click.UsageError(f"{option} is no JSON: {error}") from error
    if not isinstance(value, kind):
        raise click.UsageError(f"{option} must be {KINDS[kind]}")
    return value
