"""Stories with workers: a stock one on the server, the mock's own in memory. They need arq."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, ClassVar

from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix
from arq.jobs import Job
from arq.worker import Worker
from hypothesis import strategies as st
from hypothesis.stateful import rule
from redis.asyncio import Redis

from arqade import PickleCodec
from arqade._mock_redis import MockArqRedis
from tests.parity.draws import ARGS, DEFERS, IDS, LIVES, MAX_BYTES, POLICIES, QUEUES
from tests.parity.jobs import EVENTFUL, FUNCTIONS, HOOKS, NAMES
from tests.parity.sides import DEFAULT_QUEUE, AsyncMockSide, AsyncRedisSide, Side
from tests.parity.stories import Story

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["LIVES_OF_JOBS", "StockSide", "WorkerMockSide", "WorkerStory", "open_sides"]

PAUSE = 0.005

LIVES_OF_JOBS = {
    "asked to stop": "ask_to_stop run+abort",
    "swallows that": "swallow_abort run+abort",
    "fails then": "fail_when_aborted run+abort",
    "is retried then": "retry_when_aborted run+abort",
    "is retried before": "ask_and_retry run+abort",
    "asked to stop before it starts": "echo killed cancel seconds=330 run+abort",
    "asked to stop and purged": "echo killed cancel seconds=330 purge echo run+abort",
    "cancelled before it starts": "echo cancel list run",
    "cancelled when unknown": "delete cancel cancel echo run+abort",
    "cancelled when running": "echo killed list cancel list",
    "purged when running": "echo killed purge list purge",
    "purged between its tries": "retry_later run purge echo run",
    "purged and enqueued": "echo purge retry_once run",
    "replaced between its tries": "retry_later run list echo run",
    "enqueued again when it is done": "retry_once run delete retry_once run",
    "one after the other": "retry_once other run+single",
    "of a function that nobody knows": "nobody_knows_it run",
    "in the way of one of many": "echo many",
    "done before the call for many": "echo run many",
    "of a later try": "retry_always=2 run",
    "of a last try": "echo=9 run",
    "kept for a while": "echo run seconds=3630 delete",
    "kept and deleted": "echo run list delete delete",
    "with a result that is none": "return_function run",
    "with an error that is none": "raise_unpicklable run",
}
"""Jobs that are enqueued, and what happens to them; a number is that of the first try."""

ROUNDING = 5
"""Times are rounded: what was enqueued just now may be due in a moment, in milliseconds."""


SOME = (*NAMES, *EVENTFUL * 4)
"""The eventful ones more often than the others."""

SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "allow_abort_jobs": st.just(True),
        "keep_result": st.sampled_from([0, 7240, 0.0]),
        "max_tries": st.sampled_from([1, 2]),
        "retry_jobs": st.just(False),
        "max_jobs": st.sampled_from([1, 3]),
        "job_timeout": st.just(20),
    },
)


def worker_settings(side: Side, settings: dict[str, Any], hooks: bool) -> dict[str, Any]:
    """Give all settings of a worker of this side."""
    ctx = {"side": side, "aborts": settings.get("allow_abort_jobs", False)}
    return {"functions": FUNCTIONS, "ctx": ctx, **settings, **(HOOKS if hooks else {})}


STOCK_OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "_defer_by": st.sampled_from(DEFERS),
        "_expires": st.sampled_from(LIVES),
        "_job_try": st.sampled_from([1, 2, 9]),
    },
)


class PatientWorker(Worker):
    """A stock worker that looks for jobs to abort when all that run have come to rest.

    At another time it might or might not find what they are just asking for.
    """

    def __init__(self, side: Side, **settings: Any) -> None:
        super().__init__(**settings)
        self._side = side

    async def _cancel_aborted_jobs(self) -> None:
        running = [task for task in self.tasks.values() if not task.done()]
        if self._side.waiting >= len(running):
            await super()._cancel_aborted_jobs()


class StockSide(AsyncRedisSide):
    """The async queue on a server, with a stock worker and a stock client."""

    queue_name = DEFAULT_QUEUE

    def __init__(self, runner: asyncio.Runner, url: str, **options: Any) -> None:
        super().__init__(runner, url, **options)
        self.arq = ArqRedis(Redis.from_url(url).connection_pool)

    def run_worker(self, queue_name: str, settings: dict[str, Any]) -> int:
        """Let a stock worker run all jobs that are due, and give the number of tries."""
        return self.runner.run(self._run_worker(queue_name, settings))

    async def _run_worker(self, queue_name: str, settings: dict[str, Any]) -> int:
        worker = PatientWorker(
            self,
            **settings,
            queue_name=queue_name,
            redis_pool=self.arq,
            burst=True,
            handle_signals=False,
            poll_delay=PAUSE,
        )
        # As a worker does with a pool of its own.
        self.arq.default_queue_name = queue_name
        worker.ctx["redis"] = self.arq
        self.queue_name = queue_name
        # Worker.main, but that it does not wait for jobs that are deferred.
        while True:
            await worker._poll_iteration()
            await self._finish_tasks(worker)
            if not await self._is_due(queue_name):
                return worker.jobs_complete + worker.jobs_failed + worker.jobs_retried

    async def _finish_tasks(self, worker: Worker) -> None:
        while running := [task for task in worker.tasks.values() if not task.done()]:
            await asyncio.wait(running, timeout=PAUSE)
            if worker.allow_abort_jobs:
                await worker._cancel_aborted_jobs()
        worker.allow_pick_jobs = False
        await worker._poll_iteration()
        worker.allow_pick_jobs = True

    async def _is_due(self, queue_name: str) -> bool:
        ids = await self.arq.zrangebyscore(queue_name, "-inf", time.time() * 1000 + ROUNDING)
        if not ids:
            return False
        claimed = [in_progress_key_prefix.encode() + job_id for job_id in ids]
        return await self.arq.exists(*claimed) < len(ids)

    def stock_enqueue(self, name: str, /, *args: Any, **options: Any) -> bool:
        """Enqueue with a stock client, and tell whether it did."""
        args, options = self._arguments(args), self._arguments(options)
        self.arq.default_queue_name = DEFAULT_QUEUE
        return self.runner.run(self.arq.enqueue_job(name, *args, **options)) is not None

    def stock_status(self, job_id: str, queue_name: str) -> str:
        """Ask a stock client for a job's status."""
        return self.runner.run(Job(job_id, self.arq, _queue_name=queue_name).status()).value

    def close(self) -> None:
        self.runner.run(self.arq.aclose(close_connection_pool=True))
        super().close()


