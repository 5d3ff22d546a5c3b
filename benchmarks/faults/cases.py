"""One client under one fault: calls one by one, and the audit."""

from __future__ import annotations

import contextlib
import json
import random
import select
import subprocess
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from tests.harness.fault_proxy import FaultProxy, held_until

from benchmarks.catalogue import ROOT
from benchmarks.faults.audit import image, jobs_there, number_of, verdict
from benchmarks.faults.catalogue import CHANCE, OUTAGE
from benchmarks.faults.workers import RAN
from benchmarks.processes import Skipped, SubjectProcess, start_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis
    from tests.harness.fault_proxy import Fault, Operation

    from benchmarks.faults.catalogue import Case, Subject

Message = dict[str, Any]

HANG: Final = 15.0
"""Seconds without an answer after which a call counts as hung, and its process is killed."""

HANGS: Final = 3
"""So many hung calls are enough."""

OPENING: Final = 60.0
"""Seconds for a process to start and to open its client."""

SETTLING: Final = 5.0
"""Seconds for a worker to run what waits."""

MOMENT: Final = 0.006
"""The longest time until a call is cancelled, in seconds."""

ALONE: Final = frozenset({b"EVALSHA", b"EVAL", b"FCALL", b"LPUSH", b"XADD"})
"""Commands with which clients enqueue."""

WRITES: Final = frozenset({b"ZADD", b"RPUSH"})
"""Commands within the transactions with which clients enqueue."""

COMMANDS: Final = ALONE | WRITES | {b"MULTI", b"EXEC", b"WATCH", b"EXISTS", b"GET", b"ZSCORE"}
"""All that clients send while they enqueue."""


class Strikes:
    """The plan of the proxy: which request a fault strikes.

    A transaction is one request, struck at its end: nothing of it is done before. One caller is
    on its way at a time, so that the requests of all connections make one sequence.

    Args:
        faults: What may strike.
        every: Whether any request may be struck, by chance; else one that enqueues is, if armed.
        then: What strikes the next requests that enqueue.
    """

    def __init__(
        self, faults: tuple[Fault, ...], *, every: bool, then: Fault | None = None
    ) -> None:
        self.armed = False
        self._faults = faults
        self._every = every
        self._then = then
        self._dice = random.Random(8)  # noqa: S311 - it guards nothing
        self._is_open = self._writes = False

    def __call__(self, operation: Operation) -> Fault | None:
        """Give the fault that strikes a command."""
        name = operation.words[0].upper()
        if name == b"MULTI":
            self._is_open, self._writes = True, False
            return None
        if self._is_open and name != b"EXEC":
            self._writes = self._writes or name in WRITES
            return None
        enqueues = self._writes if name == b"EXEC" else self._is_enqueue(name, operation.words)
        self._is_open = self._writes = False
        return self._strike(enqueues=enqueues)

    @staticmethod
    def _is_enqueue(name: bytes, words: list[bytes]) -> bool:
        # Dramatiq calls a script without keys when it starts.
        return name in ALONE and not (name == b"EVALSHA" and words[2] == b"0")

    def _strike(self, *, enqueues: bool) -> Fault | None:
        if self._every:
            return self._choose() if self._dice.random() < CHANCE else None
        if not (enqueues and self._faults):
            return None
        if not self.armed:
            return self._then
        self.armed = False
        return self._choose()

    def _choose(self) -> Fault:
        return self._dice.choice(self._faults)


class Caller(SubjectProcess):
    """A client in a process of its own.

    Args:
        subject: The client.
        url: The proxy before its server.

    Raises:
        Skipped: It could not be opened.
    """

    patience = 0.0
    """A client that hangs does not end by itself."""

    def __init__(self, subject: Subject, url: str) -> None:
        super().__init__(subject, "benchmarks.faults.agent", f"benchmarks.{subject.opener}")
        self.hello = self._ask({"url": url}, OPENING)
        if "packages" not in self.hello:
            said = self.last_said()
            self.close()
            raise Skipped(f"it could not be opened: {said}")

    def call(self, number: int, *, read: bool = False, cancel: float | None = None) -> Message:
        """Enqueue a job, and give what the caller is told.

        Args:
            number: The call's number.
            read: Whether to ask for the job afterwards.
            cancel: Seconds after which the call is cancelled.
        """
        return self._ask({"image": image(number), "read": read, "cancel": cancel}, HANG)

    def _ask(self, request: Message, patience: float) -> Message:
        assert self._process.stdout is not None  # noqa: S101 - for the type checkers
        self.send(request)
        if not select.select([self._process.stdout], [], [], patience)[0]:
            return {"told": "hung", "error": ""}
        line = self._process.stdout.readline()
        answer: Message = json.loads(line) if line else {"told": "died", "error": self.last_said()}
        return answer

    def last_said(self) -> str:
        """Give the last of what it wrote to its standard error."""
        return (self.said().splitlines() or ["nothing was said"])[-1][:200]


