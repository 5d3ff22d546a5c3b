"""Cancelling and replacing are exact against a worker that is just picking the job up.

A worker of stock arq runs in this process, on connections that can stop it before anything that
it sends. There the queue acts, and the worker goes on; and so for each step of the worker's run.
"""

from __future__ import annotations

import asyncio
import re
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import Connection

from arqade import JobNotQueued, RedisArqQueue, SyncRedisArqQueue
from arqade._compat import override
from tests.harness.stock_values import CancelledError
from tests.harness.worker import keys_of_arq

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

pytest.importorskip("arq", reason="arq is missing, whose worker runs in this process")

from arq.connections import ArqRedis
from arq.worker import Worker, func

# What a worker sends, by its methods.
CLAIM = "MULTI PSETEX EXEC"
START_JOBS = ("WATCH", "EXISTS", "ZSCORE", CLAIM)
RUN_JOB = "MULTI GET INCRBY EXPIRE ZREM EXEC"
FINISH_JOB = "MULTI SET ZREM ZREM DEL EXEC"
FINISH_FAILED_JOB = "MULTI DEL ZREM ZREM SET EXEC"

STEPS_OF_A_JOB = 10
"""How often the worker sends something while a job runs: a round of its loop at least."""

PATIENCE = 10.0
PAUSE = 0.001


async def do_nothing() -> None:
    pass


@attrs.define
class Run:
    """A worker's run, step by step, and the moment in it when something else happens."""

    step: str = ""
    """The commands before which to act."""

    occurrence: int = 1
    """Before which of the steps of this name to act, from 1."""

    act: Callable[[], Awaitable[None]] = do_nothing
    acted_at: int | None = None
    """The number of the step before which something happened, from 0; None if nothing did."""

    steps: list[str] = attrs.field(factory=list)
    """The commands that the worker sent in each step."""

    started: list[str] = attrs.field(factory=list)
    """The argument of each job that was started."""

    ended: list[str] = attrs.field(factory=list)
    """The argument of each job that came to its end."""

    times: list[tuple[int, int]] = attrs.field(factory=list)
    """When each job was due, and when it was started."""

    _counts: bool = False
    _lock: asyncio.Lock = attrs.field(factory=asyncio.Lock)

    def sent(self, step: str) -> bool:
        """Tell whether the worker had sent this before something happened."""
        return step in self.steps[: self.acted_at]

    async def before_sending(self, commands: str) -> None:
        """Take the next step."""
        # While the queue acts, all of the worker stands still.
        async with self._lock:
            if self._counts:
                self.steps.append(commands)
                if commands == self.step and self.steps.count(self.step) == self.occurrence:
                    self.acted_at = len(self.steps) - 1
                    await self.act()

    async def work(self, ctx: dict[str, Any], argument: str) -> str:
        """Do a job's work."""
        self.started.append(argument)
        self.times.append((ctx["score"], round(time.time() * 1000)))
        enough = len(self.steps) + STEPS_OF_A_JOB
        while len(self.steps) < enough:  # noqa: ASYNC110 - nothing sets an event
            await asyncio.sleep(PAUSE)
        self.ended.append(argument)
        return argument

    async def begin(self, _: dict[str, Any]) -> None:
        """Count from here: the worker has connected, and begins to look for jobs."""
        self._counts = True


class SteppedConnection(Connection):
    """A connection that tells a `Run` what it is about to send."""

    def __init__(self, *, run: Run, **options: Any) -> None:
        super().__init__(**options)
        self._run = run

    @override
    async def send_packed_command(
        self,
        command: bytes | str | Iterable[bytes],
        check_health: bool = True,  # noqa: FBT002 - redis-py's signature
    ) -> None:
        data = command if isinstance(command, bytes) else b"".join(command)
        names = re.findall(rb"\*\d+\r\n\$\d+\r\n(\w+)\r\n", data)
        # A pool may open a connection at any time.
        if names[0] not in {b"AUTH", b"CLIENT", b"HELLO", b"SELECT"}:
            await self._run.before_sending(b" ".join(names).decode())
        await super().send_packed_command([data], check_health)


async def run_worker(redis_url: str, run: Run) -> None:
    """Run a worker until its queue is empty."""
    pool = ConnectionPool.from_url(redis_url, connection_class=SteppedConnection, run=run)
    try:
        worker = Worker(
            [func(run.work, name="work")],
            redis_pool=ArqRedis(pool),
            burst=True,
            poll_delay=PAUSE,
            on_startup=run.begin,
            handle_signals=False,
            allow_abort_jobs=True,
        )
        async with asyncio.timeout(PATIENCE):
            await worker.main()
    finally:
        await pool.disconnect()


async def run_step_by_step(redis_url, raw, *, prepare, act) -> AsyncIterator[Run]:
    """Run a worker again and again, and act before the first, second, ... step of its run."""

    async def act_in_order():
        raw.ping()  # When this is answered, the server has done what the worker sent before.
        await act()

    async def run_anew(run):
        raw.flushdb()
        await prepare()
        await run_worker(redis_url, run)
        return run

    steps = (await run_anew(Run())).steps
    assert steps.count(CLAIM) == 1
    for number, step in enumerate(steps):
        run = await run_anew(Run(step, steps[: number + 1].count(step), act_in_order))
        # Polls may be fewer in one run than in another.
        if run.acted_at is not None:
            yield run


