"""What the mock adds to a queue; that it answers like the real one, the parity tests show."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

import arqade
from arqade import (
    CancelOutcome,
    JobCancelled,
    JobMetadata,
    JobNotFound,
    JobNotQueued,
    JobRequest,
    JobResult,
    JobResultUnavailable,
    JobSerializationError,
    JobStatus,
    MockArqQueue,
    QueueClosed,
    QueueConnectionError,
)
from tests.harness.functions import (
    add,
    cancel_self_once,
    enqueue_another,
    fail,
    func,
    give_lambda,
    note,
    remember_end,
    remember_shutdown,
    remember_start,
    remember_startup,
    retry_for_ever,
    retry_job_once,
    retry_twice,
    show_ctx,
    sleep_long,
    worker_function,
)

OTHER_KIND = arqade.SyncMockArqQueue
"""A mock that can be used from a thread."""


@pytest.fixture
def mock():
    return MockArqQueue()


class TestWhatOtherMocksGetWrong:
    """Each is a way in which safir's mock differed from its real queue."""

    async def test_options_do_not_leak_into_kwargs(self, mock):
        """Options are options, and no arguments of the job."""
        job = await mock.enqueue("add", 1, b=2, _job_id="k", _defer_by=5, _queue_name="mail")
        assert job.kwargs == {"b": 2}
        with pytest.raises(TypeError, match="did you mean _defer_by"):
            await mock.enqueue("add", _defer_b=5)

    async def test_duplicates_are_refused(self, mock):
        """A job whose id is taken is refused."""
        await mock.enqueue("add", _job_id="k")
        with pytest.raises(JobNotQueued) as caught:
            await mock.enqueue("add", _job_id="k")
        assert caught.value.reason == "queued"

    async def test_deferral_is_respected(self, mock):
        """A deferred job is not run before its time."""
        job = await mock.enqueue("add", 1, 2, _defer_by=60)
        assert job.status is JobStatus.deferred
        assert await mock.run_jobs([add]) == 0
        mock.clock.advance(61)
        assert await mock.get_job_status(job.id) is JobStatus.queued
        assert await mock.run_jobs([add]) == 1

    async def test_second_queue_is_no_key_error(self, mock):
        """Any queue can be used."""
        job = await mock.enqueue("add", _queue_name="mail")
        assert await mock.get_job_metadata(job.id, "mail") == job
        with pytest.raises(JobNotFound):
            await mock.get_job_metadata("k", "third")

    async def test_unpicklable_arguments_are_refused(self, mock):
        """What the real queue can't send, this one doesn't take."""
        with pytest.raises(JobSerializationError):
            await mock.enqueue("add", threading.Lock())
        mock.assert_nothing_enqueued()

    async def test_nothing_is_shared_with_the_caller(self, mock):
        """Changing what was given or got changes nothing in the queue."""
        numbers = [1]
        job = await mock.enqueue("add", numbers, _job_id="k")
        numbers.append(2)
        job.kwargs["x"] = 1
        (await mock.get_job_metadata("k")).args[0].append(3)
        seen = await mock.get_job_metadata("k")
        assert (seen.args, seen.kwargs) == (([1],), {})
        value = [1]
        await mock.set_complete("k", result=value)
        value.append(2)
        (await mock.get_job_result("k")).result.append(3)
        assert (await mock.get_job_result("k")).result == [1]

    async def test_unknown_result_is_not_found(self, mock):
        """An unknown job is another error than one without a result."""
        with pytest.raises(JobNotFound, match="Job could not be found"):
            await mock.get_job_result("k")
        job = await mock.enqueue("add")
        with pytest.raises(JobResultUnavailable, match="Job result could not be found"):
            await mock.get_job_result(job.id)

    async def test_no_stale_result_after_set_in_progress(self, mock):
        """A job that is in progress again has no result."""
        job = await mock.enqueue("add")
        await mock.set_complete(job.id, result=1)
        await mock.set_in_progress(job.id)
        assert await mock.get_job_status(job.id) is JobStatus.in_progress
        with pytest.raises(JobResultUnavailable):
            await mock.get_job_result(job.id)

    @pytest.mark.parametrize("options", [{}, {"_defer_by": 60}], ids=["queued", "deferred"])
    async def test_abort_removes_a_job_that_has_not_started(self, mock, options):
        """A job that waits is removed by an abort."""
        job = await mock.enqueue("add", **options)
        assert await mock.abort_job(job.id) is True
        assert await mock.get_job_status(job.id) is JobStatus.not_found

    async def test_abort_of_a_running_job_completes_it(self, mock):
        """A job that is in progress becomes complete with a CancelledError."""
        job = await mock.enqueue("add")
        await mock.set_in_progress(job.id)
        assert await mock.abort_job(job.id) is True
        result = await mock.get_job_result(job.id)
        assert (result.status, result.success) == (JobStatus.complete, False)
        assert type(result.result).__name__ == "CancelledError"
        with pytest.raises(JobCancelled):
            result.unwrap()

    async def test_abort_of_a_finished_job_is_too_late(self, mock):
        """A finished job is left alone by an abort."""
        job = await mock.enqueue("add")
        await mock.set_complete(job.id, result=1)
        assert await mock.abort_job(job.id) is False
        assert await mock.cancel_job(job.id) is CancelOutcome.complete
        assert (await mock.get_job_result(job.id)).result == 1

    async def test_timeouts_are_respected(self, mock):
        """A wait ends when its time is over."""
        job = await mock.enqueue("add")
        with pytest.raises(TimeoutError):
            await mock.wait_for_result(job.id, timeout=0.01)

    async def test_jobs_and_results_expire(self, mock):
        """A job that was not run in a day, and a result after an hour, are gone."""
        late = await mock.enqueue("add", 1, 2)
        short = await mock.enqueue("add", 1, 2, _expires=5)
        done = await mock.enqueue("add")
        await mock.set_complete(done.id, result=1)
        mock.clock.advance(6)
        with pytest.raises(JobNotFound):
            await mock.get_job_metadata(short.id)
        assert await mock.get_job_status(short.id) is JobStatus.queued  # as arq says
        mock.clock.advance(3600)
        assert await mock.get_job_status(done.id) is JobStatus.not_found
        mock.clock.advance(86_400)
        with pytest.raises(JobNotFound):
            await mock.get_job_metadata(late.id)
        assert await mock.run_jobs([add], raise_errors=False) == 2
        assert repr((await mock.get_job_result(late.id)).result) == (
            "JobExecutionFailed('job expired')"
        )

    async def test_closed_mock_does_not_work(self, mock):
        """A closed queue is closed, whatever is asked of it."""
        job = await mock.enqueue("add")
        await mock.aclose()
        with pytest.raises(QueueClosed):
            await mock.enqueue("add")
        with pytest.raises(QueueClosed):
            await mock.get_job_status(job.id)
        with pytest.raises(QueueClosed):
            await mock.set_complete(job.id, result=1)
        with pytest.raises(QueueClosed):
            await mock.run_jobs([add])


