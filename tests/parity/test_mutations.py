from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

pytest.importorskip("arq", reason="the jobs run on a stock worker, in this process")

from tests.parity.conftest import BATCH, EXAMPLES_VARIABLE, STEPS
from tests.parity.machine import COUNT
from tests.parity.mutations_of_many import MUTATIONS
from tests.parity.workers import LIVES_OF_JOBS, WorkerStory, open_sides

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator, Sequence

    from tests.parity.sides import Side

BATCHES = 4
"""The rarest of them is noticed in some dozens of stories; this is a thousand."""

QUICK = (
    "duplicates are accepted",
    "deferral is ignored",
    "nothing expires",
    "arguments go round the codec",
    "keep_result is ignored",
    "the token is ignored",
    "cancelling leaves the job in the queue",
    "an expired job that is still queued has the status not_found",
    "the queue that is asked does not matter to jobs",
)
"""Those that are noticed soon; ``make parity`` tries all."""


class MutantStory(WorkerStory):
    """Compares only what a user can see, not what is held."""

    title: ClassVar[str] = "mutants and Redis"
    first_difference: ClassVar[tuple[int, str] | None] = None

    def __init__(self, sides: Sequence[Side]) -> None:
        super().__init__(sides, compare_state=False)

    def differ(self, message: str) -> None:
        cls = type(self)
        if cls.first_difference is None:
            cls.first_difference = COUNT.stories[self.title], message
        super().differ(message)


@pytest.fixture
def sides(redis_url: str, runner: asyncio.Runner) -> Iterator[list[Side]]:
    with open_sides(runner, redis_url) as sides:
        yield sides


@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", MUTATIONS if os.environ.get(EXAMPLES_VARIABLE) else QUICK)
def test_broken_mock_is_noticed(
    name: str, sides: list[Side], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mock without this rule answers differently, and a story shows it."""
    MUTATIONS[name](monkeypatch)
    monkeypatch.setattr(MutantStory, "first_difference", None)
    before = COUNT.stories.get(MutantStory.title, 0)
    plan = settings(
        max_examples=BATCH,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    # What is rare comes first, on its own, so that it does not depend on chance.
    for life in LIVES_OF_JOBS:
        if not MutantStory.first_difference:
            with contextlib.suppress(Exception):
                MutantStory(sides).have_a_life(life=life, job_id="a", queue=None, settings={})
    # Whatever Hypothesis makes of the failure: what counts is that two answers differed.
    for _ in range(BATCHES):
        if MutantStory.first_difference:
            break
        with contextlib.suppress(Exception):
            run_state_machine_as_test(lambda: MutantStory(sides), settings=plan)
    assert MutantStory.first_difference, "no story noticed it"
    stories, message = MutantStory.first_difference
    COUNT.noticed[name] = stories - before, message.partition("(")[0].partition(":")[0]
