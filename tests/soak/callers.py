"""Who puts load on the queues: the same callers as tasks of an event loop and as threads."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from arqade import (
    ArqadeError,
    EnqueueManyError,
    RedisArqQueue,
    SyncRedisArqQueue,
)
from arqade.models import JobRequest
from tests.soak.book import CANARY, Book, Call
from tests.soak.worlds import KEEP

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from arqade.models import JobMetadata
    from arqade.settings import Durability
    from tests.soak.worlds import World

__all__ = ["AsyncHolder", "Caller", "Holder", "SyncHolder", "finish"]

PAUSE = 0.1
"""Seconds between two operations of a caller, at most."""

LAST_LOOK = 1.0
"""Seconds that a wait may take more than its time-out."""

REMEMBERED = 40
"""Jobs that a caller goes on with."""

SHARED = 60
"""Ids that callers share in a slice."""

CANCELLED = 0.08
"""How many of the operations are cancelled, where that is possible."""

CLOSING_TIME = 5.0
"""Seconds that it may take to close a queue."""

BURSTS = 0.08
"""How many are not one operation, but some at the same time."""

REOPENED = 0.002
"""How often a queue is closed after an operation, and another one opened."""

BUDGETS = (1.5, 4.0, 10.0)

ITERATORS = frozenset({"as_completed", "iter_jobs", "iter_results"})


# --- queues ------------------------------------------------------------------------------


class Awaitable:
    """A sync queue behind an async one's interface: each operation is over when it is awaited."""

    def __init__(self, queue: SyncRedisArqQueue) -> None:
        self._queue = queue

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self._queue, "close" if name == "aclose" else name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            return operation(*args, **kwargs)

        async def iterate(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            with contextlib.closing(operation(*args, **kwargs)) as items:
                for item in items:
                    yield item

        return iterate if name in ITERATORS else call


def finish(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never has to wait for an event loop."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits for an event loop")


class Holder:
    """A queue that callers share, and close and open again.

    Args:
        world: Its servers.
        durability: What it promises.
        retry_budget: Seconds that its operations may take.
    """

    api: str
    can_cancel: bool

    def __init__(self, world: World, durability: Durability, retry_budget: float) -> None:
        self.world = world
        self.durability = durability
        self.retry_budget = retry_budget
        self.settings = world.settings(durability, retry_budget)
        self.queue: Any = None
        self._lock = threading.Lock()

    @property
    def opening_time(self) -> float:
        """Seconds that it may take to open it."""
        tries = self.settings.conn_retries + 1
        return tries * (self.retry_budget + self.settings.conn_retry_delay)

    async def make(self) -> Any:
        """Open a queue."""
        raise NotImplementedError

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError

    def row(self, operation: str) -> str:
        """Give the row of an operation in the table."""
        return f"{self.world.name}/{self.api}/{operation}"

    async def reopen(self) -> None:
        """Open another queue in place of this one, and close this one under its callers."""
        old = None
        with self.world.book.calling(self.row("initialize"), self.opening_time):
            new = await self.make()
            with self._lock:
                old, self.queue = self.queue, new
        if old is not None:
            await self._close(old)

    async def close(self) -> None:
        """Close it."""
        if self.queue is not None:
            await self._close(self.queue)
            self.queue = None

    async def _close(self, queue: Any) -> None:
        with self.world.book.calling(self.row("close"), CLOSING_TIME):
            await queue.aclose()


class AsyncHolder(Holder):
    """For tasks of one event loop."""

    api = "async"
    can_cancel = True

    async def make(self) -> Any:
        return await RedisArqQueue.initialize(self.settings, KEEP)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class SyncHolder(Holder):
    """For threads."""

    api = "sync"
    can_cancel = False

    async def make(self) -> Any:
        return Awaitable(SyncRedisArqQueue.initialize(self.settings, KEEP))

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 - there is no event loop


# --- callers -----------------------------------------------------------------------------


class Caller:
    """Does whatever can be done with a queue, at random.

    Args:
        holder: Its queue, which it shares with others.
        rolled: Its dice.
        slice_name: What the ids of shared jobs begin with.
        over: When to stop.
    """

    def __init__(
        self, holder: Holder, rolled: random.Random, slice_name: str, over: threading.Event
    ) -> None:
        self.holder = holder
        self.world = holder.world
        self.book: Book = holder.world.book
        self.rolled = rolled
        self.budget = holder.retry_budget
        self._slice = slice_name
        self._over = over
        self._mine: deque[Call] = deque(maxlen=REMEMBERED)
        """Jobs of its own of which it was told that they are there, and that nobody else has."""

    @property
    def queue(self) -> Any:
        """The queue as it is now."""
        return self.holder.queue

    async def live(self) -> None:
        """Call until it is over."""
        while not self._over.is_set():
            if self.holder.can_cancel and self.rolled.random() < BURSTS:
                # Their commands leave together, and those of cancelled ones stay among them.
                count = self.rolled.randint(2, 12)
                await asyncio.gather(*(self._one_operation() for _ in range(count)))
            else:
                await self._one_operation()
            if self.rolled.random() < REOPENED:
                await self.holder.reopen()
            await self.holder.sleep(self.rolled.uniform(0, PAUSE))

    async def _one_operation(self) -> None:
        (operation,) = self.rolled.choices(list(OPERATIONS), list(OPERATIONS.values()))
        if self.holder.can_cancel and self.rolled.random() < CANCELLED:
            await self._cancelled(operation(self))
        else:
            await operation(self)

    async def _cancelled(self, work: Coroutine[Any, Any, Any]) -> None:
        seconds = self.rolled.choice([0, 0.001, 0.002, 0.005, 0.02, 0.5]) * self.rolled.random()
        if self.rolled.random() < 0.5:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(work, seconds)
            return
        task = asyncio.ensure_future(work)
        await asyncio.sleep(seconds)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    def _calling(self, operation: str, budget: float, *calls: Call) -> Any:
        return self.book.calling(self.holder.row(operation), budget, *calls)

    # --- jobs ---------------------------------------------------------------------------

    def new_call(self, operation: str, **options: Any) -> Call:
        """Begin a job of a new number."""
        options.setdefault("queue_name", self.rolled.choice(self.world.queues))
        options.setdefault("task", self.rolled.choice(["echo", "keep_nothing"]))
        call = Call(
            self.holder.row(operation),
            self.book.number(),
            is_durable=self.holder.durability == "all-replicas",
            **options,
        )
        return self.book.add(call)

    def _options(self, call: Call) -> dict[str, Any]:
        options: dict[str, Any] = {"_queue_name": call.queue_name}
        if call.policy != "raise":
            options["_on_conflict"] = call.policy
        if call.job_id is not None:
            options["_job_id"] = call.job_id
        if self.rolled.random() < 0.3:
            options["_defer_by"] = self.rolled.choice([0.1, 1, 3600])
        return options

    def learn(self, call: Call, job: JobMetadata[Any]) -> None:
        """Write down what a caller was told of its job."""
        if call.job_id not in (None, job.id):
            self.book.count(call.who, "crossed", f"{call} was told of {job.id}")
        call.job_id = job.id
        call.outcome = "ok"
        if call.policy == "return_existing" and job.args[1] != call.number:
            call.outcome = "existing"
        elif job.score is not None:
            call.told = (round(job.enqueue_time.timestamp() * 1000), job.score)

    async def enqueue(self) -> None:
        """A job, of an id that is its own."""
        call = self.new_call("enqueue")
        if self.rolled.random() < 0.5:
            call.job_id = f"{self._slice}-{self.world.name}-{call.number}"
            call.policy = self.rolled.choice(["raise", "return_existing", "replace"])
        await self._enqueue(call)
        if call.outcome == "ok":
            self._mine.append(call)

    async def enqueue_shared(self) -> None:
        """A job, of an id that others use, too."""
        # Not with those who take another risk.
        which = self.rolled.randrange(SHARED)
        name = f"{self._slice}-{self.holder.durability}-{which}"
        policy = self.rolled.choice(
            ["raise", "raise", "return_existing", "ignore_result", "replace"]
        )
        queue_name = self.world.queues[which % len(self.world.queues)]
        call = self.new_call(
            "enqueue", job_id=name, queue_name=queue_name, policy=policy, is_shared=True
        )
        await self._enqueue(call)

    async def _enqueue(self, call: Call) -> None:
        with self._calling("enqueue", self.budget, call):
            job = await self.queue.enqueue(call.task, CANARY, call.number, **self._options(call))
            self.learn(call, job)

    async def enqueue_many(self) -> None:
        """Some jobs, in some chunks."""
        named = self.rolled.random() < 0.7
        calls = []
        for _ in range(self.rolled.randint(1, 30)):
            call = self.new_call("enqueue_many")
            if named:
                call.job_id = f"{self._slice}-{self.world.name}-{call.number}"
            calls.append(call)
        size = self.rolled.choice([5, 10, 100])
        requests = [
            JobRequest(
                call.task, (CANARY, call.number), job_id=call.job_id, queue_name=call.queue_name
            )
            for call in calls
        ]
        chunks = -(-len(requests) // size)
        with self._calling("enqueue_many", 3 * self.budget * chunks, *calls):
            try:
                found = await self.queue.enqueue_many(requests, chunk_size=size)
            except EnqueueManyError as error:
                self._learn_many(calls, error)
                raise
            for call, job in zip(calls, found, strict=True):
                if job is None:
                    call.outcome = "exists"
                else:
                    self.learn(call, job)
                    self._mine.append(call)

    def _learn_many(self, calls: list[Call], error: EnqueueManyError) -> None:
        by_id = {call.job_id: call for call in calls if call.job_id is not None}
        lists = (error.enqueued, error.not_enqueued, error.uncertain)
        for outcome, ids in zip(("ok", "refused", "uncertain"), lists, strict=True):
            for job_id in ids:
                call = by_id.pop(job_id, None)
                if call is None and by_id:
                    self.book.problem(f"crossed: {job_id} in {error!r}")
                elif call is not None:
                    call.outcome = outcome
        for call in by_id.values():
            # Not taken from the list any more.
            call.outcome = "refused"

    # --- looking ------------------------------------------------------------------------

    @contextlib.contextmanager
    def _one_of_mine(self) -> Iterator[Call]:
        """Take a job of its own, if there is one, and do without if there is none."""
        call = self.rolled.choice(self._mine) if self._mine else None
        yield call or Call("", 0, job_id=f"{self._slice}-none")

    def _is_there(self, call: Call) -> bool:
        """Whether a job can't have gone."""
        if not call.number or call.removed or call.is_deleted:
            return False
        if self.world.name == "direct":
            return call.queue_name == KEEP or call.task == "echo"
        return call.is_durable

    def _check_found(self, call: Call, operation: str, *, found: bool) -> None:
        if not found and self._is_there(call):
            self.book.count(self.holder.row(operation), "lost", f"not found by {operation}: {call}")

    def _check_args(self, call: Call, operation: str, args: Any) -> None:
        if tuple(args[:2]) != (CANARY, call.number):
            self.book.count(self.holder.row(operation), "crossed", f"{call} has {args[1:]}")

    async def get_job_status(self) -> None:
        with self._one_of_mine() as call, self._calling("get_job_status", self.budget):
            status = await self.queue.get_job_status(call.job_id, call.queue_name or None)
            self._check_found(call, "get_job_status", found=status != "not_found")

    async def get_job_metadata(self) -> None:
        await self._read("get_job_metadata")

    async def get_job_result(self) -> None:
        await self._read("get_job_result")

    async def _read(self, operation: str) -> None:
        with self._one_of_mine() as call, self._calling(operation, self.budget):
            try:
                found = await getattr(self.queue, operation)(call.job_id, call.queue_name or None)
            except ArqadeError as error:
                self._check_found(call, operation, found=type(error).__name__ != "JobNotFound")
                raise
            self._check_args(call, operation, found.args)

    async def get_jobs_metadata(self) -> None:
        calls = list(self._mine)
        ids = [call.job_id for call in calls]
        with self._calling("get_jobs_metadata", self.budget):
            jobs = await self.queue.get_jobs_metadata(ids)
            for call, job in zip(calls, jobs, strict=True):
                if job is not None:
                    self._check_args(call, "get_jobs_metadata", job.args)
                elif call.queue_name == KEEP:
                    self._check_found(call, "get_jobs_metadata", found=False)

    async def wait_for_result(self) -> None:
        timeout = self.rolled.choice([0.01, 0.2, 1, 4]) * self.rolled.random()
        with (
            self._one_of_mine() as call,
            self._calling("wait_for_result", timeout + LAST_LOOK),
        ):
            try:
                found = await self.queue.wait_for_result(
                    call.job_id, call.queue_name or None, timeout=timeout
                )
            except ArqadeError as error:
                missing = type(error).__name__ == "JobNotFound"
                self._check_found(call, "wait_for_result", found=not missing)
                raise
            self._check_args(call, "wait_for_result", found.result["args"])

    async def as_completed(self) -> None:
        timeout = self.rolled.choice([0.01, 0.2, 1, 4]) * self.rolled.random()
        calls = {call.job_id: call for call in list(self._mine)[-8:]}
        with self._calling("as_completed", timeout + LAST_LOOK):
            results = self.queue.as_completed(list(calls), timeout=timeout)
            async with contextlib.aclosing(results):
                async for found in results:
                    call = calls.pop(found.id)
                    self._check_args(call, "as_completed", found.result["args"])

    async def iter_jobs(self) -> None:
        await self._iterate("iter_jobs")

    async def iter_results(self) -> None:
        await self._iterate("iter_results")

    async def _iterate(self, operation: str) -> None:
        left = self.rolled.randint(1, 150)
        seen: set[str] = set()
        # Each look has a budget of its own, and there is no limit to the number of looks.
        with self._calling(operation, 20 * self.budget):
            jobs = getattr(self.queue, operation)(self.rolled.choice(self.world.queues))
            async with contextlib.aclosing(jobs):
                async for job in jobs:
                    seen.add(job.id)
                    if job.args[0] != CANARY:
                        self.book.count(self.holder.row(operation), "crossed", f"{job.id}")
                    if len(seen) >= left:
                        break

    async def get_queue_stats(self) -> None:
        with self._calling("get_queue_stats", self.budget):
            name = self.rolled.choice(self.world.queues)
            stats = await self.queue.get_queue_stats(name)
            if stats.queue_name != name or stats.queued < 0:
                self.book.count(self.holder.row("get_queue_stats"), "crossed", f"{stats}")

    # --- what takes jobs away -----------------------------------------------------------

    async def cancel_job(self) -> None:
        if not self._mine:
            return
        call = self._mine.popleft()
        timeout = self.rolled.uniform(0.1, 2)
        call.removed = "maybe"
        budget = 2 * self.budget + timeout + LAST_LOOK
        with self._calling("cancel_job", budget):
            outcome = await self.queue.cancel_job(call.job_id, call.queue_name, timeout=timeout)
            call.removed = {"removed": "yes", "unconfirmed": "maybe"}.get(outcome.value, "")
            if outcome.value == "not_found":
                self._check_found(call, "cancel_job", found=False)

    async def delete_result(self) -> None:
        if not self._mine:
            return
        call = self._mine.popleft()
        call.is_deleted = True
        with self._calling("delete_result", self.budget):
            await self.queue.delete_result(call.job_id)


OPERATIONS: dict[Callable[[Caller], Coroutine[Any, Any, None]], int] = {
    Caller.enqueue: 30,
    Caller.enqueue_shared: 10,
    Caller.enqueue_many: 4,
    Caller.get_job_status: 8,
    Caller.get_job_metadata: 10,
    Caller.get_job_result: 8,
    Caller.get_jobs_metadata: 2,
    Caller.wait_for_result: 8,
    Caller.as_completed: 3,
    Caller.iter_jobs: 3,
    Caller.iter_results: 2,
    Caller.get_queue_stats: 3,
    Caller.cancel_job: 6,
    Caller.delete_result: 3,
}