class TestSettingStates:
    async def test_life_of_a_job(self, mock):
        """A test can take a job through its states by hand."""
        job = await mock.enqueue("work", 1, b=2)
        assert job.status is JobStatus.queued
        await mock.set_in_progress(job.id)
        assert (await mock.get_job_metadata(job.id)).status is JobStatus.in_progress
        await mock.set_complete(job.id, result={"a": 1})
        result = await mock.get_job_result(job.id)
        assert (result.args, result.kwargs, result.result) == ((1,), {"b": 2}, {"a": 1})
        assert result.enqueue_time <= result.start_time <= result.finish_time
        assert (result.success, result.job_try) == (True, 1)

    async def test_failure(self, mock):
        """A job can be made to have failed."""
        job = await mock.enqueue("work")
        await mock.set_complete(job.id, result=ValueError("boom"), success=False)
        with pytest.raises(ValueError, match="boom"):
            (await mock.get_job_result(job.id)).unwrap()

    async def test_result_that_cannot_be_encoded(self, mock):
        """A result that a worker could not store ends as it does there."""
        job = await mock.enqueue("work")
        await mock.set_complete(job.id, result=threading.Lock())
        result = await mock.get_job_result(job.id)
        assert (result.success, result.result) == (False, "unable to serialize result")

    @pytest.mark.parametrize("queue_name", [None, "mail"])
    async def test_unknown_job(self, mock, queue_name):
        """A job that is not there can't be put into a state."""
        await mock.enqueue("work", _job_id="k", _queue_name="other")
        with pytest.raises(JobNotFound):
            await mock.set_in_progress("k", queue_name)
        with pytest.raises(JobNotFound):
            await mock.set_complete("k", result=1, queue_name=queue_name)

    async def test_named_queue(self, mock):
        """A job of another queue is put into a state there."""
        await mock.enqueue("work", _job_id="k", _queue_name="mail")
        await mock.set_in_progress("k", "mail")
        assert await mock.get_job_status("k", "mail") is JobStatus.in_progress
        await mock.set_complete("k", result=1, queue_name="mail")
        assert (await mock.get_job_result("k")).queue_name == "mail"

    async def test_job_in_progress_is_not_run(self, mock):
        """What a worker has, no other one picks up."""
        job = await mock.enqueue("add", 1, 2)
        await mock.set_in_progress(job.id)
        assert await mock.run_jobs([add]) == 0
        with pytest.raises(JobNotFound):
            await mock.run_job(job.id, [add])


