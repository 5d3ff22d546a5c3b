"""``arqade result`` and ``arqade wait``: what came of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from arqade import ArqadeError
from arqade.cli.output import report
from arqade.cli.params import connected, duration, job_id, job_ids, one_queue
from arqade.cli.status import CommandError, Status, finish
from arqade.cli.text import shown, span, value_text, visible

if TYPE_CHECKING:
    from arqade import JobResult
    from arqade.cli.output import Output
    from arqade.cli.server import Server

__all__ = ["failure", "outcome", "result", "wait"]

NAMED: Final = 20
"""How many ids an error names at most."""


def failure(job: JobResult[Any]) -> str:
    """Tell what a failed job raised."""
    try:
        job.unwrap()
    except ArqadeError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - a job may raise anything
        return f"{type(error).__qualname__}: {shown_error(error)}"
    return ""


def shown_error(error: Exception) -> str:
    """Give an exception's words, whatever its class does."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - with a codec of the user's, it may be of any class
        return "..."


def outcome(job: JobResult[Any]) -> str:
    """Tell what a job returned or raised."""
    return shown(job.result) if job.success else f"failed: {visible(failure(job))}"


@click.command()
@click.argument("job_id", metavar="ID", type=job_id)
@click.option("--wait", "waits", is_flag=True, help="Wait for it if it is not there yet.")
@click.option("--timeout", type=duration, help="How long to wait at most, as in 90 or 5m.")
@one_queue
@connected
def result(
    server: Server,
    out: Output,
    *,
    job_id: str,
    waits: bool,
    timeout: float | None,
    queue: str | None,
) -> None:
    """Print what a job returned.

    That is a text as it is, and anything else as JSON. If the job failed, what it raised is told on
    standard error, and the exit status is 1.
    """
    if timeout is not None and not waits:
        raise click.UsageError("--timeout is for --wait")
    with server.open(queue) as arq_queue:
        if waits:
            job = arq_queue.wait_for_result(job_id, queue, timeout=timeout)
        else:
            job = arq_queue.get_job_result(job_id, queue)
    if out.as_json:
        out.document(job.to_dict())
    elif job.success:
        out.text(value_text(job.to_dict()["result"]))
    else:
        report(f"Job failed: {failure(job)}", kind="JobFailed", job_id=job.id)
    finish(ok=job.success)


@click.command()
@job_ids
@click.option("--timeout", type=duration, help="How long to wait at most, as in 90 or 5m.")
@one_queue
@connected
def wait(
    server: Server, out: Output, *, ids: tuple[str, ...], timeout: float | None, queue: str | None
) -> None:
    """Wait until jobs have finished.

    Each is told of when it has; in JSON, each is a line. The exit status is 0 if all have returned,
    and 1 if one failed, is unknown, or was too late.
    """
    pending, failed = dict.fromkeys(ids), 0
    total = len(pending)
    with server.open(queue) as arq_queue, out.progress("Waiting", total) as bar:
        bar.show(0, f"0 of {total}")
        try:
            for job in arq_queue.as_completed(ids, queue, timeout=timeout):
                pending.pop(job.id, None)
                failed += not job.success
                if out.as_json:
                    out.json_line(job.to_dict())
                else:
                    out.line(_line(job))
                done = total - len(pending)
                bar.show(done, f"{done} of {total}")
        except TimeoutError:
            named = ", ".join(list(pending)[:NAMED])
            more = f" and {len(pending) - NAMED} more" if len(pending) > NAMED else ""
            raise CommandError(f"no result in time: {named}{more}", Status.negative) from None
    finish(ok=not failed)


def _line(job: JobResult[Any]) -> str:
    taken = span((job.finish_time - job.start_time).total_seconds())
    how = "ok" if job.success else f"failed: {failure(job)}"
    return f"{job.id}  {job.name}  {taken}  {how}"