class WorkerMockSide(AsyncMockSide):
    """The async mock, which runs jobs itself."""

    queue_name = DEFAULT_QUEUE

    def run_worker(self, queue_name: str, settings: dict[str, Any]) -> int:
        """Run all jobs that are due, and give the number of tries."""
        self.queue_name = queue_name
        return self.runner.run(
            self.queue.run_jobs(settings, queue_name=queue_name, raise_errors=False)
        )

    def stock_enqueue(self, name: str, /, *args: Any, **options: Any) -> bool:
        """Enqueue as a job does with its ``ctx["redis"]``, and tell whether it did."""
        args, options = self._arguments(args), self._arguments(options)
        client = MockArqRedis(self.store, PickleCodec(), DEFAULT_QUEUE)
        return self.runner.run(client.enqueue_job(name, *args, **options)) is not None

    def stock_status(self, job_id: str, queue_name: str) -> str:
        """Ask for a job's status."""
        return self.runner.run(self.queue.get_job_status(job_id, queue_name)).value


@contextlib.contextmanager
def open_sides(runner: asyncio.Runner, url: str) -> Iterator[list[Side]]:
    """Open both sides."""
    sides: list[Side] = [
        StockSide(runner, url, max_payload_bytes=MAX_BYTES),
        WorkerMockSide(runner, max_payload_bytes=MAX_BYTES),
    ]
    yield sides
    for side in sides:
        side.close()