class TestRunning:
    async def test_values_come_back(self, mock):
        """A job's value is its result."""
        job = await mock.enqueue(add, 1, b=2)
        assert await mock.run_jobs([add]) == 1
        result = await mock.wait_for_result(job.id, timeout=0)
        assert (result.result, result.success, result.job_try) == (3, True, 1)
        assert await mock.run_jobs([add]) == 0

    async def test_order_is_a_workers(self, mock):
        """Jobs are run by the time at which they are due, then by their ids."""
        ctx = {"notes": []}
        await mock.enqueue("note", "later", _job_id="a", _defer_by=20)
        await mock.enqueue("note", "sooner", _job_id="b", _defer_by=10)
        mock.clock.advance(30)
        await mock.enqueue("note", "now", _job_id="c")
        await mock.run_jobs([note], ctx)
        assert ctx["notes"] == ["sooner", "later", "now"]

    async def test_ctx(self, mock):
        """A job finds in its ctx what a worker puts there, and what the test gave."""
        job = await mock.enqueue("show_ctx", _job_id="k")
        await mock.run_jobs([show_ctx], {"mine": 1})
        result = await mock.get_job_result("k")
        assert result.result == {
            "mine": 1,
            "job_id": "k",
            "job_try": 1,
            "enqueue_time": job.enqueue_time,
            "score": job.score,
        }

    async def test_jobs_enqueue_jobs(self, mock):
        """A job enqueues by `ctx["redis"]` as on a worker, and what it enqueued is run, too."""
        await mock.enqueue("enqueue_another")
        assert await mock.run_jobs([enqueue_another, add]) == 2
        assert (await mock.get_job_result("another")).result == 3
        again = await mock.enqueue("enqueue_another", "mail")
        await mock.run_jobs([enqueue_another])
        assert (await mock.get_job_result(again.id)).result is None

    async def test_settings_class(self, mock):
        """A worker's settings class is taken as arq takes it, with its hooks and limits."""
        context = {}

        class WorkerSettings:
            functions = [add, fail]  # noqa: RUF012 - as users write it
            queue_name = "mail"
            on_startup = remember_startup
            on_shutdown = remember_shutdown
            on_job_start = remember_start
            on_job_end = remember_end
            redis_settings = None
            ctx = context

        await mock.enqueue("add", 1, 2, _queue_name="mail", _job_id="k")
        assert await mock.run_jobs(WorkerSettings) == 1
        assert context["hooks"] == ["startup", "start", "end", "shutdown"]
        assert (await mock.get_job_result("k")).queue_name == "mail"

    async def test_one_error_is_raised(self, mock):
        """What a job raised is raised by `run_jobs`, and is its result."""
        job = await mock.enqueue("fail", "boom")
        with pytest.raises(ValueError, match="boom"):
            await mock.run_jobs([fail])
        assert repr((await mock.get_job_result(job.id)).result) == "ValueError('boom')"

    async def test_several_errors_are_a_group(self, mock):
        """What several jobs raised is raised as a group, in order, when all have run."""
        for text in ("a", "b"):
            await mock.enqueue("fail", text, _job_id=text)
        await mock.enqueue("add", 1, 2, _job_id="c")
        with pytest.raises(ExceptionGroup) as caught:
            await mock.run_jobs([fail, add])
        assert [str(error) for error in caught.value.exceptions] == ["a", "b"]
        assert await mock.get_job_status("c") is JobStatus.complete

    async def test_errors_can_be_kept_in_the_results(self, mock):
        """If asked, `run_jobs` raises nothing; `run_job` never does."""
        first, second = await mock.enqueue("fail", "a"), await mock.enqueue("fail", "b")
        await mock.run_job(first.id, [fail])
        assert await mock.run_jobs([fail], raise_errors=False) == 1
        assert not (await mock.get_job_result(first.id)).success
        assert not (await mock.get_job_result(second.id)).success

    async def test_one_job_is_run_before_its_time(self, mock):
        """`run_job` runs the job that is named, due or not, and no other."""
        other = await mock.enqueue("add", 1, 2)
        job = await mock.enqueue("add", 3, 4, _defer_by=60)
        await mock.run_job(job.id, [add])
        assert (await mock.get_job_result(job.id)).result == 7
        assert await mock.get_job_status(other.id) is JobStatus.queued
        with pytest.raises(JobNotFound):
            await mock.run_job("unknown", [add])

    @pytest.mark.parametrize(
        ("function", "tries"),
        [(retry_twice, 3), (retry_job_once, 2), (cancel_self_once, 2)],
        ids=["Retry", "RetryJob", "CancelledError"],
    )
    async def test_retry(self, mock, function, tries):
        """A job that asks for it is tried again, and counts its tries."""
        job = await mock.enqueue(function)
        assert await mock.run_jobs([function]) == tries
        result = await mock.get_job_result(job.id)
        assert (result.result, result.job_try) == (tries, tries)

    async def test_deferred_retry(self, mock):
        """A retry that is deferred waits for its time."""
        job = await mock.enqueue("retry_twice", 60)
        assert await mock.run_jobs([retry_twice]) == 1
        assert await mock.get_job_status(job.id) is JobStatus.deferred
        assert await mock.run_jobs([retry_twice]) == 0
        for _ in range(2):
            mock.clock.advance(61)
            assert await mock.run_jobs([retry_twice]) == 1
        assert (await mock.get_job_result(job.id)).result == 3

    async def test_tries_are_limited(self, mock):
        """A job is not tried more often than the worker or its function allows."""
        first = await mock.enqueue("retry_for_ever")
        assert await mock.run_jobs([retry_for_ever], raise_errors=False) == 6
        result = await mock.get_job_result(first.id)
        assert repr(result.result) == "JobExecutionFailed('max 5 retries exceeded')"
        second = await mock.enqueue("retry_for_ever", _job_try=3)
        await mock.run_jobs([func(retry_for_ever, max_tries=2)], raise_errors=False)
        result = await mock.get_job_result(second.id)
        assert repr(result.result) == "JobExecutionFailed('max 2 retries exceeded')"
        assert result.job_try == 3

    async def test_retries_can_be_switched_off(self, mock):
        """A worker that does not retry stores the Retry as the job's error."""
        job = await mock.enqueue("retry_twice")
        settings = {"functions": [retry_twice], "retry_jobs": False}
        assert await mock.run_jobs(settings, raise_errors=False) == 1
        result = await mock.get_job_result(job.id)
        assert type(result.result).__name__ == "Retry"

    async def test_unknown_function(self, mock):
        """A job whose function the worker does not have fails as on a worker."""
        job = await mock.enqueue("nope")
        with pytest.raises(Exception, match="function 'nope' not found"):
            await mock.run_jobs([add])
        result = await mock.get_job_result(job.id)
        assert type(result.result).__name__ == "JobExecutionFailed"

    async def test_wrong_arguments(self, mock):
        """A job whose arguments do not fit its function fails with the TypeError."""
        job = await mock.enqueue("add", 1)
        await mock.run_jobs([add], raise_errors=False)
        assert type((await mock.get_job_result(job.id)).result) is TypeError

    async def test_timeout(self, mock):
        """A job that takes too long ends with a TimeoutError."""
        job = await mock.enqueue("sleep_long")
        await mock.run_jobs([func(sleep_long, timeout=0.01)], raise_errors=False)
        result = await mock.get_job_result(job.id)
        assert type(result.result) is TimeoutError

    async def test_value_that_cannot_be_encoded(self, mock):
        """A job whose value can't be stored is a failure, as on a worker."""
        job = await mock.enqueue("give_lambda")
        await mock.run_jobs([give_lambda])
        result = await mock.get_job_result(job.id)
        assert (result.success, result.result) == (False, "unable to serialize result")

    @pytest.mark.parametrize(
        "settings", [{"functions": [add], "keep_result": 0}, [func(add, keep_result=0)]]
    )
    async def test_no_result_is_kept(self, mock, settings):
        """A worker that keeps no results leaves nothing of a job."""
        job = await mock.enqueue("add", 1, 2)
        await mock.run_jobs(settings)
        assert await mock.get_job_status(job.id) is JobStatus.not_found

    @pytest.mark.parametrize(
        ("settings", "kept"),
        [
            ({"functions": [add], "keep_result": timedelta(minutes=1)}, False),
            ({"functions": [add], "keep_result_forever": True}, True),
        ],
    )
    async def test_life_of_a_result(self, mock, settings, kept):
        """A result is kept as long as the worker's settings say."""
        job = await mock.enqueue("add", 1, 2)
        await mock.run_jobs(settings)
        mock.clock.advance(59)
        assert await mock.get_job_status(job.id) is JobStatus.complete
        mock.clock.advance(1_000_000)
        assert (await mock.get_job_status(job.id) is JobStatus.complete) is kept

    async def test_what_is_no_function(self, mock):
        """What a worker could not run is refused, and so is a worker without functions."""
        with pytest.raises(TypeError, match="function must be"):
            await mock.run_jobs([5])
        with pytest.raises(ValueError, match="at least one function"):
            await mock.run_jobs([])

    @pytest.mark.parametrize("allowed", [True, False])
    async def test_abort_of_a_job_that_runs(self, mock, allowed):
        """A running job is aborted if its worker allows that, from any thread."""
        job = await mock.enqueue("sleep_long")
        ctx = {"started": threading.Event()}
        outcomes = []

        def cancel():
            ctx["started"].wait()
            other = OTHER_KIND(store=mock.store)
            outcomes.append(other.cancel_job(job.id, timeout=0.2))

        thread = threading.Thread(target=cancel)
        thread.start()
        functions = [func(sleep_long, timeout=1)]
        settings = {"functions": functions, "allow_abort_jobs": allowed}
        await mock.run_jobs(settings, ctx, raise_errors=False)
        thread.join()
        result = await mock.get_job_result(job.id)
        expected = ("CancelledError", "aborted") if allowed else ("TimeoutError", "unconfirmed")
        assert (type(result.result).__name__, outcomes[0]) == expected