class Run:
    """The calls of one client under one fault.

    Args:
        subject: The client.
        case: What goes wrong.
        proxy: What it talks to.
        client: A client of the harness's own, direct to the server.
    """

    def __init__(
        self, subject: Subject, case: Case, proxy: FaultProxy, client: redis.Redis
    ) -> None:
        self.subject = subject
        self.case = case
        self.proxy = proxy
        self.client = client
        self.now = 0
        """The number of the call that is on its way."""
        then = held_until(lambda _: self.runs()[self.now]) if case.with_worker else None
        self.strikes = Strikes(case.strikes(subject), every=case.every, then=then)
        self.told: dict[int, Message] = {}
        self.longest = 0.0
        self.connections = 0
        self.packages: dict[str, str] = {}
        self._moments = random.Random(7)  # noqa: S311 - as above

    def make_calls(self, count: int) -> None:
        """Make calls until there are enough of them, or of hung ones."""
        numbers = iter(range(1, count + 1))
        # A number of its own for each call that is made beside those that are judged.
        others = iter(range(1_000_000, 2_000_000))
        while not self._is_enough(count):
            with Caller(self.subject, self.proxy.url) as caller:
                self.packages = caller.hello["packages"]
                # Connections and scripts are there before anything goes wrong; a worker, too.
                self.now = next(others)
                caller.call(self.now)
                if self.case.with_worker:
                    self._wait_for(lambda: self.runs()[self.now], OPENING)
                    if not self.runs()[self.now]:
                        raise Skipped("its worker runs nothing")
                self._go_on(caller, numbers, others)
                self.connections = self.proxy.open
            self.proxy.plan = None

    def _is_enough(self, count: int) -> bool:
        return len(self.told) >= count or self._count("hung") >= HANGS

    def _count(self, told: str) -> int:
        return sum(answer["told"] == told for answer in self.told.values())

    def _go_on(self, caller: Caller, numbers: Iterator[int], others: Iterator[int]) -> None:
        """Make calls with one process, until it hangs."""
        self.proxy.plan = self.strikes
        for number in numbers:
            if self.case.for_async:
                self.strikes.armed = True
                caller.call(next(others), cancel=self._moments.uniform(0, MOMENT))
            self.now = number
            self.strikes.armed = True
            start = time.monotonic()
            with self._outage():
                answer = caller.call(number, read=self.case.is_slow)
                took = time.monotonic() - start
            self.told[number] = answer
            if answer["told"] in {"hung", "died"}:
                return
            self.longest = max(self.longest, took)

    @contextlib.contextmanager
    def _outage(self) -> Iterator[None]:
        if self.case.name != "away":
            yield
            return
        self.proxy.away()
        back = threading.Timer(OUTAGE, self.proxy.back)
        back.start()
        try:
            yield
        finally:
            back.join()

    def runs(self) -> Counter[int]:
        """Count the runs of each call's job."""
        found: Any = self.client.lrange(RAN, 0, -1)
        return Counter(number_of(ran) for ran in found)

    @staticmethod
    def _wait_for(condition: Callable[[], object], patience: float) -> None:
        """Wait until something has come to pass, or for so many seconds."""
        end = time.monotonic() + patience
        while not condition() and time.monotonic() < end:
            time.sleep(0.02)

    def judge(self) -> Message:
        """Compare what callers were told with the jobs that are there, or have run."""
        if self.case.with_worker:
            self._wait_for(lambda: not jobs_there(self.subject.jobs, self.client), SETTLING)
            # The last one is no longer waiting, and its run may not be noted yet.
            time.sleep(1)
            there = self.runs()
        else:
            there = jobs_there(self.subject.jobs, self.client)
        verdicts: Counter[str] = Counter()
        errors: Counter[str] = Counter()
        for number, answer in self.told.items():
            crossed = "read" in answer and image(number) not in answer["read"]
            verdicts[verdict(answer["told"], there[number], crossed=crossed)] += 1
            if answer["error"]:
                errors[answer["error"]] += 1
        return {
            "calls": len(self.told),
            "verdicts": dict(verdicts),
            "errors": dict(errors),
            "longest": self.longest,
            "connections": self.connections,
            "struck": sum(self.proxy.struck.values()),
        }


def run_case(subject: Subject, case: Case, calls: int) -> tuple[Message, dict[str, str]]:
    """Run a client under a fault; give what came of it, and its packages.

    Args:
        subject: The client.
        case: What goes wrong.
        calls: How many calls are made, of which a case takes its share.

    Raises:
        Skipped: The client can't do it.
    """
    if case.for_async and not subject.is_async:
        raise Skipped("a blocking call can't be cancelled")
    if case.with_worker and not subject.worker:
        raise Skipped("no worker of it is run here")
    with (
        start_server() as server,
        FaultProxy(server.url, commands=COMMANDS) as proxy,
        _worker(subject, case, server.url),
    ):
        run = Run(subject, case, proxy, server.client)
        run.make_calls(max(round(calls * case.share), 1))
        return run.judge(), run.packages


@contextlib.contextmanager
def _worker(subject: Subject, case: Case, url: str) -> Iterator[None]:
    """Run the client's worker, if it is part of the case; it talks to the server itself."""
    if not case.with_worker:
        yield
        return
    with subprocess.Popen(  # noqa: S603 - our own modules
        [subject.python, "-m", f"benchmarks.faults.workers.{subject.worker}", url],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield
        finally:
            process.kill()