class WorkerStory(Story):
    """What clients can do while workers run jobs."""

    title: ClassVar[str] = "mock and Redis"
    functions: ClassVar[Sequence[str]] = SOME

    @rule(queue=QUEUES, settings=SETTINGS, hooks=st.booleans())
    def run_worker(self, queue: str | None, settings: dict[str, Any], hooks: bool) -> None:
        """Run all that is due in a queue."""
        in_order = settings.get("max_jobs") == 1

        def act(side: Any) -> Any:
            side.notes.clear()
            count = side.run_worker(queue or DEFAULT_QUEUE, worker_settings(side, settings, hooks))
            # Jobs run side by side: then only what each of them did is in order.
            notes = side.notes if in_order else sorted(side.notes, key=lambda note: note[0])
            return count, list(notes)

        self.step(f"run_worker({queue!a}, {settings})", act)
        self.known |= dict.fromkeys(f"{job_id[:1]}/child" for job_id in self.known)
        self.look_around()

    @rule(
        name=st.sampled_from(SOME),
        job_id=IDS,
        queue=QUEUES,
        args=ARGS,
        policy=POLICIES,
        settings=SETTINGS,
        hooks=st.booleans(),
    )
    def enqueue_and_run(
        self,
        name: str,
        job_id: str,
        queue: str | None,
        args: list[Any],
        policy: str,
        settings: dict[str, Any],
        hooks: bool,
    ) -> None:
        """The usual life of a job."""
        self.enqueue(name, *args, _job_id=job_id, _queue_name=queue, _on_conflict=policy)
        self.run_worker(queue=queue, settings=settings, hooks=hooks)

    @rule(life=st.sampled_from(tuple(LIVES_OF_JOBS)), job_id=IDS, queue=QUEUES, settings=SETTINGS)
    def have_a_life(  # noqa: C901, PLR0912 - one case for each kind of step
        self, life: str, job_id: str, queue: str | None, settings: dict[str, Any]
    ) -> None:
        """Steps that seldom follow each other by chance, and belong together."""
        for step in LIVES_OF_JOBS[life].split():
            match step.partition("="):
                case "run", _, _:
                    self.run_worker(queue=queue, settings=settings, hooks=False)
                case "run+abort", _, _:
                    given = {**settings, "allow_abort_jobs": True}
                    self.run_worker(queue=queue, settings=given, hooks=False)
                case "run+single", _, _:
                    self.run_worker(queue=queue, settings={"max_jobs": 1}, hooks=False)
                case "other", _, _:
                    self.enqueue("echo", _job_id="other", _queue_name=queue, _on_conflict="replace")
                case "many", _, _:
                    jobs = [(name, queue, "raise", 0) for name in (job_id, "other")]
                    self.a_call_for_many_is_repeated(
                        jobs=jobs, token="many-1", between="", trouble="", fewer=False
                    )
                case "killed", _, _:
                    self.a_worker_was_killed(job_id=job_id)
                case "seconds", _, number:
                    self.let_time_pass(seconds=int(number))
                case "cancel", _, _:
                    self.cancel(operation="cancel_job", job_id=job_id, queue=queue, timeout=0)
                case "delete", _, _:
                    self.delete_result(job_id=job_id, queue=queue)
                case "purge", _, _:
                    self.purge(queue=queue)
                case "list", _, _:
                    for status in ("in_progress", "queued"):
                        self.look_through(queue=queue, status=status)
                case name, _, number:
                    options = {"_job_id": job_id, "_queue_name": queue, "_on_conflict": "replace"}
                    self.enqueue(name, **options, _job_try=int(number) if number else None)
            self.read(job_id, queue)

    @rule(name=st.sampled_from(SOME), job_id=IDS, queue=QUEUES, args=ARGS, options=STOCK_OPTIONS)
    def enqueue_with_stock_client(
        self, name: str, job_id: str, queue: str | None, args: list[Any], options: dict[str, Any]
    ) -> None:
        """A stock client puts a job in, where the mock's own `enqueue` does."""
        self.touch(job_id)
        if self.sides[0].has_rest_of(job_id):
            return  # there arqade is careful, and arq is not

        def act(side: Any) -> bool:
            given = {"_job_id": job_id, "_queue_name": queue, **options}
            if isinstance(side, StockSide):
                return side.stock_enqueue(name, *args, **given)
            return "returned" in side.call("enqueue", name, *args, **given)

        self.step(f"enqueue_job({name!a}, _job_id={job_id!a})", act)
        self.let_a_moment_pass()
        self.read(job_id, queue)

    @rule(name=st.sampled_from(SOME), job_id=IDS, queue=QUEUES, args=ARGS, options=STOCK_OPTIONS)
    def enqueue_as_jobs_do(
        self, name: str, job_id: str, queue: str | None, args: list[Any], options: dict[str, Any]
    ) -> None:
        """A stock client puts a job in, where the mock's ``ctx["redis"]`` does."""
        self.touch(job_id)
        self.step(
            f"ctx['redis'].enqueue_job({name!a}, _job_id={job_id!a})",
            lambda side: side.stock_enqueue(
                name, *args, _job_id=job_id, _queue_name=queue, **options
            ),
        )
        self.let_a_moment_pass()
        self.read(job_id, queue)

    @rule(job_id=IDS, queue=QUEUES)
    def ask_stock_client_for_status(self, job_id: str, queue: str | None) -> None:
        self.step(
            f"Job({job_id!a}).status()",
            lambda side: side.stock_status(job_id, queue or DEFAULT_QUEUE),
        )
