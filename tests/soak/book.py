"""What callers were told in a slice of the soak test, and whether it agrees with what is there."""

from __future__ import annotations

import contextlib
import itertools
import re
import threading
import time
import traceback
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from arqade import (
    ArqadeError,
    EnqueueManyError,
    EnqueueUncertain,
    JobNotFound,
    JobNotQueued,
    JobResultUnavailable,
)
from tests.faults.ledger import CANARY, COLUMNS, TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["CANARY", "Book", "Call", "Failover", "Found", "Pulse", "Stored", "table"]

AROUND = 15.0
"""Seconds before and after a failover whose jobs may be among those of the last moment."""

FEW = 5
"""Jobs that any failover may cost those who may lose some; else it is 2 % of those around it."""

TELLING = 20
"""Problems that are told in full."""

TOKEN = re.compile(r"\b[0-9a-f]{32}\b")

START = time.monotonic()
"""What all times in messages count from."""


class Stored(NamedTuple):
    """A job that the server holds."""

    number: int
    enqueue_time: int
    score: int
    is_running: bool
    """Whether a worker has claimed it."""


class Found(NamedTuple):
    """All that is there after a slice."""

    present: dict[str, Stored]
    runs: Counter[str]
    """How often a worker has started each job."""
    results: dict[str, int]
    """The numbers of the jobs whose results are kept."""
    tokens: set[str]
    """Those of the markers."""
    problems: list[str]


class Failover(NamedTuple):
    """A time in which another server may have become the primary."""

    begin: float
    end: float
    is_clear: bool
    """Whether clients could reach all sentinels, and so know of it in time."""

    def is_near(self, moment: float) -> bool:
        """Tell whether a job of this moment may be one of the last."""
        return self.begin - AROUND <= moment <= self.end + AROUND


class Call:
    """One job that was to be enqueued, and what its caller was told.

    Args:
        who: World, API and operation: the row of the table.
        number: The job's number, which no other one has.
        job_id: The id that was asked for.
        queue_name: Its queue.
        task: What the worker is to do.
        policy: What to do about a job with the same id.
        is_durable: Whether all replicas must have it.
        is_shared: Whether other callers use the same id.
    """

    def __init__(
        self,
        who: str,
        number: int,
        *,
        job_id: str | None = None,
        queue_name: str = "",
        task: str = "echo",
        policy: str = "raise",
        is_durable: bool = False,
        is_shared: bool = False,
    ) -> None:
        self.who = who
        self.number = number
        self.job_id = job_id
        self.queue_name = queue_name
        self.task = task
        self.policy = policy
        self.is_durable = is_durable
        self.is_shared = is_shared
        self.outcome = "cancelled"
        self.removed = ""
        """Whether it was cancelled: "yes", "maybe" or "". """
        self.is_deleted = False
        """Whether its result may be deleted."""
        self.told: tuple[int, int] | None = None
        """Enqueue time and score, in ms."""
        self.token: str | None = None
        self.error = ""
        self.began = self.ended = time.monotonic()

    def __repr__(self) -> str:
        marks = [f"{self.began - START:.2f}-{self.ended - START:.2f} s", self.who, self.outcome]
        marks += [f"job {self.number} {self.job_id} in {self.queue_name}", self.policy]
        marks += ["all-replicas"] * self.is_durable + [self.task, self.error[:300]]
        marks += [f"removed: {self.removed}"] * bool(self.removed)
        return f"<{', '.join(filter(None, marks))}>"