class Client:
    """A queue of either API, to be called from async code."""

    def __init__(self, queue: RedisArqQueue | SyncRedisArqQueue) -> None:
        self._queue = queue

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._queue, name)
        if isinstance(self._queue, SyncRedisArqQueue):
            return partial(asyncio.to_thread, method)
        return method


@pytest.fixture(params=["async", "sync"])
async def client(request, redis_url):
    """A client of either API."""
    if request.param == "async":
        async with await RedisArqQueue.from_url(redis_url) as queue:
            yield Client(queue)
    else:
        with SyncRedisArqQueue.from_url(redis_url) as queue:
            yield Client(queue)


@pytest.fixture(params=[False, True], ids=["live", "expired"])
def expired(request):
    """Whether the job has expired in its queue."""
    return request.param


@pytest.fixture
def prepare(client, raw, expired):
    """What puts a job into the queue."""

    async def enqueue():
        await client.enqueue("work", "old", _job_id="k")
        if expired:
            raw.delete("arq:job:k")

    return enqueue


# --- cancel ----------------------------------------------------------------------------


class Cancelling:
    """Cancels the job, and lets the worker go on as soon as it is asked to stop the job."""

    def __init__(self, client, raw):
        self._client = client
        self._raw = raw
        self._task = None

    async def __call__(self):
        self._task = asyncio.create_task(self._client.cancel_job("k", timeout=PATIENCE))
        while not self._task.done() and self._raw.zscore("arq:abort", "k") is None:  # noqa: ASYNC110
            await asyncio.sleep(PAUSE)

    async def outcome(self):
        return await self._task


async def test_cancelled_job_is_removed_or_was_claimed(client, raw, redis_url, prepare, expired):
    """At every step of a worker, a removed job never ran, and any other was in progress."""
    cancelling, outcomes = Cancelling(client, raw), {}
    async for run in run_step_by_step(redis_url, raw, prepare=prepare, act=cancelling):
        outcome = await cancelling.outcome()
        outcomes.setdefault(run.step, set()).add(str(outcome))
        # Not a moment later than the claim, and not a moment earlier.
        assert (outcome == "removed") is not run.sent(CLAIM)
        if outcome == "removed":
            assert run.started == []
            assert keys_of_arq(raw) == set()
            await check_that_id_is_free(client, raw, redis_url)
            continue
        assert keys_of_arq(raw) == {b"arq:result:k"}
        result = await client.get_job_result("k")
        if expired:
            assert run.started == []
            assert outcome in {"unconfirmed", "complete"}
            assert repr(result.result) == "JobExecutionFailed('job expired')"
        elif outcome == "aborted":
            assert run.ended == []
            assert isinstance(result.result, CancelledError)
        else:
            assert outcome in {"unconfirmed", "complete"}
            assert run.started == run.ended == ["old"]
            assert result.unwrap() == "old"
    assert all("removed" in outcomes[step] for step in START_JOBS)
    assert outcomes[CLAIM] == {"removed"}
    assert outcomes[RUN_JOB] == {"unconfirmed" if expired else "aborted"}
    assert outcomes[FINISH_FAILED_JOB if expired else FINISH_JOB] == {"unconfirmed"}


async def check_that_id_is_free(client, raw, redis_url):
    """Run a new job of the same id."""
    await client.enqueue("work", "new", _job_id="k")
    run = Run()
    await run_worker(redis_url, run)
    assert run.started == run.ended == ["new"]
    assert (await client.get_job_result("k")).unwrap() == "new"
    assert keys_of_arq(raw) == {b"arq:result:k"}


# --- replace ---------------------------------------------------------------------------


class Replacing:
    """Replaces the job, or is refused."""

    def __init__(self, client, **options):
        self._client = client
        self._options = options
        self.job = None
        self.refused = None

    async def __call__(self):
        self.job = self.refused = None
        try:
            self.job = await self._client.enqueue(
                "work", "new", _job_id="k", _on_conflict="replace", **self._options
            )
        except JobNotQueued as error:
            self.refused = error.reason


@pytest.mark.parametrize("options", [{}, {"_defer_by": 0.03}], ids=["now", "deferred"])
async def test_replaced_job_does_not_run(client, raw, redis_url, prepare, expired, options):
    """At every step of a worker, either the old job is in progress or the new one replaces it."""
    replacing, answers = Replacing(client, **options), {}
    finish = FINISH_FAILED_JOB if expired else FINISH_JOB
    async for run in run_step_by_step(redis_url, raw, prepare=prepare, act=replacing):
        answers.setdefault(run.step, set()).add(replacing.refused)
        in_progress = run.sent(CLAIM) and not run.sent(finish)
        assert replacing.refused == ("in_progress" if in_progress else None)
        old = ["old"] if run.sent(CLAIM) and not expired else []
        new = [] if replacing.refused else ["new"]
        assert run.started == run.ended == old + new
        assert keys_of_arq(raw) == {b"arq:result:k"}
        result = await client.get_job_result("k")
        if new:
            assert result.unwrap() == "new"
            assert result.args == ("new",)
            assert result.job_try == 1
            due, started = run.times[-1]
            assert due == replacing.job.score <= started
        elif expired:
            assert repr(result.result) == "JobExecutionFailed('job expired')"
        else:
            assert result.unwrap() == "old"
    assert all(None in answers[step] for step in START_JOBS)
    assert answers[CLAIM] == {None}
    assert answers[RUN_JOB] == answers[finish] == {"in_progress"}
