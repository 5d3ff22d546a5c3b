"""Mails, sent by a web application."""

from arqade import ArqQueue, JobRequest, JobStatus


async def send(queue: ArqQueue, to: str, subject: str) -> str:
    job = await queue.enqueue("send_mail", to, subject=subject)
    return job.id


async def remind(queue: ArqQueue, to: str, order: int) -> str:
    job = await queue.enqueue(
        "send_mail",
        to,
        subject=f"Your order {order}",
        _job_id=f"reminder-{order}",
        _defer_by=86_400,
        _expires=2 * 86_400,  # counted from now: a day after it is due
    )
    return job.id


async def state(queue: ArqQueue, job_id: str) -> str:
    status = await queue.get_job_status(job_id)
    if status is JobStatus.not_found:
        return "unknown"
    if status is not JobStatus.complete:
        return "waiting"
    result = await queue.get_job_result(job_id)
    return "sent" if result.success else f"failed: {result.result!r}"


async def revoke(queue: ArqQueue, job_id: str) -> str:
    return str(await queue.cancel_job(job_id, timeout=10))


async def send_to_all(queue: ArqQueue, addresses: list[str], subject: str) -> int:
    jobs = await queue.enqueue_many(
        JobRequest("send_mail", (to,), {"subject": subject}) for to in addresses
    )
    sent = 0
    async for result in queue.as_completed(
        [job.id for job in jobs if job], timeout=60
    ):
        sent += result.success
    return sent