class TestLooking:
    async def test_jobs(self, mock):
        """`jobs` holds all jobs of all queues, in the order of their enqueuing."""
        first = await mock.enqueue("a", _defer_by=60)
        second = await mock.enqueue("b", _queue_name="mail")
        third = await mock.enqueue("c")
        await mock.set_complete(second.id, result=1, queue_name="mail")
        await mock.cancel_job((await mock.enqueue("d")).id)
        assert [job.id for job in mock.jobs] == [first.id, second.id, third.id]
        assert [job.status for job in mock.jobs] == ["deferred", "complete", "queued"]
        mock.jobs[0].kwargs["x"] = 1
        assert mock.jobs[0] == first

    async def test_jobs_by_queue_for_migrants(self, mock):
        """`_job_metadata` reads as it did in safir's mock; a queue without jobs is empty."""
        job = await mock.enqueue("a", _queue_name="mail")
        assert mock._job_metadata["mail"][job.id] == job
        assert mock._job_metadata["other"] == {}
        assert mock._job_metadata[mock.default_queue_name] == {}

    async def test_assert_enqueued(self, mock):
        """What was enqueued can be asserted, with exactly its arguments, whatever became of it."""
        mock.assert_nothing_enqueued()
        await mock.enqueue(worker_function, 1)
        await mock.enqueue("add", 1, b=[2])
        gone = await mock.enqueue("add", 1, b=[2])
        await mock.cancel_job(gone.id)
        mock.assert_enqueued(worker_function, 1)
        mock.assert_enqueued("worker_function", 1)
        mock.assert_enqueued("add", 1, b=[2], _times=2)
        mock.assert_enqueued(JobRequest("add", (1,), {"b": [2]}), _times=2)
        mock.assert_enqueued("add", _times=0)

    @pytest.mark.parametrize(
        "check",
        [
            lambda mock: mock.assert_enqueued("add", 2),
            lambda mock: mock.assert_enqueued("other", 1),
            lambda mock: mock.assert_enqueued("add", 1, _times=2),
            lambda mock: mock.assert_enqueued("add", 1, x=5),
            lambda mock: mock.assert_nothing_enqueued(),
        ],
    )
    async def test_assertion_that_does_not_hold(self, mock, check):
        """An assertion that fails shows what was enqueued."""
        await mock.enqueue("add", 1)
        with pytest.raises(AssertionError, match=r"enqueued:\n  add\(1\)"):
            check(mock)

    async def test_assertion_about_nothing(self, mock):
        """An assertion that fails where nothing was enqueued says so."""
        with pytest.raises(AssertionError, match="nothing"):
            mock.assert_enqueued("add")

    async def test_unknown_options_of_assertions(self, mock):
        """An assertion knows one option."""
        with pytest.raises(TypeError, match="_time"):
            mock.assert_enqueued("add", _time=2)


