"""``arqade cancel``, ``retry``, ``delete`` and ``purge``: what changes jobs that are there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import click

from arqade import ArqJobError, CancelOutcome, JobRequest
from arqade.cli.formats import AnyFormat
from arqade.cli.output import report
from arqade.cli.params import connected, duration, job_ids, one_queue, queue_name
from arqade.cli.status import finish, tell
from arqade.cli.text import counted

if TYPE_CHECKING:
    from arqade import JobMetadata, SyncArqQueue
    from arqade.cli.output import Output
    from arqade.cli.server import Server

__all__ = ["cancel", "delete", "purge", "retry"]

CANCELLED: Final = (CancelOutcome.removed, CancelOutcome.aborted)

UNKNOWN: Final = "<unknown>"
"""What a worker calls a job that it could not read."""


@click.command()
@job_ids
@click.option(
    "--timeout",
    type=duration,
    default="10",
    show_default=True,
    help="How long to wait for a worker's word if the job runs.",
)
@one_queue
@connected
def cancel(
    server: Server, out: Output, *, ids: tuple[str, ...], timeout: float, queue: str | None
) -> None:
    """Cancel jobs, whether they have started or not.

    Those that have not are removed. Those that run are stopped by their worker, if it has
    allow_abort_jobs. The exit status is 0 if all were removed or aborted.
    """
    outcomes = []
    with server.open(queue) as arq_queue:
        for job_id in ids:
            outcome = arq_queue.cancel_job(job_id, queue, timeout=timeout)
            outcomes.append(outcome)
            _say(out, job_id, "outcome", str(outcome))
    finish(ok=all(outcome in CANCELLED for outcome in outcomes))


@click.command()
@job_ids
@click.option("--new-id", is_flag=True, help="Give the new job a new id, and keep the result.")
@one_queue
@connected
def retry(
    server: Server, out: Output, *, ids: tuple[str, ...], new_id: bool, queue: str | None
) -> None:
    """Enqueue finished jobs again, from their kept results.

    Their ids are printed. They go into the queue in which they ran, with the same arguments, in
    the same format. The result is dropped, unless the new job has another id.
    """
    all_went_well = True
    with server.open(queue) as arq_queue:
        for job_id in ids:
            try:
                job = _again(server, arq_queue, job_id, queue, new_id=new_id)
            except ArqJobError as error:
                tell(error)
                job = None
            all_went_well = all_went_well and job is not None
            if job is not None and out.as_json:
                out.json_line(job.to_dict())
            elif job is not None:
                out.line(job.id)
    finish(ok=all_went_well)


def _again(
    server: Server, arq_queue: SyncArqQueue, job_id: str, queue: str | None, *, new_id: bool
) -> JobMetadata[Any] | None:
    done = arq_queue.get_job_result(job_id, queue)
    if done.name == UNKNOWN:
        report(
            "What the job was is not known: it had expired, or its worker could not decode it. "
            f"id={job_id}",
            kind="JobUnknown",
            job_id=job_id,
        )
        return None
    if isinstance(server.codec, AnyFormat):
        server.codec.write_as_read()
    return arq_queue.enqueue(
        JobRequest(
            done.name,
            done.args,
            done.kwargs,
            job_id=None if new_id else job_id,
            queue_name=done.queue_name,
            on_conflict="ignore_result",
        )
    )


@click.command()
@job_ids
@connected
def delete(server: Server, out: Output, *, ids: tuple[str, ...]) -> None:
    """Delete kept results. The exit status is 0 if all were there."""
    found = []
    with server.open() as arq_queue:
        for job_id in ids:
            found.append(arq_queue.delete_result(job_id))
            _say(out, job_id, "outcome", "deleted" if found[-1] else "not_found")
    finish(ok=all(found))


def _say(out: Output, job_id: str, what: str, answer: str) -> None:
    if out.as_json:
        out.json_line({"id": job_id, what: answer})
    else:
        out.line(f"{job_id}  {answer}")


@click.command()
@click.argument("queue", type=queue_name)
@click.option("--yes", is_flag=True, help="Don't ask.")
@connected
def purge(server: Server, out: Output, *, queue: str, yes: bool) -> None:
    """Remove all jobs of QUEUE that have not started."""
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("nobody is there to be asked: give --yes")
    with server.open(queue) as arq_queue:
        if not yes:
            stats = arq_queue.get_queue_stats()
            count = stats.queued + stats.deferred
            click.confirm(f"Remove {counted(count, 'job')} from {queue}?", abort=True, err=True)
        removed = arq_queue.purge()
    if out.as_json:
        out.document({"queue_name": queue, "removed": removed})
    else:
        out.line(f"{counted(removed, 'job')} removed from {queue}")
