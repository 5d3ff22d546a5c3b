"""The names of arq's keys, and of arqade's own (arq 0.25 to 0.28, arq/constants.py)."""

from __future__ import annotations

__all__ = [
    "ABORT",
    "DEFAULT_QUEUE",
    "EXPIRES_EXTRA_MS",
    "health_check",
    "in_progress",
    "job",
    "once",
    "result",
    "retry",
    "worker",
    "workers",
]

DEFAULT_QUEUE = "arq:queue"
"""The queue of a worker that names none: a sorted set of ids by the time that they are due."""

ABORT = "arq:abort"
"""Ids of the jobs that workers are asked to stop: a sorted set by the time of asking."""

EXPIRES_EXTRA_MS = 86_400_000
"""How long a job lives after it is due, unless told otherwise."""


def job(job_id: str) -> str:
    """Name the key of a job's envelope."""
    return "arq:job:" + job_id


def result(job_id: str) -> str:
    """Name the key of a result's envelope."""
    return "arq:result:" + job_id


def in_progress(job_id: str) -> str:
    """Name the key that exists while a worker runs the job."""
    return "arq:in-progress:" + job_id


def retry(job_id: str) -> str:
    """Name the counter of a job's tries."""
    return "arq:retry:" + job_id


def once(token: str) -> str:
    """Name arqade's marker of one call of ``enqueue``."""
    return "arqade:once:" + token


def health_check(queue_name: str) -> str:
    """Name the key of what a worker says of itself."""
    return queue_name + ":health-check"


def worker(worker_id: str) -> str:
    """Name the key of what one worker says of itself to arqade."""
    return "arqade:worker:" + worker_id


def workers(queue_name: str) -> str:
    """Name the set of the ids of a queue's workers, by the time that their records end."""
    return "arqade:workers:" + queue_name
