"""``arqade jobs`` and ``arqade show``: which jobs there are, and what is known of one."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import click

from arqade import ArqJobError, JobResult, JobResultUnavailable, JobStatus
from arqade.cli.params import connected, job_id, one_queue, queues
from arqade.cli.results import outcome
from arqade.cli.status import finish, tell
from arqade.cli.text import arguments, due, moment, span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arqade import JobMetadata, SyncArqQueue
    from arqade.cli.output import Output
    from arqade.cli.server import Server

__all__ = ["jobs", "show"]

STATES: Final = [str(status) for status in JobStatus if status is not JobStatus.not_found]
LIMIT: Final = 100

VALUES: Final = ("args", "kwargs", "result")
"""Fields that a list of jobs leaves out unless they are asked for."""


class _Jobs:
    """The jobs that were asked for, and what could not be read on the way."""

    def __init__(self, queue: SyncArqQueue, status: str | None, name: str | None) -> None:
        self._queue = queue
        self._status = status
        self._name = name
        self.errors: list[ArqJobError] = []

    def of(self, queue_names: tuple[str, ...]) -> Iterator[JobMetadata[Any]]:
        for queue_name in queue_names:
            try:
                for job in self._all_of(queue_name):
                    if self._name is None or job.name == self._name:
                        yield job
            except ArqJobError as error:
                self.errors.append(error)

    def _all_of(self, queue_name: str) -> Iterator[JobMetadata[Any]]:
        if self._status == JobStatus.complete:
            return self._queue.iter_results(queue_name)
        return self._queue.iter_jobs(queue_name, status=self._status)


@click.command()
@click.option(
    "--status",
    type=click.Choice(STATES),
    help="Only jobs in this state; complete ones are looked for among all keys of the database.",
)
@click.option("--name", help="Only jobs of the worker's function of this name.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=LIMIT,
    show_default=True,
    help="How many at most; 0 for all.",
)
@click.option("--args", "with_values", is_flag=True, help="Show arguments, too, and results.")
@queues
@connected
def jobs(
    server: Server,
    out: Output,
    *,
    status: str | None,
    name: str | None,
    limit: int,
    with_values: bool,
    queue_names: tuple[str, ...],
) -> None:
    """List jobs: those in the queue, or finished ones with a kept result.

    They come in no order. In JSON each is a line.
    """
    with server.open() as queue:
        wanted = _Jobs(queue, status, name)
        found = islice(wanted.of(queue_names), limit or None)
        if out.as_json:
            for job in found:
                data = job.to_dict()
                out.json_line(data if with_values else _without_values(data))
        else:
            headings = ["id", "name", "status", "when", "try"]
            headings += ["queue"] * (len(queue_names) > 1) + ["arguments"] * with_values
            rows = [_cells(job, headings) for job in found]
            out.table(headings, rows, numbers=["try"])
    for error in wanted.errors:
        tell(error)
    finish(ok=not wanted.errors)


def _without_values(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in VALUES}


def _cells(job: JobMetadata[Any], headings: list[str]) -> list[str]:
    failed = isinstance(job, JobResult) and not job.success
    when = due(_finish_ms(job)) if isinstance(job, JobResult) else due(job.score)
    cells = {
        "id": job.id,
        "name": job.name,
        "status": "failed" if failed else str(job.status),
        "when": when,
        "try": str(job.job_try or 1),
        "queue": job.queue_name,
        "arguments": arguments(job),
    }
    return [cells[heading] for heading in headings]


def _finish_ms(job: JobResult[Any]) -> int:
    return round(job.finish_time.timestamp() * 1000)


@click.command()
@click.argument("job_id", metavar="ID", type=job_id)
@one_queue
@connected
def show(server: Server, out: Output, *, job_id: str, queue: str | None) -> None:
    """Show all that is known of a job, its arguments and its result."""
    with server.open(queue) as arq_queue:
        job: JobMetadata[Any]
        try:
            job = arq_queue.get_job_result(job_id, queue)
        except JobResultUnavailable:
            job = arq_queue.get_job_metadata(job_id, queue)
    if out.as_json:
        out.document(job.to_dict())
        return
    lines = _lines(job)
    width = max(map(len, lines)) + 2
    for title, text in lines.items():
        out.line(f"{title:{width}}{text}")


def _lines(job: JobMetadata[Any]) -> dict[str, str]:
    lines = {
        "id": job.id,
        "name": job.name,
        "queue": job.queue_name,
        "status": str(job.status),
        "arguments": arguments(job),
        "enqueued": moment(job.enqueue_time),
    }
    if job.score is not None:
        lines["due"] = due(job.score)
    if job.job_try is not None:
        lines["try"] = str(job.job_try)
    if isinstance(job, JobResult):
        taken = (job.finish_time - job.start_time).total_seconds()
        lines["started"] = moment(job.start_time)
        lines["finished"] = f"{moment(job.finish_time)}, after {span(taken)}"
        lines["outcome" if not job.success else "result"] = outcome(job)
    return lines
