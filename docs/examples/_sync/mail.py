# Generated from docs/examples/_async/mail.py by "make generate"; do not edit.
"""Mails, sent by a web application."""

from arqade import JobRequest, JobStatus, SyncArqQueue


def send(queue: SyncArqQueue, to: str, subject: str) -> str:
    job = queue.enqueue("send_mail", to, subject=subject)
    return job.id


def remind(queue: SyncArqQueue, to: str, order: int) -> str:
    job = queue.enqueue(
        "send_mail",
        to,
        subject=f"Your order {order}",
        _job_id=f"reminder-{order}",
        _defer_by=86_400,
        _expires=2 * 86_400,  # counted from now: a day after it is due
    )
    return job.id


def state(queue: SyncArqQueue, job_id: str) -> str:
    status = queue.get_job_status(job_id)
    if status is JobStatus.not_found:
        return "unknown"
    if status is not JobStatus.complete:
        return "waiting"
    result = queue.get_job_result(job_id)
    return "sent" if result.success else f"failed: {result.result!r}"


def revoke(queue: SyncArqQueue, job_id: str) -> str:
    return str(queue.cancel_job(job_id, timeout=10))


def send_to_all(queue: SyncArqQueue, addresses: list[str], subject: str) -> int:
    jobs = queue.enqueue_many(
        JobRequest("send_mail", (to,), {"subject": subject}) for to in addresses
    )
    sent = 0
    for result in queue.as_completed([job.id for job in jobs if job], timeout=60):
        sent += result.success
    return sent
