"""Random stories: the same calls to several sides, whose answers must be equal after every step."""

from __future__ import annotations

import math
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from arqade._protocol import keys
from tests.parity.sides import DEFAULT_QUEUE, Request, Side, Until
from tests.parity.values import UNSENDABLE, VALUES, Named, differences

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["COUNT", "DifferenceError", "Story"]


class Count:
    """How many steps and stories ran, by the title of the machine."""

    def __init__(self) -> None:
        self.steps: dict[str, int] = {}
        self.stories: dict[str, int] = {}
        self.noticed: dict[str, tuple[int, str]] = {}
        """Mutations of the mock: after how many stories they were noticed, and by what."""


COUNT = Count()


class DifferenceError(AssertionError):
    """Two sides gave different answers."""


# --- what the stories are made of ------------------------------------------------------

# Clocks are advanced by multiples of 110 seconds only. No life and no deferral comes close to one
# of these (3600 % 110 = 80, 86400 % 110 = 50, 88400 % 110 = 70, 310 % 110 = 90, 71), so that
# nothing can end on one side a moment before it ends on the other.
JUMPS = (110, 330, 3630, 14_300, 86_460 // 110 * 110, 90_200)
DEFERS = (35, 145, 3665, 35.5, timedelta(seconds=145), 86_400 + 35, 10**9 + 35)
LIVES = (15, 125, 3645, 15.25, timedelta(seconds=125))

IDS = st.one_of(
    st.sampled_from(["a", "a", "b"]),
    st.sampled_from(["a", "b", "c", "d"]),
    st.sampled_from(["ключ ☃ \U0001f600", "x" * 512, "é" * 256, "with space:and/signs", "a/child"]),
)
QUEUES = st.sampled_from([None, None, None, DEFAULT_QUEUE, "mail", "очередь"])
WRONG_NAMES = st.sampled_from(
    ["", "a\n", "x" * 513, "é" * 257, "\ud800", 5, b"a", ("a",), "\x7f", "\x85"]
)
WRONG_QUEUES = st.one_of(
    WRONG_NAMES,
    st.sampled_from(["arq:job:x", "arq:abort", "arq:result:", "arqade:x", "q:health-check"]),
)
POLICIES = st.sampled_from(["raise", "return_existing", "ignore_result", "replace"])
TIMES: dict[str, st.SearchStrategy[Any]] = {
    "_defer_by": st.sampled_from([0, 0.0, *DEFERS]),
    "_defer_until": st.sampled_from(
        [
            *(Until(-50), Until(-(10**8)), Until(35), Until(145, naive=True), Until(3665)),
            Until(100_035),
        ]
    ),
}
OPTIONS = st.builds(
    lambda options, times: {**options, **times},
    st.fixed_dictionaries(
        {},
        optional={
            "_expires": st.sampled_from(LIVES),
            "_job_try": st.sampled_from([1, 2, 3, 9, 1_000_000]),
            "_on_conflict": POLICIES,
        },
    ),
    st.one_of(
        st.just({}),
        *(strategy.map(lambda value, name=name: {name: value}) for name, strategy in TIMES.items()),
    ),
)
WRONG_OPTIONS = st.one_of(
    st.sampled_from(
        [
            {"_defer_by": 35, "_defer_until": Until(35)},
            {"_defer_by": -1},
            {"_defer_by": math.nan},
            {"_defer_by": math.inf},
            {"_defer_by": 10**12},
            {"_defer_by": 253_402_300_799},
            {"_defer_by": "35"},
            {"_defer_by": True},
            {"_defer_by": timedelta(seconds=-1)},
            {"_defer_until": 35},
            {"_expires": 0},
            {"_expires": -1},
            {"_expires": timedelta(0)},
            {"_expires": math.inf},
            {"_expires": "15"},
            {"_expires": 10**400},
            {"_job_try": 0},
            {"_job_try": -1},
            {"_job_try": True},
            {"_job_try": "1"},
            {"_job_try": 1_000_001},
            {"_on_conflict": "overwrite"},
            {"_on_conflict": None},
            {"_token": ""},
            {"_token": 5},
            {"_queue": "mail"},
            {"_jobid": "a"},
            {"_unknown": 1},
        ]
    ),
    WRONG_NAMES.map(lambda value: {"_job_id": value}),
    WRONG_QUEUES.map(lambda value: {"_queue_name": value}),
)
ARGS = st.lists(VALUES, max_size=2)
KWARGS = st.dictionaries(
    st.sampled_from(["task", "self", "queue_name", "job_id", "ключ", "x"]), VALUES, max_size=2
)
TIMEOUTS = st.sampled_from([0, 0.0, -1])
WRONG_TIMEOUTS = st.sampled_from(["1", True, math.nan, timedelta(0)])
TOKENS = st.sampled_from(["token-1", "token-2", "ключ"])
MAX_BYTES = 100_000
"""The largest payload that the queues take."""

UNSENDABLE_JOBS = [
    *(Request("echo", [Named(name)], {"job_id": "spoilt"}) for name in UNSENDABLE),
    Request("echo", [b"x" * 120_000], {"job_id": "spoilt"}),
    "no request",
    None,
]
HEALTH = b"Nov-22 19:53:23 j_complete=7 j_failed=1 j_retried=2 j_ongoing=3 queued=4"

READS = ("get_job_status", "get_job_metadata", "get_job_result")


class Story(RuleBasedStateMachine):
    """Calls that a client can make, and states that workers leave behind.

    Args:
        sides: What is compared, the first with each of the others.
        compare_state: Whether to compare all that is held, too, and not just what is answered.
    """

    title: ClassVar[str] = "story"
    functions: ClassVar[Sequence[str]] = ("echo", "work", "nobody knows it")

    def __init__(self, sides: Sequence[Side], *, compare_state: bool = True) -> None:
        super().__init__()
        self.sides = sides
        self.compare_state = compare_state
        self.known: dict[str, None] = {}
        self.failed = False
        COUNT.stories[self.title] = COUNT.stories.get(self.title, 0) + 1
        for side in sides:
            side.reset()

    # --- steps ---

    def step(self, what: str, act: Callable[[Side], Any]) -> Any:
        """Do the same on each side and compare what comes of it, and all that can be seen then."""
        COUNT.steps[self.title] = COUNT.steps.get(self.title, 0) + 1
        answer = self.compare(what, act)
        if self.compare_state:
            self.compare(f"state after {what}", Side.state)
        return answer

    def compare(self, what: str, act: Callable[[Side], Any]) -> Any:
        first, *others = self.sides
        expected = act(first)
        for side in others:
            found = act(side)
            if found != expected:
                shown = "\n".join(differences(expected, found))
                self.differ(f"{what}: {first.name} and {side.name} differ:\n{shown}")
        return expected

    def differ(self, message: str) -> None:
        self.failed = True
        raise DifferenceError(message)

    def call(self, operation: str, /, *args: Any, **kwargs: Any) -> Any:
        shown = ", ".join([*map(ascii, args), *(f"{k}={v!a}" for k, v in kwargs.items())])
        return self.step(
            f"{operation}({shown})", lambda side: side.call(operation, *args, **kwargs)
        )

    def read(self, job_id: str, queue_name: str | None = None) -> None:
        """Compare what can be read of a job."""
        for operation in READS:
            self.compare(
                f"{operation}({job_id!a}, {queue_name!a})",
                lambda side, operation=operation: side.call(operation, job_id, queue_name),
            )

    def look_around(self) -> None:
        """Compare what can be read of all jobs."""
        for job_id in self.known:
            self.read(job_id)

    @staticmethod
    def let_a_moment_pass() -> None:
        """Let no two jobs be of the same millisecond: they would be in the order of their ids."""
        time.sleep(0.002)

    def touch(self, job_id: str) -> None:
        self.known[job_id] = None

    # --- enqueue ---

    def enqueue(self, name: str, /, *args: Any, **options: Any) -> Any:
        self.touch(options["_job_id"])
        answer = self.call("enqueue", name, *args, **options)
        self.let_a_moment_pass()
        self.read(options["_job_id"], options.get("_queue_name"))
        return answer

    @rule(data=st.data(), job_id=IDS, queue=QUEUES, args=ARGS, kwargs=KWARGS, options=OPTIONS)
    def enqueue_job(
        self,
        data: st.DataObject,
        job_id: str,
        queue: str | None,
        args: list[Any],
        kwargs: dict[str, Any],
        options: dict[str, Any],
    ) -> None:
        name = data.draw(st.sampled_from(self.functions), "function")
        self.enqueue(name, *args, _job_id=job_id, _queue_name=queue, **kwargs, **options)

    @rule(data=st.data(), job_id=IDS, queue=QUEUES, policy=POLICIES)
    def enqueue_at_once(
        self, data: st.DataObject, job_id: str, queue: str | None, policy: str
    ) -> None:
        """The usual case, so that more of the others meet a job."""
        name = data.draw(st.sampled_from(self.functions), "function")
        self.enqueue(name, _job_id=job_id, _queue_name=queue, _on_conflict=policy)

    @rule(
        job_id=IDS,
        queue=QUEUES,
        token=TOKENS,
        policy=POLICIES,
        defer=st.sampled_from([0, 35]),
        times=st.sampled_from([1, 2]),
    )
    def enqueue_with_token(
        self, job_id: str, queue: str | None, token: str, policy: str, defer: int, times: int
    ) -> None:
        """The second call with a token that the server still knows does nothing."""
        for side in self.sides:
            if keys.once(token) not in side._dump():
                side.tokens[token] = side.offset_ms
        for _ in range(times):
            self.enqueue(
                *("echo", 1),
                _job_id=job_id,
                _queue_name=queue,
                _token=token,
                _on_conflict=policy,
                _defer_by=defer,
            )

    @rule(job_id=IDS, options=OPTIONS, wrong=WRONG_OPTIONS)
    def enqueue_wrongly(self, job_id: str, options: dict[str, Any], wrong: dict[str, Any]) -> None:
        self.touch(job_id)
        self.call("enqueue", "echo", **{"_job_id": job_id, **options, **wrong})

    @rule(job_id=IDS, task=st.sampled_from(["", 5, None, len, "a\n"]))
    def enqueue_no_task(self, job_id: str, task: Any) -> None:
        self.call("enqueue", task, _job_id=job_id)

    @rule(
        job_id=IDS,
        value=st.sampled_from([Named(name) for name in UNSENDABLE]),
        nest=st.sampled_from([lambda v: v, lambda v: [v], lambda v: {"k": (v,)}]),
        policy=POLICIES,
    )
    def enqueue_what_cannot_be_sent(self, job_id: str, value: Any, nest: Any, policy: str) -> None:
        self.enqueue("echo", nest(value), _job_id=job_id, _on_conflict=policy)

    @rule(
        job_id=IDS,
        queue=QUEUES,
        value=st.sampled_from([
            Named("an object that can't be decoded"), Named("an error that can't be decoded")
        ]),
    )  # fmt: skip
    def enqueue_what_cannot_be_read(self, job_id: str, queue: str | None, value: Any) -> None:
        self.enqueue("echo", value, _job_id=job_id, _queue_name=queue)

    @rule(job_id=IDS, size=st.sampled_from([60_000, 120_000]))
    def enqueue_something_large(self, job_id: str, size: int) -> None:
        """One of them is over the limit."""
        self.enqueue("echo", b"x" * size, _job_id=job_id)

    @rule(queue=QUEUES)
    def enqueue_without_id(self, queue: str | None) -> None:
        """Each side makes up an id: all else is equal, and the job can be removed."""

        def act(side: Side) -> Any:
            said = side.call("enqueue", "echo", 1, _queue_name=queue)
            job_id = said["returned"].pop("id")[1]
            return said, len(job_id), side.call("cancel_job", job_id, queue)

        self.step("enqueue without id", act)

    # --- many jobs ---

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

    # --- other operations ---

    @rule(operation=st.sampled_from(READS), job_id=IDS, queue=QUEUES)
    def read_job(self, operation: str, job_id: str, queue: str | None) -> None:
        self.call(operation, job_id, queue)

    @rule(job_id=IDS, queue=QUEUES, timeout=TIMEOUTS)
    def wait_for_result(self, job_id: str, queue: str | None, timeout: float) -> None:
        self.call("wait_for_result", job_id, queue, timeout=timeout)

    @rule(
        operation=st.sampled_from(["cancel_job", "cancel_job", "abort_job"]),
        job_id=IDS,
        queue=QUEUES,
        timeout=TIMEOUTS,
    )
    def cancel(self, operation: str, job_id: str, queue: str | None, timeout: float) -> None:
        self.call(operation, job_id, queue, timeout=timeout)
        self.read(job_id, queue)

    @rule(job_id=IDS, queue=QUEUES)
    def delete_result(self, job_id: str, queue: str | None) -> None:
        self.call("delete_result", job_id, queue)

    @rule(
        operation=st.sampled_from(
            [*(*READS, "wait_for_result", "cancel_job", "abort_job", "delete_result")]
        ),
        name=WRONG_NAMES,
    )
    def ask_for_a_wrong_id(self, operation: str, name: Any) -> None:
        self.call(operation, name)

    @rule(
        operation=st.sampled_from(
            [*(*READS, "wait_for_result", "cancel_job", "abort_job", "delete_result")]
        ),
        job_id=IDS,
        name=WRONG_QUEUES,
    )
    def ask_for_a_wrong_queue(self, operation: str, job_id: str, name: Any) -> None:
        self.call(operation, job_id, name)

    @rule(
        operation=st.sampled_from(["wait_for_result", "cancel_job", "abort_job"]),
        job_id=IDS,
        timeout=WRONG_TIMEOUTS,
    )
    def ask_with_a_wrong_timeout(self, operation: str, job_id: str, timeout: Any) -> None:
        self.call(operation, job_id, timeout=timeout)

    @rule()
    def ping(self) -> None:
        self.call("ping")

    # --- time ---

    @rule(seconds=st.sampled_from(JUMPS))
    def let_time_pass(self, seconds: int) -> None:
        self.step(f"{seconds} seconds pass", lambda side: side.jump(seconds))
        self.look_around()

    # --- what workers leave behind ---

    @rule(job_id=IDS)
    def a_worker_was_killed(self, job_id: str) -> None:
        """Its claim stays until it expires."""

        def act(side: Side) -> None:
            side.put(keys.in_progress(job_id), b"1", 310)
            side.put_number(keys.retry(job_id))

        self.step(f"a worker was killed that ran {job_id!a}", act)
        self.touch(job_id)
        self.read(job_id)

    @rule(job_id=IDS)
    def a_cron_job_finished(self, job_id: str) -> None:
        """Its claim stays for a minute."""
        self.step(
            f"the cron job {job_id!a} finished",
            lambda side: side.put(keys.in_progress(job_id), b"1", 60),
        )
        self.touch(job_id)

    @rule(job_id=IDS)
    def a_job_lost_its_envelope(self, job_id: str) -> None:
        """As when it has expired."""
        self.step(f"the envelope of {job_id!a} is lost", lambda side: side.remove(keys.job(job_id)))
        self.touch(job_id)
        self.read(job_id)

    @rule(job_id=IDS, kind=st.sampled_from(["job", "result"]))
    def bytes_are_broken(self, job_id: str, kind: str) -> None:
        """Another program, or another codec, wrote them."""
        key = getattr(keys, kind)(job_id)
        self.step(
            f"the {kind} of {job_id!a} is broken",
            lambda side: side.put(key, b"not a pickle", 3645) if key in side._dump() else None,
        )
        self.touch(job_id)
        self.read(job_id)

    # --- the end ---

    def teardown(self) -> None:
        """Look at everything once more."""
        if not self.failed:
            self.look_around()
