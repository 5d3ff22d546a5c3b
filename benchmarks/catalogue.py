"""The subjects and the works: who is measured, doing what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]


@dataclass(frozen=True)
class Subject:
    """A client that is measured.

    Attributes:
        name: What the command line and the results call it.
        label: What tables and plots call it.
        environment: The virtual environment that it runs in, made by the Makefile.
        opener: The function that opens it, as ``module:function`` within ``benchmarks.subjects``.
        count: The command that counts the jobs it has enqueued.
        package: The package whose version is told beside it.
    """

    name: str
    label: str
    environment: str
    opener: str
    count: tuple[str, ...] = ("ZCARD", "arq:queue")
    package: str = "arqade"

    @property
    def python(self) -> Path:
        """The interpreter that runs it."""
        return ROOT / self.environment / "bin" / "python"


CORE: Final = ".venv-bench-core"
OTHERS: Final = ".venv-bench-others"
CAPPED: Final = ".venv-bench-capped"

SUBJECTS: Final = {
    subject.name: subject
    for subject in (
        Subject("arqade", "arqade", CORE, "arqade_queue:async_queue"),
        Subject("arqade-sync", "arqade (sync)", CORE, "arqade_queue:sync_queue"),
        Subject("arqade-newest", "arqade, newest redis-py", OTHERS, "arqade_queue:async_queue"),
        Subject(
            "arqade-sync-newest",
            "arqade (sync), newest redis-py",
            OTHERS,
            "arqade_queue:sync_queue",
        ),
        Subject("arq", "arq", CORE, "arq_pool:pool", package="arq"),
        Subject(
            "arq-run", "arq, asyncio.run for each", CORE, "arq_pool:a_loop_for_each", package="arq"
        ),
        Subject(
            "arq-thread", "arq, loop in a thread", CORE, "arq_pool:a_loop_in_a_thread",
            package="arq",
        ),
        Subject("safir-arq", "safir-arq", CORE, "safir_queue:queue", package="safir-arq"),
        Subject(
            "saq", "SAQ", CAPPED, "saq_queue:queue", ("ZCARD", "saq:default:incomplete"), "saq"
        ),
        Subject(
            "streaq", "streaQ", OTHERS, "streaq_worker:worker",
            ("XLEN", "streaq:default:queues:normal"), "streaq",
        ),
        Subject(
            "taskiq-list", "taskiq (list)", OTHERS, "taskiq_broker:list_broker",
            ("LLEN", "taskiq"), "taskiq",
        ),
        Subject(
            "taskiq-stream", "taskiq (stream)", OTHERS, "taskiq_broker:stream_broker",
            ("XLEN", "taskiq"), "taskiq",
        ),
        Subject("rq", "RQ", OTHERS, "rq_queue:queue", ("LLEN", "rq:queue:default"), "rq"),
        Subject("huey", "Huey", OTHERS, "huey_queue:queue", ("LLEN", "huey.redis.default"), "huey"),
        Subject(
            "dramatiq", "Dramatiq", OTHERS, "dramatiq_broker:broker",
            ("LLEN", "dramatiq:default"), "dramatiq",
        ),
        Subject("celery", "Celery", CAPPED, "celery_app:app", ("LLEN", "celery"), "celery"),
        Subject(
            "limit-async-client", "limit: redis.asyncio.Redis", CORE, "limits:async_client",
            package="redis",
        ),
        Subject(
            "limit-async-connection", "limit: redis.asyncio.Connection", CORE,
            "limits:async_connection", package="redis",
        ),
        Subject(
            "limit-protocol", "limit: asyncio.Protocol, hiredis", CORE, "limits:protocol",
            package="hiredis",
        ),
        Subject("limit-client", "limit: redis.Redis", CORE, "limits:client", package="redis"),
        Subject(
            "limit-connection", "limit: redis.Connection", CORE, "limits:connection",
            package="redis",
        ),
        Subject(
            "limit-socket", "limit: socket, bytes prepared", CORE, "limits:raw_socket",
            package="hiredis",
        ),
    )
}  # fmt: skip
"""All subjects, by their names."""


@dataclass(frozen=True)
class Size:
    """How much of a work is done.

    Attributes:
        rounds: Counted rounds; a warm-up goes before them.
        calls: Calls, or jobs, of each subject in a round.
    """

    rounds: int
    calls: int


@dataclass(frozen=True)
class Work:
    """Something that several subjects do, in interleaved rounds.

    Attributes:
        name: What the command line and the results call it.
        title: What tables call it.
        operation: The subject's operation.
        way: How the operation is called; see `benchmarks.agent`.
        subjects: The names of those that do it; the first is what the others are compared with.
        quick: How much of it by default.
        full: How much of it in the long run.
        payload: The job's.
        width: Tasks or threads that share the calls.
        full_only: Whether it is left out by default.
    """

    name: str
    title: str
    operation: str
    way: str
    subjects: tuple[str, ...]
    quick: Size
    full: Size
    payload: str = "small"
    width: int = 1
    full_only: bool = False

    @property
    def unit(self) -> str:
        """What is done so many times in a second."""
        return "reads" if self.operation in {"metadata", "result"} else "jobs"


_ASYNC = (
    "arqade", "arqade-newest", "arq", "safir-arq", "saq", "streaq", "taskiq-list", "taskiq-stream",
    "limit-async-client", "limit-async-connection", "limit-protocol",
)  # fmt: skip
_SYNC = (
    "arqade-sync", "arqade-sync-newest", "arq-run", "arq-thread", "rq", "huey", "dramatiq",
    "celery", "limit-client", "limit-connection", "limit-socket",
)  # fmt: skip
_CONCURRENT = tuple(
    name for name in _ASYNC if name not in {"limit-async-client", "limit-async-connection"}
)
_THREADS = tuple(name for name in _SYNC if name not in {"arq-run", "limit-socket"})
_BULK = ("arqade", "arqade-sync", "arqade-newest", "arq", "rq", "streaq")
_READING = ("arqade", "arqade-sync", "arq", "safir-arq")

WORKS: Final = {
    work.name: work
    for work in (
        Work(
            "enqueue-async", "Enqueue one by one, async", "enqueue", "one by one", _ASYNC,
            Size(21, 200), Size(41, 300),
        ),
        Work(
            "enqueue-async-10k", "Enqueue one by one, async, 10 KiB", "enqueue", "one by one",
            _ASYNC, Size(7, 200), Size(21, 300), "10k",
        ),
        Work(
            "enqueue-sync", "Enqueue one by one, sync", "enqueue", "one by one", _SYNC,
            Size(21, 200), Size(41, 300),
        ),
        Work(
            "enqueue-sync-10k", "Enqueue one by one, sync, 10 KiB", "enqueue", "one by one",
            _SYNC, Size(7, 200), Size(21, 300), "10k",
        ),
        Work(
            "async-100", "Enqueue from 100 concurrent callers, async", "enqueue", "tasks",
            _CONCURRENT, Size(11, 2000), Size(31, 4000), width=100,
        ),
        Work(
            "async-100-10k", "Enqueue from 100 concurrent callers, async, 10 KiB", "enqueue",
            "tasks", _CONCURRENT, Size(5, 2000), Size(15, 4000), "10k", 100, full_only=True,
        ),
        Work(
            "threads-8", "Enqueue from 8 threads, sync", "enqueue", "threads", _THREADS,
            Size(11, 800), Size(31, 1600), width=8,
        ),
        Work(
            "bulk", "Enqueue in bulk, results kept", "bulk", "whole", _BULK,
            Size(3, 100_000), Size(5, 100_000),
        ),
        Work(
            "bulk-10k", "Enqueue in bulk, results kept, 10 KiB", "bulk", "whole", _BULK,
            Size(3, 5_000), Size(5, 10_000), "10k", full_only=True,
        ),
        Work(
            "metadata", "Metadata of a finished job", "metadata", "one by one", _READING,
            Size(21, 200), Size(41, 300),
        ),
        Work(
            "result", "Result of a finished job", "result", "one by one", _READING,
            Size(21, 200), Size(41, 300),
        ),
    )
}  # fmt: skip
"""The works that are done in interleaved rounds, by their names."""

PUSHES: Final = {"push-1": 1, "push-1000": 1000}
"""How many callers wait for results at once, by the work's name."""

PUSH_SUBJECTS: Final = {
    "push-1": ("arqade", "arqade-sync", "arqade-newest", "arq"),
    "push-1000": ("arqade", "arqade-newest", "arq"),
}
"""Who waits for results."""

ALL_WORKS: Final = (*WORKS, *PUSHES, "memory", "stall", "import")
"""The names of all works, in the order of the report."""
