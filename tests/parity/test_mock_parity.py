from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis.stateful import run_state_machine_as_test

pytest.importorskip("arq", reason="the jobs run on a stock worker, in this process")

from tests.parity.jobs import NAMES
from tests.parity.workers import StockSide, WorkerMockSide, WorkerStory

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from hypothesis import settings

    from tests.parity.sides import Side

MAX_BYTES = 100_000


@pytest.fixture(scope="module")
def sides(module_redis_url: str, runner: asyncio.Runner) -> Iterator[list[Side]]:
    sides: list[Side] = [
        StockSide(runner, module_redis_url, max_payload_bytes=MAX_BYTES),
        WorkerMockSide(runner, max_payload_bytes=MAX_BYTES),
    ]
    yield sides
    for side in sides:
        side.close()


@pytest.mark.timeout(0)
def test_the_mock_answers_as_redis_and_a_stock_worker(
    sides: list[Side], story_settings: Callable[[int, int], settings]
) -> None:
    """Whatever is asked in whatever state, both queues give the same answers."""
    run_state_machine_as_test(lambda: WorkerStory(sides), settings=story_settings(60, 30))


@pytest.mark.parametrize(
    "options",
    [
        *({}, {"allow_abort_jobs": True}, {"retry_jobs": False}, {"keep_result": 0}),
        *({"allow_abort_jobs": True, "retry_jobs": False}, {"max_tries": 1}),
    ],
    ids=str,
)
def test_every_kind_of_job_ends_alike(sides: list[Side], options: dict[str, Any]) -> None:
    """Each function of `jobs` has the same result, tries and traces on both sides."""
    for name in NAMES:
        story = WorkerStory(sides)
        story.enqueue(name, _job_id="a")
        story.run_worker(queue=None, settings=options, hooks=True)
        story.let_time_pass(seconds=330)
        story.run_worker(queue=None, settings=options, hooks=False)
        story.teardown()
