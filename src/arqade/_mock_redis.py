"""What a job finds as its ``ctx["redis"]`` when a mock runs it."""

from __future__ import annotations

import sys
import uuid
from typing import TYPE_CHECKING, Any

import attrs

from arqade._protocol import keys, payloads
from arqade.models import JobRequest

if TYPE_CHECKING:
    from datetime import datetime

    from arqade._protocol.memory import MemoryStore
    from arqade._validation import Duration
    from arqade.codecs import Codec

__all__ = ["MockArqRedis", "MockJob"]


class MockArqRedis:
    """What a job finds as its ``ctx["redis"]``: arq's own way to enqueue, into the mock.

    Args:
        store: Where jobs are held.
        codec: How they are encoded.
        default_queue_name: The queue of jobs that name none.
    """

    def __init__(self, store: MemoryStore, codec: Codec, default_queue_name: str) -> None:
        self.default_queue_name = default_queue_name
        self._store = store
        self._codec = codec

    async def enqueue_job(
        self,
        function: str,
        *args: Any,
        _job_id: str | None = None,
        _queue_name: str | None = None,
        _defer_until: datetime | None = None,
        _defer_by: Duration | None = None,
        _expires: Duration | None = None,
        _job_try: int | None = None,
        **kwargs: Any,
    ) -> MockJob | None:
        """Put a job into a queue, as `arq.ArqRedis.enqueue_job` does.

        Returns:
            The job, or None if one with its id is there.
        """
        request = JobRequest[Any](
            function,
            args,
            kwargs,
            _job_id or uuid.uuid4().hex,
            _queue_name or self.default_queue_name,
            _defer_until,
            _defer_by,
            _expires,
            _job_try,
        )
        store, now = self._store, self._store.now()
        job_id, queue_name = str(request.job_id), str(request.queue_name)
        payload = payloads.encode_job(
            request, job_id=job_id, enqueue_time=now, codec=self._codec, max_bytes=sys.maxsize
        )
        times = payloads.job_times(request, now=now, expires_extra_ms=keys.EXPIRES_EXTRA_MS)
        with store.lock:
            # arq looks at no more than these two, and leaves the counter of tries as it is.
            if any(store.get(name(job_id)) is not None for name in (keys.job, keys.result)):
                return None
            store.set(keys.job(job_id), payload, times.life)
            store.add(queue_name, job_id, times.score)
            store.log.append((queue_name, job_id, payload))
        return MockJob(job_id)


@attrs.frozen
class MockJob:
    """What `MockArqRedis.enqueue_job` gives: the part of `arq.jobs.Job` that names the job."""

    job_id: str
