"""What the conformance suites of both APIs try: values, wrong calls, a worker's function.

They are here since generated code has no coroutine functions, and workers run nothing else.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from arqade.exceptions import EnqueueManyError
from arqade.models import JobRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ARGUMENTS",
    "BAD_BULKS",
    "BAD_CALLS",
    "BAD_NAMES",
    "BAD_QUEUES",
    "BAD_TIMEOUTS",
    "DEFERRALS",
    "UNSERIALIZABLE",
    "worker_function",
]

_NOW: Final = datetime.now(UTC)

ARGUMENTS: Final[Mapping[str, Any]] = {
    "none": None,
    "bool": True,
    "int": -(2**70),
    "float": 1.5e-300,
    "text": "é \u2028 😀 \0",
    "empty": [{}, [], ""],
    "nested": {"a": [1, {"b": [None, "c"]}], "": {"d": 0.1}},
    "large": "x" * 100_000,
}
"""Values that every codec keeps."""

DEFERRALS: Final[Mapping[str, Mapping[str, Any]]] = {
    "seconds": {"_defer_by": 86_400},
    "fraction": {"_defer_by": 86_400.5},
    "timedelta": {"_defer_by": timedelta(days=1)},
    # Far enough for a server whose clock is wrong.
    "time": {"_defer_until": _NOW + timedelta(days=30)},
}
"""Options that put a job off."""

BAD_CALLS: Final[Mapping[str, tuple[Any, Mapping[str, Any], type[Exception]]]] = {
    "task empty": ("", {}, ValueError),
    "task int": (5, {}, TypeError),
    "task no coroutine function": (int, {}, TypeError),
    "option misspelt": ("work", {"_queue": "mail"}, TypeError),
    "option unknown": ("work", {"_zzz": 1}, TypeError),
    "both defers": ("work", {"_defer_until": _NOW, "_defer_by": 5}, ValueError),
    "defer_by negative": ("work", {"_defer_by": -1}, ValueError),
    "defer_by negative timedelta": ("work", {"_defer_by": timedelta(-1)}, ValueError),
    "defer_by str": ("work", {"_defer_by": "5"}, TypeError),
    "defer_by bool": ("work", {"_defer_by": True}, TypeError),
    "defer_by nan": ("work", {"_defer_by": float("nan")}, ValueError),
    "defer_by endless": ("work", {"_defer_by": 1e30}, ValueError),
    "defer_until str": ("work", {"_defer_until": "now"}, TypeError),
    "defer_until seconds": ("work", {"_defer_until": 5}, TypeError),
    "expires zero": ("work", {"_expires": 0}, ValueError),
    "expires negative": ("work", {"_expires": -5}, ValueError),
    "expires zero timedelta": ("work", {"_expires": timedelta()}, ValueError),
    "expires str": ("work", {"_expires": "5"}, TypeError),
    "job_id empty": ("work", {"_job_id": ""}, ValueError),
    "job_id surrogate": ("work", {"_job_id": "\ud800"}, ValueError),
    "job_id too long": ("work", {"_job_id": "é" * 257}, ValueError),
    "job_id control character": ("work", {"_job_id": "a\nb"}, ValueError),
    "job_id int": ("work", {"_job_id": 5}, TypeError),
    "job_id bytes": ("work", {"_job_id": b"k"}, TypeError),
    "queue_name empty": ("work", {"_queue_name": ""}, ValueError),
    "queue_name of a key": ("work", {"_queue_name": "arq:job:q"}, ValueError),
    "queue_name of a health check": ("work", {"_queue_name": "q:health-check"}, ValueError),
    "queue_name int": ("work", {"_queue_name": 5}, TypeError),
    "job_try zero": ("work", {"_job_try": 0}, ValueError),
    "job_try str": ("work", {"_job_try": "x"}, TypeError),
    "on_conflict unknown": ("work", {"_on_conflict": "ignore"}, ValueError),
    "token empty": ("work", {"_token": ""}, ValueError),
    "token int": ("work", {"_token": 5}, TypeError),
    "request and arguments": (JobRequest("work"), {"a": 1}, TypeError),
}
"""A task, keyword arguments, and the error that they are refused with."""

BAD_NAMES: Final[Mapping[str, tuple[tuple[Any, ...], type[Exception]]]] = {
    "job_id empty": (("",), ValueError),
    "job_id int": ((5,), TypeError),
    "job_id None": ((None,), TypeError),
    "job_id control character": (("a\0b",), ValueError),
    "job_id surrogate": (("\udfff",), ValueError),
    "queue_name empty": (("conformance:k", ""), ValueError),
    "queue_name int": (("conformance:k", 5), TypeError),
    "queue_name of a key": (("conformance:k", "arq:result:q"), ValueError),
}
"""An id, perhaps a queue's name, and the error that they are refused with."""

BAD_QUEUES: Final[Mapping[str, tuple[Any, type[Exception]]]] = {
    "empty": ("", ValueError),
    "int": (5, TypeError),
    "of a key": ("arq:result:q", ValueError),
    "of a health check": ("q:health-check", ValueError),
}
"""A queue's name, and the error that it is refused with."""

BAD_BULKS: Final[Mapping[str, tuple[str, tuple[Any, ...], Mapping[str, Any], type[Exception]]]] = {
    "chunk_size zero": ("enqueue_many", ([],), {"chunk_size": 0}, ValueError),
    "chunk_size large": ("enqueue_many", ([],), {"chunk_size": 1001}, ValueError),
    "chunk_size str": ("enqueue_many", ([],), {"chunk_size": "5"}, TypeError),
    "one request": ("enqueue_many", (JobRequest("work"),), {}, TypeError),
    "no requests": ("enqueue_many", (["work"],), {}, EnqueueManyError),
    "one id": ("get_jobs_metadata", ("conformance:k",), {}, TypeError),
    "id empty": ("get_jobs_metadata", (["conformance:k", ""],), {}, ValueError),
    "id int": ("get_jobs_metadata", ([5],), {}, TypeError),
    "id and queue_name empty": ("get_jobs_metadata", ([], ""), {}, ValueError),
    "one id to wait for": ("as_completed", ("conformance:k",), {}, TypeError),
    "no ids to wait for": ("as_completed", (None,), {}, TypeError),
    "id to wait for empty": ("as_completed", (["conformance:k", ""],), {}, ValueError),
    "id to wait for int": ("as_completed", ([5],), {}, TypeError),
    "queue_name to wait in empty": ("as_completed", ([], ""), {}, ValueError),
    "status unknown": ("iter_jobs", (), {"status": "done"}, ValueError),
    "status int": ("iter_jobs", (), {"status": 5}, TypeError),
}
"""An operation on many jobs, its arguments, and the error that they are refused with."""

BAD_TIMEOUTS: Final[Mapping[str, tuple[Any, type[Exception]]]] = {
    "str": ("5", TypeError),
    "bool": (True, TypeError),
    "nan": (float("nan"), ValueError),
}
"""A time-out, and the error that it is refused with."""

UNSERIALIZABLE: Final = threading.Lock()
"""What no codec can encode."""


async def worker_function(_ctx: Mapping[str, Any], _number: int) -> None:
    """Stand for a function of a worker, which is always a coroutine function; it is never run."""
