from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from arqade import JobRequest, JobSerializationError, PayloadTooLarge, RedisArqQueue

NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    ("task", "arguments", "error", "message"),
    [
        ("", {}, ValueError, "task_name must not be empty"),
        (5, {}, TypeError, "task must be the name of a worker's function"),
        (int, {}, TypeError, "task must be the name of a worker's function"),
        ("x", {"_queue": "mail"}, TypeError, "did you mean _queue_name"),
        ("x", {"_defer_unti": NOW}, TypeError, "did you mean _defer_until"),
        ("x", {"_zzz": 1}, TypeError, "the options are _queue_name"),
        ("x", {"_defer_until": NOW, "_defer_by": 5}, ValueError, "not both"),
        ("x", {"_defer_by": -1}, ValueError, "defer_by must not be negative"),
        ("x", {"_defer_by": timedelta(-1)}, ValueError, "defer_by must not be negative"),
        ("x", {"_defer_by": "5"}, TypeError, "defer_by must be seconds or a timedelta"),
        ("x", {"_defer_by": True}, TypeError, "defer_by must be seconds or a timedelta"),
        ("x", {"_defer_by": float("nan")}, ValueError, "defer_by must be finite"),
        ("x", {"_defer_by": 1e30}, ValueError, "defer_by is too long"),
        ("x", {"_defer_by": 253_402_300_799}, ValueError, "later than any datetime"),
        ("x", {"_defer_until": "now"}, TypeError, "defer_until must be a datetime"),
        ("x", {"_expires": 0}, ValueError, "expires must be positive"),
        ("x", {"_expires": -5}, ValueError, "expires must be positive"),
        ("x", {"_expires": "5"}, TypeError, "expires must be seconds or a timedelta"),
        ("x", {"_job_id": ""}, ValueError, "job_id must not be empty"),
        ("x", {"_job_id": "\ud800"}, ValueError, "job_id must be encodable as UTF-8"),
        ("x", {"_job_id": "a\nb"}, ValueError, "job_id must not have control characters"),
        ("x", {"_job_id": "é" * 257}, ValueError, "job_id must be at most 512 bytes"),
        ("x", {"_job_id": 5}, TypeError, "job_id must be a str, not int"),
        ("x", {"_job_id": b"k"}, TypeError, "job_id must be a str, not bytes"),
        ("x", {"_queue_name": ""}, ValueError, "queue_name must not be empty"),
        ("x", {"_queue_name": "arq:job:q"}, ValueError, "reserved prefix"),
        ("x", {"_queue_name": "arq:abort"}, ValueError, "reserved prefix"),
        ("x", {"_queue_name": "arqade:q"}, ValueError, "reserved prefix"),
        ("x", {"_queue_name": "q:health-check"}, ValueError, "reserved prefix"),
        ("x", {"_queue_name": 5}, TypeError, "queue_name must be a str"),
        ("x", {"_job_try": "x"}, TypeError, "job_try must be an int"),
        ("x", {"_job_try": 0}, ValueError, "job_try must be from 1"),
        ("x", {"_job_try": 2**63}, ValueError, "job_try must be from 1"),
        ("x", {"_on_conflict": "ignore"}, ValueError, "on_conflict must be one of raise"),
        ("x", {"_token": ""}, ValueError, "_token must not be empty"),
        ("x", {"_token": 5}, TypeError, "_token must be a str"),
        (JobRequest("x"), {"a": 1}, TypeError, "holds its arguments already"),
        ("x", {"a": threading.Lock()}, JobSerializationError, "can't encode its arguments"),
        ("x", {"a": lambda: None}, JobSerializationError, "can't encode its arguments"),
    ],
)
async def test_bad_input_is_refused_and_nothing_written(
    queue, raw, task, arguments, error, message
):
    """What can't be enqueued raises its error, says why, and leaves the server untouched."""
    with pytest.raises(error, match=message):
        await queue.enqueue(task, **arguments)
    assert raw.dbsize() == 0


async def test_request_with_arguments_is_refused(queue, raw):
    """A request comes with its arguments, and takes no more."""
    with pytest.raises(TypeError, match="holds its arguments already"):
        await queue.enqueue(JobRequest("x"), 1)
    assert raw.dbsize() == 0


async def test_unserializable_arguments_name_the_job(queue, raw):
    """An error about arguments has the job's id and not their values."""
    with pytest.raises(JobSerializationError) as caught:
        await queue.enqueue("x", "a secret", threading.Lock(), _job_id="k")
    assert caught.value.job_id == "k"
    assert "secret" not in str(caught.value)
    assert raw.dbsize() == 0


async def test_payload_too_large(redis_url, raw):
    """A job over the limit is refused with its size; one at the limit is not."""
    async with await RedisArqQueue.from_url(redis_url, max_payload_bytes=1000) as queue:
        with pytest.raises(PayloadTooLarge, match="over the limit of 1000 bytes") as caught:
            await queue.enqueue("x", b"0" * 1000, _job_id="k")
        assert (caught.value.job_id, caught.value.limit) == ("k", 1000)
        assert caught.value.size > 1000
        assert raw.dbsize() == 0
        room = 1000 - (caught.value.size - 1000)
        await queue.enqueue("x", b"0" * room, _job_id="k")
        assert raw.strlen("arq:job:k") == 1000


READS = ["get_job_status", "get_job_metadata", "get_job_result", "wait_for_result"]
CHANGES = ["cancel_job", "abort_job", "delete_result"]


@pytest.mark.parametrize("operation", READS + CHANGES)
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("",), ValueError),
        ((5,), TypeError),
        ((None,), TypeError),
        (("a\0b",), ValueError),
        (("\udfff",), ValueError),
        (("k", ""), ValueError),
        (("k", 5), TypeError),
        (("k", "arq:result:q"), ValueError),
    ],
    ids=str,
)
async def test_bad_names_are_refused_everywhere(queue, raw, operation, arguments, error):
    """Every operation refuses ids and queue names that can't be."""
    with pytest.raises(error):
        await getattr(queue, operation)(*arguments)
    assert raw.dbsize() == 0


@pytest.mark.parametrize("operation", ["wait_for_result", "cancel_job", "abort_job"])
@pytest.mark.parametrize(
    ("timeout", "error"), [("5", TypeError), (True, TypeError), (float("nan"), ValueError)]
)
async def test_bad_timeouts_are_refused(queue, operation, timeout, error):
    """A time-out is a number of seconds or None."""
    with pytest.raises(error, match="timeout must be"):
        await getattr(queue, operation)("k", timeout=timeout)
