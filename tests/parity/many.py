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
    POLICIES,
    QUEUES,
    TIMEOUTS,
    UNSENDABLE_JOBS,
    WRONG_NAMES,
    WRONG_QUEUES,
    WRONG_TIMEOUTS,
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

    @rule(
        jobs=st.lists(st.tuples(IDS, QUEUES, POLICIES, st.sampled_from([0, 35])), max_size=4),
        token=st.sampled_from(["many-1", "many-2"]),
        between=st.sampled_from(["", "cancel_job", "delete_result"]),
        trouble=st.sampled_from(["", "", "late", "clock"]),
        fewer=st.booleans(),
    )
    def a_call_for_many_is_repeated(
        self, jobs: Any, token: str, between: str, trouble: str, fewer: bool
    ) -> None:
        """What was done is not done again, and what was not may be."""
        for side in self.sides:
            if keys.once(token) not in side._dump():
                side.tokens[token] = side.offset_ms
        jobs = jobs or [("a", None, "raise", 0)]
        for job_id, *_ in jobs:
            self.touch(job_id)
        self.step(f"enqueue {jobs!a}", lambda side: side.send_many(jobs, token, ""))
        self.let_a_moment_pass()
        if between:
            self.call(between, jobs[0][0], **({"timeout": 0} if between == "cancel_job" else {}))
        again = jobs[:1] if fewer else jobs
        for what in (trouble, ""):
            self.step(
                f"enqueue {again!a} again {what}",
                lambda side, what=what: side.send_many(again, token, what),
            )
            self.let_a_moment_pass()
        self.look_around()

    @rule(ids=st.lists(IDS, max_size=5), queue=QUEUES, timeout=TIMEOUTS, more=st.booleans())
    def take_as_completed(
        self, ids: list[str], queue: str | None, timeout: float, more: bool
    ) -> None:
        """What is there comes first, then the error of what is not."""
        self.call("as_completed", [*ids, *(self.known if more else ())], queue, timeout=timeout)

    @rule(count=st.integers(110, 300), queue=st.sampled_from(["big", "mail"]))
    def look_through_many(self, count: int, queue: str) -> None:
        """More jobs than one page holds, and than are read with one command."""
        ids = [f"many/{n}" for n in range(count)]

        def act(side: Side) -> Any:
            common = {"queue_name": queue}
            jobs = [
                Request("echo", [n], {**common, "job_id": job_id, "defer_by": n % 3 * 35})
                for n, job_id in enumerate(ids)
            ]
            said = [side.call("enqueue_many", jobs, collect=False)]
            said += [side.call("iter_jobs", queue, status=status) for status in (None, "deferred")]
            said += [side.call("get_jobs_metadata", ids, queue)]
            said += [side.call("as_completed", ids, queue, timeout=0)]
            said += [side.call("get_queue_stats", queue), side.call("purge", queue)]
            return said

        self.step(f"look through {count} jobs", act)
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
        self.call("as_completed", [*ids, wrong], queue, timeout=0)
        self.call("as_completed", wrong, queue, timeout=0)
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

    @rule(ids=st.lists(IDS, max_size=2), timeout=WRONG_TIMEOUTS)
    def take_as_completed_with_a_wrong_timeout(self, ids: list[str], timeout: Any) -> None:
        self.call("as_completed", ids, timeout=timeout)

    @rule(queue=QUEUES, record=st.sampled_from([HEALTH, HEALTH, b"of another program"]))
    def a_worker_tells_of_itself(self, queue: str | None, record: bytes) -> None:
        key = keys.health_check(queue or DEFAULT_QUEUE)

        def act(side: Side) -> Any:
            side.put(key, record, 61)
            said = [side.call("get_worker_health", name) for name in (queue, "elsewhere")]
            side.remove(key)
            return said, side.call("get_worker_health", queue)

        self.step("get_worker_health", act)
