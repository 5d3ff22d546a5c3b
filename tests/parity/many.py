"""The part of the random stories that is about many jobs, and about queues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from arqade._protocol import keys
from tests.parity.draws import (
    ARGS,
    HEALTH,
    IDS,
    OPTIONS,
    QUEUES,
    UNSENDABLE_JOBS,
    WRONG_NAMES,
    WRONG_QUEUES,
)
from tests.parity.machine import Machine
from tests.parity.sides import DEFAULT_QUEUE, Request

if TYPE_CHECKING:
    from tests.parity.sides import Side

__all__ = ["ManyStory"]


class ManyStory(Machine):
    """Calls about many jobs, and about queues."""

    @rule(
        data=st.data(),
        jobs=st.lists(st.tuples(IDS, QUEUES, ARGS, OPTIONS), max_size=5),
        spoilt=st.sampled_from([None] * 4 + UNSENDABLE_JOBS),
        chunk_size=st.sampled_from([1, 2, 100]),
        collect=st.sampled_from([True, True, False]),
    )
    def enqueue_many(
        self, data: st.DataObject, jobs: Any, spoilt: Any, chunk_size: int, collect: bool
    ) -> None:
        requests: list[Any] = []
        for job_id, queue, args, options in jobs:
            self.touch(job_id)
            name = data.draw(st.sampled_from(self.functions), "function")
            given = {key.removeprefix("_"): value for key, value in options.items()}
            given |= {"job_id": job_id, "queue_name": queue}
            requests.append(Request(name, args, given))
        if spoilt is not None:
            requests.insert(data.draw(st.integers(0, len(requests)), "place"), spoilt)
        self.call("enqueue_many", requests, chunk_size=chunk_size, collect=collect)
        self.let_a_moment_pass()
        self.look_around()

    @rule(ids=st.lists(IDS, max_size=5), queue=QUEUES)
    def get_many(self, ids: list[str], queue: str | None) -> None:
        self.call("get_jobs_metadata", ids, queue)

    @rule(
        ids=st.lists(IDS, max_size=2),
        wrong=WRONG_NAMES,
        queue=st.one_of(QUEUES, WRONG_QUEUES),
        chunk_size=st.sampled_from([0, 1001, "5", True, None]),
    )
    def ask_wrongly_for_many(self, ids: list[str], wrong: Any, queue: Any, chunk_size: Any) -> None:
        self.call("get_jobs_metadata", [*ids, wrong], queue)
        self.call("enqueue_many", [], chunk_size=chunk_size)
        for operation in ("iter_jobs", "iter_results", "get_queue_stats", "purge"):
            self.call(operation, wrong)
        self.call("iter_jobs", status=wrong)

    @rule(
        queue=QUEUES,
        status=st.sampled_from(
            [None, "queued", "deferred", "in_progress", "complete", "not_found"]
        ),
    )
    def look_through(self, queue: str | None, status: str | None) -> None:
        self.call("iter_jobs", queue, status=status)
        self.call("iter_results", queue)
        self.call("get_queue_stats", queue)

    @rule(queue=QUEUES)
    def purge(self, queue: str | None) -> None:
        self.call("purge", queue)
        self.look_around()

    @rule(queue=QUEUES)
    def a_worker_tells_of_itself(self, queue: str | None) -> None:
        key = keys.health_check(queue or DEFAULT_QUEUE)

        def act(side: Side) -> Any:
            side.put(key, HEALTH, 61)
            said = side.call("get_worker_health", queue)
            side.remove(key)
            return said, side.call("get_worker_health", queue)

        self.step("get_worker_health", act)
