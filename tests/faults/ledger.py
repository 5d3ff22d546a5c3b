"""What callers were told, and what came of it: the audit after every fault, and the table."""

from __future__ import annotations

import contextlib
import os
import pickle
import threading
import time
import traceback
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from arqade import ArqadeError, EnqueueUncertain, JobNotQueued
from tests.harness.canary import CANARY
from tests.harness.states import QUEUE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import redis

    from arqade import EnqueueManyError
    from arqade.models import JobMetadata
    from tests.harness.fault_proxy import Fault

__all__ = ["CANARY", "FAULTS", "LONG", "ROWS", "Call", "Ledger", "kinds", "long_only", "table"]

FAULTS = int(os.environ.get("ARQADE_FAULTS", "50"))
"""How often each fault strikes."""

MANY = 100
"""With more faults than that, what waits for time to pass waits for long."""

LONG = FAULTS > MANY
"""Whether this is the long run: then rows are not taken together, and outages last."""

long_only = pytest.mark.skipif(not LONG, reason="takes long: with ARQADE_FAULTS=500")
"""Marks a test of the long run."""

TOLERANCE = 0.5 if LONG else 1.0
"""Seconds by which a call may outlast its budget; in the short run others share the machine."""

REFUSED = 2.0 if LONG else 1.0
"""Seconds after which a job whose caller was refused must still be absent."""

COLUMNS = ("ok", "raised", "lost", "double", "hung", "crossed")

READER = "reader"
"""Who makes the calls that read."""

ROWS: dict[str, Counter[str]] = {}
"""The table: for each fault and API how often what happened."""


class Stored(NamedTuple):
    """A job that the server holds."""

    job_id: str
    enqueue_time: int
    score: int
    owner: str


class Call:
    """One call, and what came of it.

    Args:
        number: The number of the job.
        owner: Which of the callers of this number makes it.
    """

    def __init__(self, number: int, owner: str) -> None:
        self.number = number
        self.owner = owner
        self.outcome = "cancelled"
        self.job: JobMetadata[Any] | None = None
        self.error: ArqadeError | None = None
        self.took = 0.0
        self.ended = 0.0

    def __repr__(self) -> str:
        return f"<{self.number}{self.owner} {self.outcome} {self.took:.2f} s {self.error!r}>"


