from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from arqade.exceptions import Retry
from tests.parity.draws import ARGS, IDS, KWARGS, MAX_BYTES, QUEUES
from tests.parity.sides import AsyncMockSide, AsyncRedisSide, MockSide, RedisSide, Side
from tests.parity.stories import Story
from tests.parity.values import VALUES, Moment, Named, build

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.parity.conftest import Teller


class RedisStory(Story):
    title: ClassVar[str] = "async and sync, on Redis"


async def echo(ctx: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
    return args, kwargs, ctx["job_try"]


async def fail(ctx: dict[str, Any], *args: Any, **kwargs: Any) -> None:
    raise ValueError("no")


async def retry_once(ctx: dict[str, Any], *args: Any, **kwargs: Any) -> int:
    if ctx["job_try"] == 1:
        await asyncio.sleep(0.002)  # so that no two are put off to the same millisecond
        raise Retry(145)
    return ctx["job_try"]


async def be_cancelled(ctx: dict[str, Any], *args: Any, **kwargs: Any) -> None:
    raise asyncio.CancelledError


async def have_child(ctx: dict[str, Any], *args: Any, **kwargs: Any) -> bool:
    await asyncio.sleep(0.002)
    return await ctx["redis"].enqueue_job("echo", _job_id="a/child") is not None


FUNCTIONS = (echo, fail, retry_once, be_cancelled, have_child)
SETTINGS = st.fixed_dictionaries(
    {"functions": st.just(FUNCTIONS)},
    optional={
        "allow_abort_jobs": st.booleans(),
        "keep_result": st.just(0),
        "max_tries": st.just(1),
        "retry_jobs": st.just(False),
    },
)
RESULTS = st.one_of(VALUES, st.sampled_from([Named("a function"), Named("an error")]))
NAMES = (*(function.__name__ for function in FUNCTIONS), "nobody knows it")


class MockStory(Story):
    """What only mocks can do, besides."""

    title: ClassVar[str] = "async and sync, in memory"
    functions: ClassVar[Sequence[str]] = NAMES

    @rule(job_id=IDS, queue=QUEUES)
    def set_in_progress(self, job_id: str, queue: str | None) -> None:
        self.touch(job_id)
        self.call("set_in_progress", job_id, queue)
        self.read(job_id, queue)

    @rule(job_id=IDS, queue=QUEUES, value=RESULTS, success=st.booleans())
    def set_complete(self, job_id: str, queue: str | None, value: Any, success: bool) -> None:
        self.touch(job_id)
        self.call("set_complete", job_id, result=value, success=success, queue_name=queue)
        self.read(job_id, queue)

    @rule(queue=QUEUES, settings=SETTINGS, raising=st.booleans())
    def run_jobs(self, queue: str | None, settings: dict[str, Any], raising: bool) -> None:
        self.call("run_jobs", settings, queue_name=queue, raise_errors=raising)
        self.look_around()

    @rule(job_id=IDS, queue=QUEUES, settings=SETTINGS)
    def run_job(self, job_id: str, queue: str | None, settings: dict[str, Any]) -> None:
        self.call("run_job", job_id, settings, queue_name=queue)
        self.read(job_id, queue)

    @rule(functions=st.sampled_from([(), (5,), [len], {"functions": ()}]))
    def run_no_functions(self, functions: Any) -> None:
        self.call("run_jobs", functions)

    @rule()
    def list_jobs(self) -> None:
        self.step("jobs", lambda side: side.attempt(lambda: side.queue.jobs))

    @rule(queue=QUEUES)
    def read_as_safir_users_do(self, queue: str | None) -> None:
        name = queue or "arq:queue"
        self.step(
            "_job_metadata", lambda side: side.attempt(lambda: side.queue._job_metadata[name])
        )

    @rule(name=st.sampled_from(NAMES), args=ARGS, kwargs=KWARGS, times=st.integers(0, 2))
    def count_jobs(self, name: str, args: list[Any], kwargs: dict[str, Any], times: int) -> None:
        self.step(
            "assert_enqueued",
            lambda side: side.attempt(
                lambda: side.queue.assert_enqueued(
                    name, *build(args), _times=times, **build(kwargs)
                )
            ),
        )

    @rule()
    def see_whether_there_were_jobs(self) -> None:
        self.step(
            "assert_nothing_enqueued",
            lambda side: side.attempt(side.queue.assert_nothing_enqueued),
        )

    @rule(operation=st.sampled_from(["ping", "get_job_status"]))
    def fail_as_if_redis_were_down(self, operation: str) -> None:
        args = ("a",) if operation == "get_job_status" else ()

        def act(side: Side) -> Any:
            with side.queue.failing(ConnectionError("down")):
                return side.call(operation, *args)

        self.step(f"failing {operation}", act)


@pytest.fixture(scope="module")
def on_redis(
    module_redis_url: str, second_redis_url: str, runner: asyncio.Runner
) -> Iterator[list[Side]]:
    sides: list[Side] = [
        AsyncRedisSide(runner, module_redis_url, max_payload_bytes=MAX_BYTES),
        RedisSide(second_redis_url, max_payload_bytes=MAX_BYTES),
    ]
    yield sides
    for side in sides:
        side.close()


@pytest.fixture(scope="module")
def in_memory(runner: asyncio.Runner) -> Iterator[list[Side]]:
    sides: list[Side] = [
        AsyncMockSide(runner, max_payload_bytes=MAX_BYTES),
        MockSide(max_payload_bytes=MAX_BYTES),
    ]
    yield sides
    for side in sides:
        side.close()


@pytest.mark.timeout(0)
def test_the_sync_queue_answers_as_the_async_one(
    on_redis: list[Side], tell_stories: Teller
) -> None:
    """Whatever is asked in whatever state, both queues on Redis give the same answers."""
    tell_stories(lambda: RedisStory(on_redis), 40)


@pytest.mark.timeout(0)
def test_the_sync_mock_answers_as_the_async_one(
    in_memory: list[Side], tell_stories: Teller
) -> None:
    """So do both mocks, and what only mocks can do is the same, too."""
    tell_stories(lambda: MockStory(in_memory), 40)


def test_moments_tell_times_apart() -> None:
    """The comparison of times is neither blind nor too strict."""
    assert Moment(1_000_000) == Moment(1_001_900)
    assert Moment(1_000_000) != Moment(1_003_000)
