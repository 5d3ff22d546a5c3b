"""Who is tested under which faults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.harness.fault_proxy import (
    HOLE_AFTER,
    HOLE_BEFORE,
    LOST,
    REPLY_RESET,
    REQUEST_RESET,
    Fault,
    late,
)

from benchmarks.catalogue import CAPPED, CORE, OTHERS, ROOT

if TYPE_CHECKING:
    from pathlib import Path


WORKERS: Final = frozenset({"arq", "saq", "streaq"})
"""Whose workers are in `benchmarks.faults.workers`: of clients that know a job by its id."""


@dataclass(frozen=True)
class Subject:
    """A client with its settings.

    Attributes:
        name: What the command line and the results call it.
        label: What tables call it.
        environment: The virtual environment that it runs in, made by the Makefile.
        opener: The function that opens it, as ``module:function`` within ``benchmarks``.
        jobs: How its jobs lie on the server; see `benchmarks.faults.audit`.
        timeout: Seconds that it waits for a reply; None if it waits for ever.
        is_async: Whether it is for async code.
    """

    name: str
    label: str
    environment: str
    opener: str
    jobs: str
    timeout: float | None = None
    is_async: bool = False

    @property
    def python(self) -> Path:
        """The interpreter that runs it."""
        return ROOT / self.environment / "bin" / "python"

    @property
    def worker(self) -> str | None:
        """The module of the worker that runs its jobs, if there is one here."""
        return f"{self.jobs}_worker" if self.jobs in WORKERS else None


SUBJECTS: Final = {
    subject.name: subject
    for subject in (
        Subject(
            "arqade-async", "arqade", CORE, "subjects.arqade_queue:async_queue", "arq", 5, True
        ),
        Subject("arqade-sync", "arqade (sync)", CORE, "subjects.arqade_queue:sync_queue", "arq", 5),
        Subject("arq", "arq", CORE, "subjects.arq_pool:pool", "arq", None, True),
        Subject(
            "arq-retries", "arq, retries", CORE, "faults.subjects.arq_pool:with_retries", "arq",
            None, True,
        ),
        Subject(
            "arq-timeout", "arq, retries and time-out", CORE,
            "faults.subjects.arq_pool:with_timeout", "arq", 1, True,
        ),
        Subject("safir-arq", "safir-arq", CORE, "subjects.safir_queue:queue", "arq", None, True),
        Subject("saq", "SAQ", CAPPED, "subjects.saq_queue:queue", "saq", None, True),
        Subject(
            "saq-timeout", "SAQ, time-out", CAPPED, "faults.subjects.saq_queue:with_timeout",
            "saq", 1, True,
        ),
        Subject(
            "saq-retries", "SAQ, retries and time-out", CAPPED,
            "faults.subjects.saq_queue:with_retries", "saq", 1, True,
        ),
        Subject("streaq", "streaQ", OTHERS, "subjects.streaq_worker:worker", "streaq", None, True),
        Subject(
            "streaq-timeout", "streaQ, time-out", OTHERS,
            "faults.subjects.streaq_worker:with_timeout", "streaq", 1, True,
        ),
        Subject(
            "taskiq", "taskiq (list)", OTHERS, "subjects.taskiq_broker:list_broker", "taskiq",
            5, True,
        ),
        Subject("rq", "RQ, `Redis()`", OTHERS, "faults.subjects.rq_queue:with_client", "rq", 5),
        Subject("rq-url", "RQ, `Redis.from_url()`", OTHERS, "subjects.rq_queue:queue", "rq", 5),
        Subject("huey", "Huey", OTHERS, "subjects.huey_queue:queue", "huey", 5),
        Subject(
            "dramatiq", "Dramatiq, `host=`", OTHERS, "faults.subjects.dramatiq_broker:with_host",
            "dramatiq", 5,
        ),
        Subject(
            "dramatiq-url", "Dramatiq, `url=`", OTHERS, "subjects.dramatiq_broker:broker",
            "dramatiq", 5,
        ),
        Subject("celery", "Celery", CAPPED, "subjects.celery_app:app", "celery"),
        Subject(
            "celery-no-retries", "Celery, no retries", CAPPED,
            "faults.subjects.celery_app:without_retries", "celery",
        ),
        Subject(
            "celery-timeout", "Celery, time-out", CAPPED,
            "faults.subjects.celery_app:with_timeout", "celery", 1,
        ),
    )
}  # fmt: skip
"""All clients, by their names."""

PATIENCE: Final = 2.0
"""Seconds by which a reply is late for a client that waits for ever."""

OUTAGE: Final = 2.0
"""Seconds that the server is away."""


@dataclass(frozen=True)
class Case:
    """What goes wrong.

    Attributes:
        name: What the command line and the results call it.
        title: What tables call it.
        text: What happens, in a sentence.
        share: How many calls are made of each, of all that the command line asks for.
        is_slow: Whether its table is that of answers that do not come.
        faults: What strikes a request; none for what is done otherwise.
        every: Whether a fault strikes any request, with the chance `CHANCE`; else it strikes
            the request that enqueues, once for each call.
        for_async: Whether it needs a call that can be cancelled.
        with_worker: Whether a worker runs the jobs, and a second attempt waits until it has.
    """

    name: str
    title: str
    text: str
    share: float = 1.0
    is_slow: bool = False
    faults: tuple[Fault, ...] = ()
    every: bool = False
    for_async: bool = False
    with_worker: bool = False

    def strikes(self, subject: Subject) -> tuple[Fault, ...]:
        """Give the faults for a client; how late a reply is depends on its patience."""
        if self.name == "late-reply":
            return (late(PATIENCE if subject.timeout is None else subject.timeout + 0.5),)
        return self.faults


CHANCE: Final = 0.1
"""With which a fault strikes any request."""

CASES: Final = {
    case.name: case
    for case in (
        Case(
            "request-lost", "request lost",
            "The connection is reset before the server has got the request.",
            faults=(REQUEST_RESET,),
        ),
        Case(
            "reply-lost", "reply lost",
            "The server has done it; the connection is reset before the reply is passed on.",
            faults=(REPLY_RESET,),
        ),
        Case(
            "ran", "reply lost, job run at once",
            "As before; and a worker runs the job before the client's second attempt arrives.",
            0.4, faults=(REPLY_RESET,), with_worker=True,
        ),
        Case(
            "frames", "10 % of requests faulty",
            "One request in ten, chosen at random, or its reply is lost: the connection is reset, "
            "closed, or cut in the middle of a request or reply.",
            4, faults=LOST, every=True,
        ),
        Case(
            "away", "server away for 2 s",
            "Connections break and are refused for two seconds, from just before the call.",
            0.2,
        ),
        Case(
            "hole-before", "request unanswered",
            "The request vanishes, and the connection stays open: nothing comes back.",
            0.2, True, (HOLE_BEFORE,),
        ),
        Case(
            "hole-after", "reply vanishes",
            "The server has done it; its reply vanishes, and the connection stays open.",
            0.2, True, (HOLE_AFTER,),
        ),
        Case(
            "late-reply", "reply late",
            "The reply comes half a second after the client's time-out; or after two seconds for "
            "a client that has none.",
            0.2, True,
        ),
        Case(
            "cancelled", "caller cancelled",
            "A call is cancelled at a random moment; the next one is what is judged.",
            1, True, (late(0.001), late(0.003)), for_async=True,
        ),
    )
}  # fmt: skip
"""All faults, by their names."""
