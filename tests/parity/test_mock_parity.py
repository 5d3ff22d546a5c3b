from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("arq", reason="the jobs run on a stock worker, in this process")

from tests.parity.jobs import NAMES
from tests.parity.workers import LIVES_OF_JOBS, WorkerStory, open_sides

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from tests.parity.conftest import Teller
    from tests.parity.sides import Side


@pytest.fixture(scope="module")
def sides(module_redis_url: str, runner: asyncio.Runner) -> Iterator[list[Side]]:
    with open_sides(runner, module_redis_url) as sides:
        yield sides


@pytest.mark.timeout(0)
def test_the_mock_answers_as_redis_and_a_stock_worker(
    sides: list[Side], tell_stories: Teller
) -> None:
    """Whatever is asked in whatever state, both queues give the same answers."""
    tell_stories(lambda: WorkerStory(sides), 60)


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


@pytest.mark.parametrize("life", LIVES_OF_JOBS)
def test_every_life_is_the_same(sides: list[Side], life: str) -> None:
    """What seldom happens by chance has the same answers on both sides."""
    story = WorkerStory(sides)
    story.have_a_life(life=life, job_id="a", queue="mail", settings={})
    story.teardown()
