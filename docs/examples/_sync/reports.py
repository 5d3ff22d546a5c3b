# Generated from docs/examples/_async/reports.py by "make generate"; do not edit.
"""Reports, ordered by a web application."""

from datetime import datetime

from arqade import CancelOutcome, JobNotFound, SyncArqQueue


def order(queue: SyncArqQueue, month: str) -> str:
    job = queue.enqueue(
        "build_report",
        month,
        _job_id=f"report-{month}",
        _on_conflict="return_existing",
    )
    return job.id


def order_for(queue: SyncArqQueue, month: str, when: datetime) -> str:
    job = queue.enqueue("build_report", month, _defer_until=when)
    return job.id


def fetch(queue: SyncArqQueue, job_id: str) -> int | None:
    try:
        result = queue.wait_for_result(job_id, timeout=5)
    except TimeoutError:
        return None  # not yet
    except JobNotFound:
        raise LookupError(f"no report {job_id}, or no longer") from None
    total: int = result.unwrap()  # raises what the job raised
    return total


def cancel(queue: SyncArqQueue, job_id: str) -> bool:
    return queue.cancel_job(job_id, timeout=5) is CancelOutcome.removed
