"""A stock arq client in a process of its own."""

from __future__ import annotations

import base64
import json
import pickle
import subprocess
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from arqade.models import JobResult
from tests.harness.worker import ROOT, python_with_arq, stock_environment

if TYPE_CHECKING:
    from datetime import datetime

    from arqade.models import JobMetadata

__all__ = ["Raised", "Stock", "as_stock_says"]

DEFAULT_QUEUE = "arq:queue"
PATIENCE = 10.0


def as_stock_says(job: JobMetadata[Any]) -> dict[str, Any]:
    """Give what `Stock.info` is to say of a job that arqade describes so."""
    fields: dict[str, Any] = {
        "function": job.name,
        "args": repr(job.args),
        "kwargs": repr(job.kwargs),
        "job_try": job.job_try,
        "enqueue_time": to_ms(job.enqueue_time),
        "score": job.score,
        "job_id": job.id,
    }
    if isinstance(job, JobResult):
        fields |= {
            "success": job.success,
            "result": repr(job.result),
            "start_time": to_ms(job.start_time),
            "finish_time": to_ms(job.finish_time),
            "queue_name": job.queue_name,
        }
    return fields


def to_ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)


class Raised(NamedTuple):
    """What stock arq raised, in place of an answer."""

    error: str
    text: str


class Stock:
    """Stock arq's answers: JSON types, the repr of what jobs return, or what was `Raised`.

    Args:
        redis_url: The server.
    """

    def __init__(self, redis_url: str) -> None:
        self._process = subprocess.Popen(
            [python_with_arq(), "-m", "tests.harness.stock_agent"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=stock_environment(ARQADE_TEST_WORKER_REDIS=redis_url),
            text=True,
        )

    def _call(self, method: str, **arguments: Any) -> Any:
        to_agent, from_agent = self._process.stdin, self._process.stdout
        assert to_agent
        assert from_agent
        to_agent.write(json.dumps({"method": method, "arguments": arguments}) + "\n")
        to_agent.flush()
        answer = json.loads(from_agent.readline())
        return Raised(*answer["raised"]) if "raised" in answer else answer["returned"]

    def enqueue_job(self, function: str, *args: Any, **kwargs: Any) -> str | None:
        """Call ``ArqRedis.enqueue_job``, and give the job's id."""
        pickled = base64.b64encode(pickle.dumps((function, args, kwargs), protocol=4))
        job_id: str | None = self._call("enqueue_job", pickled=pickled.decode())
        return job_id

    def status(self, job_id: str, queue_name: str = DEFAULT_QUEUE) -> str:
        """Call ``Job.status``."""
        status: str = self._call("status", job_id=job_id, queue_name=queue_name)
        return status

    def info(self, job_id: str, queue_name: str = DEFAULT_QUEUE) -> Any:
        """Call ``Job.info``, and give its fields by name: times as ms, values as their repr."""
        info = self._call("info", job_id=job_id, queue_name=queue_name)
        if isinstance(info, dict) and info["job_id"] is None:
            info["job_id"] = job_id  # which it leaves out for a job without a result
        return info

    def result(
        self, job_id: str, queue_name: str = DEFAULT_QUEUE, *, timeout: float = PATIENCE
    ) -> str | Raised:
        """Call ``Job.result``, and give the repr of the value."""
        answer: str | Raised = self._call(
            "result", job_id=job_id, queue_name=queue_name, timeout=timeout
        )
        return answer

    def abort(
        self, job_id: str, queue_name: str = DEFAULT_QUEUE, *, timeout: float = PATIENCE
    ) -> bool | Raised:
        """Call ``Job.abort``."""
        answer: bool | Raised = self._call(
            "abort", job_id=job_id, queue_name=queue_name, timeout=timeout
        )
        return answer

    def queued_jobs(self, queue_name: str = DEFAULT_QUEUE) -> list[dict[str, Any]]:
        """Call ``ArqRedis.queued_jobs``, and give the fields of each as `info` does."""
        jobs: list[dict[str, Any]] = self._call("queued_jobs", queue_name=queue_name)
        return jobs

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process as process:  # closes the pipes, at which the agent ends, and waits
            process.kill()