class Pulse:
    """Notices when the machine has no time for this process."""

    PERIOD = 0.05

    def __init__(self) -> None:
        self._stalls: list[tuple[float, float]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        before = time.monotonic()
        while not self._over.wait(self.PERIOD):
            now = time.monotonic()
            if now - before > 2 * self.PERIOD:
                self._stalls = [*self._stalls[-1000:], (before + self.PERIOD, now)]
            before = now

    def stalled(self, begin: float, end: float) -> float:
        """Tell for how many of the seconds between two moments nothing went on."""
        stalls = self._stalls
        return sum(max(min(end, stop) - max(begin, start), 0) for start, stop in stalls)

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


class Book:
    """The calls of one world.

    Args:
        world: Its name.
        secrets: What no message may have in it.
        pulse: Who knows when calls could not go on.
    """

    def __init__(self, world: str, *, secrets: Sequence[str], pulse: Pulse) -> None:
        self.world = world
        self.rows: dict[str, Counter[str]] = {}
        self.calls: list[Call] = []
        """The jobs of this slice."""
        self.problems: list[str] = []
        self.failovers: list[Failover] = []
        """Those of this slice."""
        self.total = 0
        """How many operations there were in all."""
        self.cost: dict[int, int] = {}
        """Jobs of this slice that failovers have cost those who may lose some, by their numbers."""
        self._numbers = itertools.count(1)
        self._secrets = (CANARY, *secrets)
        self._pulse = pulse
        self._words: set[str] = set()
        """What looks like a token in messages."""
        self._lock = threading.Lock()

    # --- what happens -------------------------------------------------------------------

    def number(self) -> int:
        """Give the next job's number."""
        return next(self._numbers)

    def add(self, call: Call) -> Call:
        """Write down a job before it is enqueued."""
        with self._lock:
            self.calls.append(call)
        return call

    def count(self, who: str, column: str, problem: str = "") -> None:
        """Add to the table."""
        with self._lock:
            self.rows.setdefault(who, Counter())[column] += 1
            if problem:
                self.problems.append(f"{column}: {problem}")

    def problem(self, text: str) -> None:
        """Note what must not be."""
        with self._lock:
            self.problems.append(text)

    @contextlib.contextmanager
    def calling(self, who: str, budget: float, *calls: Call) -> Iterator[None]:
        """Time an operation, and write down what its caller is told.

        Args:
            who: The row of the table.
            budget: Seconds that it may take.
            *calls: The job or jobs that it enqueues.
        """
        begin = time.monotonic()
        for call in calls:
            call.began = begin
        column = ""
        try:
            yield
        except (JobNotFound, JobResultUnavailable, TimeoutError) as error:
            column = "ok"
            self.hear(error)
        except ArqadeError as error:
            column = "ok" if isinstance(error, JobNotQueued) else "raised"
            text = self.hear(error)
            for call in calls:
                call.error = text
            self._note(error, calls)
        except Exception as error:  # noqa: BLE001 - that there is none is what is tested
            column = "raised"
            text = "".join(traceback.format_exception(error))
            for call in calls:
                call.outcome = "escaped"
            self.problem(f"escaped: from {who}: {text[-1500:]}")
        else:
            column = "ok"
        finally:
            self._end(who, budget, begin, calls)
            if column:
                self.count(who, column)

    def _end(self, who: str, budget: float, begin: float, calls: Sequence[Call]) -> None:
        end = time.monotonic()
        for call in calls:
            call.ended = end
        with self._lock:
            self.total += 1
        late = end - begin - budget - TOLERANCE
        if late > 0 and late > self._pulse.stalled(begin, end):
            took = f"took {end - begin:.2f} s of {budget:.2f} s until {end - START:.2f}"
            self.count(who, "hung", f"{who} {took} {calls}")

    def _note(self, error: ArqadeError, calls: Sequence[Call]) -> None:
        if isinstance(error, EnqueueManyError):
            return  # Its lists tell what became of each job.
        for call in calls:
            if isinstance(error, EnqueueUncertain):
                call.outcome, call.token = "uncertain", error.token
                if call.job_id not in (None, error.job_id):
                    self.problem(f"crossed: {call} was told of {error.job_id}")
                call.job_id = error.job_id
            else:
                call.outcome = "exists" if isinstance(error, JobNotQueued) else "refused"

    def hear(self, error: BaseException) -> str:
        """Look for secrets in all that an error says, and give its message."""
        self.read("".join([repr(error), *traceback.format_exception(error)]))
        # What holds the stack would hold the sockets, too.
        error.__traceback__ = None
        return f"{type(error).__name__}: {error}"

    def read(self, text: str) -> None:
        """Look for secrets in a text."""
        words = TOKEN.findall(text)
        with self._lock:
            self._words.update(words)
        for secret in self._secrets:
            if secret in text:
                self.problem(f"a secret was told, here as ***: {text.replace(secret, '***')}")

    # --- the audit ----------------------------------------------------------------------

    def audit(self, found: Found) -> None:
        """Compare what callers were told with what is there, and begin a new slice."""
        self.problems += found.problems
        self.cost = {}
        leaked = self._words & {*found.tokens, *(call.token for call in self.calls if call.token)}
        if leaked:
            self.problem(f"a token was told: {leaked}")
        self._audit_numbers(found)
        groups: dict[str, list[Call]] = defaultdict(list)
        for call in self.calls:
            if call.job_id is not None:
                groups[call.job_id].append(call)
        self._audit_strays(found, groups)
        for job_id, group in groups.items():
            self._audit_group(job_id, group, found)
        self._audit_failovers()
        self.calls, self._words, self.failovers = [], set(), []

    def _audit_numbers(self, found: Found) -> None:
        """See that each job that is there is that of a call that may have made it."""
        by_number = {call.number: call for call in self.calls}
        there = [(number, job_id) for job_id, number in found.results.items()]
        there += [(stored.number, job_id) for job_id, stored in found.present.items()]
        for number, job_id in there:
            call = by_number.get(number)
            if call is None:
                self.problem(f"crossed: job {job_id} with number {number} is no call's")
                continue
            if call.job_id is None:
                call.job_id = job_id
            if call.job_id != job_id:
                self.count(call.who, "double", f"{call} is there as {job_id}, too")
            elif call.outcome == "refused":
                self.problem(f"refused, but there: {call}")
            elif call.outcome in ("exists", "existing"):
                self.count(call.who, "crossed", f"the job is the caller's own: {call}")
            stored = found.present.get(job_id)
            if stored and stored.number == number and call.told not in (None, stored[1:3]):
                self.count(call.who, "crossed", f"{call} was told {call.told}, but is {stored}")

    def _audit_strays(self, found: Found, groups: dict[str, list[Call]]) -> None:
        """See that jobs of which only their runs are known may be those of cancelled callers."""
        strays = found.runs.keys() - groups.keys()
        cancelled = [
            call for call in self.calls if call.job_id is None and call.outcome == "cancelled"
        ]
        if len(strays) > len(cancelled):
            self.problem(f"{len(strays)} jobs ran that are no call's: {sorted(strays)[:TELLING]}")
        for job_id in strays:
            if found.runs[job_id] > 1:
                self.problem(f"double: {job_id} ran {found.runs[job_id]} times")

    def _audit_group(self, job_id: str, group: list[Call], found: Found) -> None:
        """See that as many jobs with an id were made as callers were told."""
        created = [call for call in group if call.outcome == "ok"]
        maybe = [call for call in group if call.outcome in ("uncertain", "cancelled", "escaped")]
        replaced = any(call.policy == "replace" for call in group)
        surely = sum(call.removed == "yes" for call in group)
        perhaps = sum(call.removed == "maybe" for call in group)
        low = min(len(created), 1) if replaced else len(created)
        low = max(low - surely - perhaps, 0)
        high = len(created) + len(maybe) - surely
        stored = found.present.get(job_id)
        runs = found.runs[job_id]
        number = runs + (stored is not None and not (runs and stored.is_running))
        # With many callers of an id, the first one who may have lost something stands for all.
        answerable = next((call for call in created if self._may_lose(call)), group[0])
        excused = self._may_lose(answerable)
        evidence = f"{job_id} was made {number} times, not {low} to {high}: {group[:TELLING]}"
        if number < low:
            self.count(answerable.who, "lost", "" if excused else f"{stored} {evidence}")
            if excused:
                self.cost[answerable.number] = low - number
        elif number > high and not (surely and self._is_near_failover(group[0])):
            self.count(answerable.who, "double", f"{stored} {evidence}")
        elsewhere = created or maybe
        for call in group:
            if call.outcome in ("exists", "existing") and not elsewhere:
                self.count(call.who, "lost", f"there is no other job: {call} {group[:TELLING]}")

    def _may_lose(self, call: Call) -> bool:
        return not call.is_durable and self._is_near_failover(call)

    def _is_near_failover(self, call: Call, *, clear: bool = False) -> bool:
        near = [failover for failover in self.failovers if failover.is_near(call.ended)]
        return bool(near) and all(failover.is_clear for failover in near if clear)

    def _audit_failovers(self) -> None:
        """See that failovers cost no more than the jobs of the last moment."""
        limited = [
            call
            for call in self.calls
            if not call.is_durable and self._is_near_failover(call, clear=True)
        ]
        near = sum(call.outcome == "ok" for call in limited)
        cost = sum(self.cost.get(call.number, 0) for call in limited)
        if cost > max(near * 0.02, FEW):
            self.problem(f"lost: failovers cost {cost} of {near} jobs around them")

    def told(self) -> list[str]:
        """Give the first of the problems."""
        more = len(self.problems) - TELLING
        return self.problems[:TELLING] + [f"... and {more} more"] * (more > 0)


def table(books: Sequence[Book]) -> list[str]:
    """Give the lines of the table."""
    rows = {who: counts for book in books for who, counts in sorted(book.rows.items())}
    width = max(map(len, [*rows, "what"]))
    lines = [f"{'what':{width}}" + "".join(f"{name:>9}" for name in COLUMNS)]
    lines += [
        f"{who:{width}}" + "".join(f"{counts[name]:>9}" for name in COLUMNS)
        for who, counts in rows.items()
    ]
    return lines
