# Generated from docs/examples/_async/replacing.py by "make generate"; do not edit.
"""Jobs that are cancelled, replaced, put off, and kept from running twice."""

from datetime import timedelta

from arqade import CancelOutcome, JobNotQueued, JobStatus, SyncArqQueue


def publish(queue: SyncArqQueue, film: str) -> None:
    """Have a film rendered; a second click while it waits or runs changes nothing."""
    try:
        queue.enqueue("render", film, _job_id=f"render:{film}")
    except JobNotQueued as error:
        print(f"{film} is {error.reason} already")


def publish_again(queue: SyncArqQueue, film: str) -> None:
    """Have it rendered even if it was before; its old result is dropped."""
    queue.enqueue(
        "render", film, _job_id=f"render:{film}", _on_conflict="ignore_result"
    )


def save(queue: SyncArqQueue, picture: str, width: int) -> None:
    """Resize a picture when nobody has changed it for half a minute, as it is then."""
    queue.enqueue(
        "resize",
        picture,
        width=width,
        _job_id=f"resize:{picture}",
        _defer_by=timedelta(seconds=30),
        _on_conflict="replace",
    )


def withdraw(queue: SyncArqQueue, film: str) -> str:
    """Keep a film from being rendered, or stop it."""
    outcome = queue.cancel_job(f"render:{film}", timeout=10)
    match outcome:
        case CancelOutcome.removed:
            return "It had not begun, and will not run."
        case CancelOutcome.aborted:
            return "It was stopped in the middle."
        case CancelOutcome.complete:
            return "Too late: it has finished."
        case CancelOutcome.not_found:
            return "There is no such job."
        case CancelOutcome.unconfirmed:
            return "Its worker was asked to stop it, and has not said that it did."


def withdraw_all(queue: SyncArqQueue, name: str) -> int:
    """Cancel all jobs of a function that wait; one that begins meanwhile is stopped."""
    waiting = [
        job.id
        for job in queue.iter_jobs()
        if job.name == name and job.status is not JobStatus.in_progress
    ]
    removed = 0
    for job_id in waiting:
        outcome = queue.cancel_job(job_id, timeout=1)
        removed += outcome is CancelOutcome.removed
    return removed
