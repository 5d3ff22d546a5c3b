"""Random stories: the same calls to several sides, whose answers must be equal after every step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from arqade._protocol import keys
from tests.parity.draws import (
    ARGS,
    IDS,
    JUMPS,
    KWARGS,
    OPTIONS,
    POLICIES,
    QUEUES,
    READS,
    TIMEOUTS,
    TOKENS,
    WRONG_NAMES,
    WRONG_OPTIONS,
    WRONG_QUEUES,
    WRONG_TIMEOUTS,
)
from tests.parity.many import ManyStory
from tests.parity.values import UNSENDABLE, Named

if TYPE_CHECKING:
    from tests.parity.sides import Side

__all__ = ["Story"]


class Story(ManyStory):
    """Calls that a client can make, and states that workers leave behind."""

    # --- enqueue ---

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
