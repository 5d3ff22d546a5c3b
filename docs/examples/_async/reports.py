"""Reports, ordered by a web application."""

from datetime import datetime

from arqade import ArqQueue, CancelOutcome, JobNotFound


async def order(queue: ArqQueue, month: str) -> str:
    job = await queue.enqueue(
        "build_report",
        month,
        _job_id=f"report-{month}",
        _on_conflict="return_existing",
    )
    return job.id


async def order_for(queue: ArqQueue, month: str, when: datetime) -> str:
    job = await queue.enqueue("build_report", month, _defer_until=when)
    return job.id


async def fetch(queue: ArqQueue, job_id: str) -> int | None:
    try:
        result = await queue.wait_for_result(job_id, timeout=5)
    except TimeoutError:
        return None  # not yet
    except JobNotFound:
        raise LookupError(f"no report {job_id}, or no longer") from None
    total: int = result.unwrap()  # raises what the job raised
    return total


async def cancel(queue: ArqQueue, job_id: str) -> bool:
    return await queue.cancel_job(job_id, timeout=5) is CancelOutcome.removed
