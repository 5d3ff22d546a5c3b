"""A worker with retries, time limits and a schedule, as Celery's tasks have them."""

import asyncio
import smtplib
from email.message import EmailMessage
from typing import Any

from arq import Retry, cron, func

from arqade import JSONCodec, RedisSettings
from arqade.worker import build_worker_settings

TRIES = 4


def deliver(to: str, subject: str) -> None:
    message = EmailMessage()
    message["From"], message["To"] = "shop@example.com", to
    message["Subject"] = subject
    # Its time-out ends before that of the job, which would leave the thread behind.
    with smtplib.SMTP("localhost", 25, timeout=20) as server:
        server.send_message(message)


async def send_mail(ctx: dict[str, Any], to: str, *, subject: str) -> str:
    try:
        await asyncio.to_thread(deliver, to, subject)
    except OSError:
        if ctx["job_try"] < TRIES:
            raise Retry(defer=60 * ctx["job_try"]) from None
        raise  # the last try: this is the job's result
    return f"{subject} to {to}"


async def clean_up(ctx: dict[str, Any]) -> None:
    await ctx["redis"].delete("mail:drafts")


WorkerSettings = build_worker_settings(
    [func(send_mail, max_tries=TRIES, timeout=30, keep_result=86_400)],
    cron_jobs=[cron(clean_up, hour=3, minute=0)],
    redis_settings=RedisSettings.from_env(),
    queue_name="mail",
    codec=JSONCodec(),
    allow_abort_jobs=True,
    job_completion_wait=30,
)