class TestFailing:
    @pytest.mark.parametrize("error", [QueueConnectionError("down"), QueueConnectionError])
    async def test_operations_raise(self, mock, error):
        """Within the block every operation raises the error; after it all is as before."""
        job = await mock.enqueue("add")
        with mock.failing(error):
            for _ in range(2):
                with pytest.raises(QueueConnectionError):
                    await mock.get_job_status(job.id)
            with pytest.raises(QueueConnectionError):
                await mock.enqueue("add")
        assert await mock.get_job_status(job.id) is JobStatus.queued
        assert len(mock.jobs) == 1

    async def test_bad_input_is_still_bad_input(self, mock):
        """What is refused before anything is sent is refused as before."""
        with mock.failing(QueueConnectionError), pytest.raises(ValueError, match="empty"):
            await mock.enqueue("")

    async def test_blocks_nest(self, mock):
        """The inner error holds within the inner block."""
        with mock.failing(QueueConnectionError):
            with mock.failing(ZeroDivisionError), pytest.raises(ZeroDivisionError):
                await mock.ping()
            with pytest.raises(QueueConnectionError):
                await mock.ping()


class TestSharing:
    async def test_two_views_of_one_store(self, mock):
        """Two mocks on one store see the same jobs and the same time."""
        other = MockArqQueue(store=mock.store, default_queue_name="mail")
        blocking = OTHER_KIND(store=mock.store)
        job = await mock.enqueue("add", 1, 2)
        assert await other.get_job_metadata(job.id, "arq:queue") == job
        assert blocking.get_job_metadata(job.id) == job
        other.clock.advance(100_000)
        assert mock.clock is other.clock
        with pytest.raises(JobNotFound):
            await mock.get_job_metadata(job.id)
        assert mock.jobs == []

    async def test_own_clock(self, mock):
        """A mock may be given its time; a store has one already."""
        other = MockArqQueue(clock=mock.clock)
        job = await other.enqueue("add", _defer_by=5)
        mock.clock.advance(6)
        assert await other.get_job_status(job.id) is JobStatus.queued
        with pytest.raises(ValueError, match="a store has a clock"):
            MockArqQueue(clock=mock.clock, store=mock.store)
        with pytest.raises(ValueError, match="not be negative"):
            mock.clock.advance(-1)


class TestSafirApplications:
    async def test_metadata_of_seven_fields(self, mock):
        """Metadata compare with those that an application builds of safir's seven fields."""
        job = await mock.enqueue("work", 1, b=2)
        assert job == JobMetadata(
            job.id, "work", (1,), {"b": 2}, job.enqueue_time, JobStatus.queued, "arq:queue"
        )
        await mock.set_complete(job.id, result=3)
        result = await mock.get_job_result(job.id)
        assert isinstance(result, JobResult)

    async def test_subclass_that_records_calls(self):
        """A subclass may override `enqueue` with safir's signature."""

        class Recording(MockArqQueue):
            def __init__(self, **options):
                super().__init__(**options)
                self.calls = []

            async def enqueue(self, task_name, *task_args, _queue_name=None, **task_kwargs):
                self.calls.append((task_name, task_args, _queue_name, task_kwargs))
                return await super().enqueue(
                    task_name, *task_args, _queue_name=_queue_name, **task_kwargs
                )

        mock = Recording(default_queue_name="mail")
        job = await mock.enqueue("work", 1, b=2)
        assert mock.calls == [("work", (1,), None, {"b": 2})]
        assert job.queue_name == "mail"
