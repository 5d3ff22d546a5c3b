"""The worker of mails, without a mail server."""

from __future__ import annotations

from docs.examples import mail_worker

WorkerSettings = mail_worker.WorkerSettings


def deliver(to: str, subject: str) -> None:
    """Do as if the mail were sent."""


mail_worker.deliver = deliver