class Ledger:
    """The calls under one fault.

    Args:
        row: The fault's name, for the table.
        budget: Seconds that a call may take.
        secrets: What no message may have in it.
    """

    def __init__(self, row: str, *, budget: float, secrets: Sequence[str]) -> None:
        self.budget = budget
        self.calls: list[Call] = []
        self.texts: list[str] = []
        """All that the errors said."""
        self.problems: list[str] = []
        self._counts = ROWS.setdefault(row, Counter())
        self._secrets = (CANARY, *secrets)
        self._lock = threading.Lock()
        self._jobs: dict[int, JobMetadata[Any]] = {}

    # --- what happens -------------------------------------------------------------------

    @contextlib.contextmanager
    def calling(
        self, number: int, owner: str = "", *, budget: float | None = None
    ) -> Iterator[Call]:
        """Time a call that enqueues, and write down what its caller is told.

        Args:
            number: The job's number, its second argument after the canary.
            owner: Which caller this is; the third argument.
            budget: Seconds that this call may take.
        """
        call = Call(number, owner)
        with self._lock:
            self.calls.append(call)
        start = time.monotonic()
        try:
            yield call
        except ArqadeError as error:
            if isinstance(error, JobNotQueued):
                call.outcome = "exists"
            else:
                call.outcome = "uncertain" if isinstance(error, EnqueueUncertain) else "refused"
            call.error = error
            self._note(error)
        except Exception as error:  # noqa: BLE001 - that there is none is what is tested
            call.outcome = "escaped"
            self._note(error)
            self.problem(f"{error!r} escaped from {call}")
        else:
            call.outcome = "ok"
            if call.job is not None:
                self._jobs[number] = call.job
        finally:
            call.ended = time.monotonic()
            call.took = call.ended - start
            if call.took > (self.budget if budget is None else budget) + TOLERANCE:
                self.count("hung", f"{call} took too long")

    def reading(
        self, number: int, *, budget: float | None = None
    ) -> contextlib.AbstractContextManager[Call]:
        """Time a call that reads."""
        return self.calling(number, READER, budget=budget)

    def settle_many(
        self,
        found: Sequence[JobMetadata[Any] | None] = (),
        error: EnqueueManyError | None = None,
        *,
        first: int = 0,
    ) -> None:
        """Write down what `enqueue_many` said.

        Args:
            found: What it gave, for jobs with consecutive numbers.
            error: What it raised; the ids are "k" and the numbers.
            first: The first of the consecutive numbers.
        """
        if error is not None:
            self._note(error)
            lists = (error.enqueued, error.not_enqueued, error.uncertain)
            for outcome, ids in zip(("ok", "refused", "uncertain"), lists, strict=True):
                for job_id in ids:
                    self._settle(int(job_id[1:]), outcome, None)
        for number, job in enumerate(found, first):
            self._settle(number, "exists" if job is None else "ok", job)

    def _settle(self, number: int, outcome: str, job: JobMetadata[Any] | None) -> None:
        call = Call(number, "")
        call.outcome, call.job, call.ended = outcome, job, time.monotonic()
        self.calls.append(call)

    def job_of(self, number: int) -> JobMetadata[Any] | None:
        """Give the job that a number's caller was told of."""
        return self._jobs.get(number)

    def _note(self, error: Exception) -> None:
        text = "".join([repr(error), *traceback.format_exception(error)])
        # What holds the stack would hold the sockets, too.
        error.__traceback__ = None
        with self._lock:
            self.texts.append(text)

    def count(self, column: str, problem: str = "") -> None:
        """Add to the table."""
        with self._lock:
            self._counts[column] += 1
            if problem:
                self.problems.append(problem)

    def counted(self, column: str) -> int:
        """Give what this row of the table says."""
        return self._counts[column]

    def problem(self, text: str) -> None:
        """Note what makes the test fail."""
        with self._lock:
            self.problems.append(text)

    def check_reply(self, call: Call, *, matches: bool) -> None:
        """Note whether a reply was the call's own."""
        if not matches:
            self.count("crossed", f"{call} got another one's reply")

    # --- the audit ----------------------------------------------------------------------

    def of(self, *outcomes: str) -> list[Call]:
        """Give the enqueuing calls that ended so."""
        return [c for c in self.calls if c.owner != READER and c.outcome in outcomes]

    def audit(
        self,
        raw: redis.Redis,
        *,
        ran: Sequence[str] | None = None,
        raised: bool = False,
        wait: float = REFUSED,
        may_lose: Callable[[Call], bool] | None = None,
    ) -> None:
        """Compare what callers were told with what is there, and fail if it does not agree.

        Args:
            raw: A client of its own, direct to the server.
            ran: The ids of jobs that a worker started; None if there is no worker.
            raised: Whether calls may end with an error.
            wait: Seconds after a refusal until a job would be there in spite of it.
            may_lose: Tells of a call that was told ok whether its job may be lost; None means no.
        """
        refused = self.of("refused", "uncertain")
        if refused:
            time.sleep(max(max(call.ended for call in refused) + wait - time.monotonic(), 0))
        present = self._present(raw)
        runs = Counter(ran or ())
        self._audit_runs(runs)
        self._audit_reads()
        winners = {call.number for call in self.of("ok")}
        for call in self.of("ok", "exists", "refused", "uncertain", "escaped", "cancelled"):
            stored = [job for job in present.get(call.number, ()) if job.owner == call.owner]
            if len(stored) > 1:
                self.count("double", f"{call} is there as {[job.job_id for job in stored]}")
            if call.outcome == "ok":
                self._audit_ok(call, stored, runs, excused=may_lose is not None and may_lose(call))
            elif call.outcome != "cancelled":
                self._audit_raised(call, stored, winners)
                if not raised:
                    self.problem(f"{call} should not have raised")
        self._audit_texts(raw)
        assert not self.problems, "\n".join(self.problems[:20])

    def _audit_runs(self, runs: Counter[str]) -> None:
        for job_id, times in runs.items():
            if times > 1:
                self.count("double", f"{job_id} ran {times} times")

    def _audit_reads(self) -> None:
        for call in self.calls:
            if call.owner == READER and call.outcome not in ("ok", "cancelled"):
                self.count("raised", f"{call} should have read")

    def _audit_ok(
        self, call: Call, stored: list[Stored], runs: Counter[str], *, excused: bool
    ) -> None:
        self.count("ok")
        job = call.job
        if job is not None and runs[job.id]:
            return
        if not stored:
            self.count("lost", "" if excused else f"{call} was told ok, but is not there")
        elif job is not None:
            told = Stored(job.id, _ms(job.enqueue_time), job.score or 0, call.owner)
            if told not in stored:
                self.count("crossed", f"{call} was told {told}, but {stored} is there")

    def _audit_raised(self, call: Call, stored: list[Stored], winners: set[int]) -> None:
        self.count("raised")
        if call.outcome == "exists" and (stored or call.number not in winners):
            self.count("lost", f"{call}, but the job is its own, or there is none")
        elif call.outcome == "refused" and stored:
            self.problem(f"{call} was refused, but is there")

    def _present(self, raw: redis.Redis) -> dict[int, list[Stored]]:
        with raw.pipeline() as pipe:  # at one moment
            members, names = pipe.zrange(QUEUE, 0, -1, withscores=True).keys("arq:job:*").execute()
        scores = {job_id.decode(): int(score) for job_id, score in members}
        envelopes = dict(zip(names, raw.mget(names), strict=True)) if names else {}
        found: dict[int, list[Stored]] = {}
        for name, envelope in envelopes.items():
            if envelope is None:
                continue  # A worker has finished it just now.
            job_id = name.decode().removeprefix("arq:job:")
            job = pickle.loads(envelope)
            args = job["a"]
            if job_id not in scores:
                self.problem(f"{job_id} is in no queue")
            owner = args[2] if len(args) > 2 else ""
            stored = Stored(job_id, job["et"], scores.get(job_id, 0), owner)
            found.setdefault(args[1], []).append(stored)
        missing = scores.keys() - {name.decode().removeprefix("arq:job:") for name in names}
        for job_id in missing:
            if raw.zscore(QUEUE, job_id) is not None:
                self.problem(f"{job_id} has no envelope")
        return found

    def _audit_texts(self, raw: redis.Redis) -> None:
        tokens = [key.decode().rpartition(":")[2] for key in raw.scan_iter("arqade:once:*")]
        everything = "\n".join(self.texts)
        for secret in (*self._secrets, *(tokens if everything else ())):
            if secret and secret in everything:
                self.problem(f"{secret!r} is in a message")


def _ms(time_of_job: Any) -> int:
    return round(time_of_job.timestamp() * 1000)


def kinds(**families: Sequence[Fault]) -> Any:
    """Parametrize a test with a row's name and its faults: each, or in a short run each family."""
    rows = [(name, tuple(faults)) for name, faults in families.items()]
    if LONG:
        rows = [(fault.name, (fault,)) for _, faults in rows for fault in faults]
    rows = [(name.replace("_", " "), faults) for name, faults in rows]
    return pytest.mark.parametrize(("row", "faults"), rows, ids=[name for name, _ in rows])


def table() -> list[str]:
    """Give the lines of the table, the forms of each fault one below the other."""
    if not ROWS:
        return []
    width = max(map(len, ROWS))
    faults = list(dict.fromkeys(row.rpartition(" (")[0] for row in ROWS))
    rows = sorted(ROWS, key=lambda row: faults.index(row.rpartition(" (")[0]))
    lines = [f"{'fault':{width}}" + "".join(f"{name:>9}" for name in COLUMNS)]
    lines += [
        f"{row:{width}}" + "".join(f"{ROWS[row][name]:>9}" for name in COLUMNS) for row in rows
    ]
    return lines
