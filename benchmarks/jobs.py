"""The jobs that are enqueued, and what a stock arq worker makes of them."""

from __future__ import annotations

import pickle
import random
import string
import time
from typing import Any, Final

TASK: Final = "resize"
KWARGS: Final[dict[str, Any]] = {"width": 300}
QUEUE: Final = "arq:queue"
KEEP_MS: Final = 3_600_000
"""How long a stock worker keeps a result."""

# Text, since some clients speak JSON; random, since rq compresses what it stores.
_RANDOM = random.Random(4)  # noqa: S311 - it guards nothing
_TEXT: Final = "".join(_RANDOM.choices(string.ascii_letters + string.digits, k=10_240))

PAYLOADS: Final[dict[str, tuple[Any, ...]]] = {"small": ("cat.png",), "10k": (_TEXT,)}
"""The positional arguments of a job, by the payload's name."""


def job_bytes() -> bytes:
    """Make a job, as arq stores it."""
    envelope = {"t": None, "f": TASK, "a": ("cat.png",), "k": KWARGS, "et": _now()}
    return pickle.dumps(envelope)


def result_bytes(job_id: str) -> bytes:
    """Make the result of a job, as a stock worker stores it."""
    now = _now()
    envelope = {
        "t": 1, "f": TASK, "a": ("cat.png",), "k": KWARGS, "et": now, "s": True,
        "r": "cat-300.png", "st": now, "ft": now, "q": QUEUE, "id": job_id,
    }  # fmt: skip
    return pickle.dumps(envelope)


def add_job_commands(job_id: str) -> list[tuple[Any, ...]]:
    """Give the commands that make a job."""
    return [
        ("SET", f"arq:job:{job_id}", job_bytes(), "PX", 86_400_000),
        ("ZADD", QUEUE, _now(), job_id),
    ]


def finish_job_commands(job_id: str) -> list[tuple[Any, ...]]:
    """Give the commands with which a stock worker ends a job (arq's Worker.finish_job)."""
    return [
        ("MULTI",),
        ("SET", f"arq:result:{job_id}", result_bytes(job_id), "PX", KEEP_MS),
        ("ZREM", "arq:abort", job_id),
        ("ZREM", QUEUE, job_id),
        ("DEL", f"arq:in-progress:{job_id}", f"arq:retry:{job_id}", f"arq:job:{job_id}"),
        ("EXEC",),
    ]


def _now() -> int:
    return time.time_ns() // 1_000_000
