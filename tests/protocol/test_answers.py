from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from arqade._protocol import answers
from arqade._protocol.answers import Asked
from arqade._protocol.payloads import JobTimes, decode_result
from arqade._protocol.scripts import EnqueueAnswer, JobView
from arqade.exceptions import (
    JobDeserializationError,
    JobNotFound,
    JobNotQueued,
    JobResultUnavailable,
    PayloadTooLarge,
)
from arqade.models import CancelOutcome, JobMetadata, JobRequest, JobStatus
from tests.protocol.envelopes import CODEC, MISSING, job_bytes, result_bytes

NOW = 1_700_000_005_000
ENQUEUED = datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)
DUE = NOW - 1
LATER = NOW + 1
LIMIT = 1000
"""The most bytes of a job or result that are read."""
MISSING_CLASS = b"cno.module\nNoClass\n."


def asked_for(queue_name="mail", *, explicit=False):
    return Asked("j", queue_name, explicit=explicit, codec=CODEC, max_bytes=LIMIT)


def seen(*, score=None, in_progress=False, result=None, job=None):
    return JobView(NOW, score, in_progress, result, job)


QUEUED = seen(score=DUE, job=job_bytes())
DEFERRED = seen(score=LATER, job=job_bytes(t=3))
RUNNING = seen(score=DUE, in_progress=True, job=job_bytes())
RUNNING_EXPIRED = seen(score=DUE, in_progress=True)
COMPLETE = seen(result=result_bytes())
NOTHING = seen()
EXPIRED = seen(score=DUE)
ELSEWHERE = seen(job=job_bytes())
RUNNING_ELSEWHERE = seen(in_progress=True, job=job_bytes())
FINISHED_CRON = seen(in_progress=True)

ABSENT = {
    "unknown": NOTHING,
    "expired": EXPIRED,
    "in another queue": ELSEWHERE,
    "running in another queue": RUNNING_ELSEWHERE,
    "finished cron job": FINISHED_CRON,
}
"""What is seen of jobs that are not in the queue that was asked."""

PENDING = {
    "queued": QUEUED,
    "deferred": DEFERRED,
    "running": RUNNING,
    "running and expired": RUNNING_EXPIRED,
}
"""What is seen of jobs that may still come to a result."""

EXPLICIT = pytest.mark.parametrize("explicit", [True, False], ids=["explicit", "default"])


def each(views):
    return pytest.mark.parametrize("view", views.values(), ids=views.keys())


class TestMetadata:
    @EXPLICIT
    @pytest.mark.parametrize(
        ("view", "status", "score", "job_try"),
        [
            (QUEUED, JobStatus.queued, DUE, None),
            (DEFERRED, JobStatus.deferred, LATER, 3),
            (RUNNING, JobStatus.in_progress, DUE, None),
        ],
        ids=["queued", "deferred", "running"],
    )
    def test_job_in_the_queue(self, view, status, score, job_try, explicit):
        """A job in the queue that was asked is told of."""
        job = answers.metadata(asked_for(explicit=explicit), view)
        assert job == JobMetadata("j", "work", (1,), {"b": 2}, ENQUEUED, status, "mail")
        assert (job.score, job.job_try) == (score, job_try)

    @EXPLICIT
    def test_finished_job(self, explicit):
        """A finished job is told of by its result, as plain metadata."""
        job = answers.metadata(asked_for(explicit=explicit), COMPLETE)
        expected = JobMetadata("j", "work", (1,), {"b": 2}, ENQUEUED, JobStatus.complete, "mail")
        assert (type(job), job) == (JobMetadata, expected)
        assert (job.score, job.job_try) == (None, 2)

    @EXPLICIT
    @each(ABSENT | {"running and expired": RUNNING_EXPIRED})
    def test_no_job(self, view, explicit):
        """Without an envelope, or a place in this queue, there is no job to tell of."""
        with pytest.raises(JobNotFound, match=r"^Job could not be found\. id=j$") as caught:
            answers.metadata(asked_for(explicit=explicit), view)
        assert caught.value.job_id == "j"

    def test_result_of_another_queue(self):
        """A finished job is found whatever queue it ran in, unless one was named."""
        assert answers.metadata(asked_for("other"), COMPLETE).queue_name == "mail"
        with pytest.raises(JobNotFound, match="id=j"):
            answers.metadata(asked_for("other", explicit=True), COMPLETE)

    @EXPLICIT
    def test_result_without_a_queue(self, explicit):
        """A result that names no queue is taken for one of the queue that was asked."""
        view = seen(result=result_bytes(q=MISSING))
        assert answers.metadata(asked_for("other", explicit=explicit), view).queue_name == "other"

    def test_result_and_new_job(self):
        """A result comes before a job of the same id, as for arq."""
        view = seen(score=LATER, job=job_bytes(), result=result_bytes())
        assert answers.metadata(asked_for(), view).status is JobStatus.complete

    @EXPLICIT
    @each(
        {
            "job": seen(score=DUE, job=b"garbage"),
            "job of a missing class": seen(score=DUE, job=MISSING_CLASS),
            "result": seen(result=b"garbage"),
            "empty result": seen(result=b""),
        }
    )
    def test_what_cannot_be_decoded(self, view, explicit):
        """Bytes that can't be decoded are an error with the id."""
        with pytest.raises(JobDeserializationError, match="id=j") as caught:
            answers.metadata(asked_for(explicit=explicit), view)
        assert caught.value.job_id == "j"

    @EXPLICIT
    @each({"Job": seen(score=DUE, job=1001), "Job result": seen(result=1001)})
    def test_what_was_not_read(self, view, explicit):
        """Of what was too large the error tells size and limit."""
        with pytest.raises(PayloadTooLarge, match=r"^Job.* was not read .*id=j$") as caught:
            answers.metadata(asked_for(explicit=explicit), view)
        error = caught.value
        assert (error.job_id, error.size, error.limit) == ("j", 1001, LIMIT)


class TestResult:
    @EXPLICIT
    def test_result(self, explicit):
        """A finished job's result is given."""
        asked = asked_for(explicit=explicit)
        expected = decode_result(result_bytes(), job_id="j", queue_name="mail", codec=CODEC)
        assert answers.result(asked, COMPLETE) == expected
        assert answers.finished(asked, COMPLETE) == expected

    def test_result_of_another_queue(self):
        """A result is found whatever queue the job ran in, unless one was named."""
        assert answers.result(asked_for("other"), COMPLETE).queue_name == "mail"
        for ask in (answers.result, answers.finished):
            with pytest.raises(JobNotFound, match="id=j"):
                ask(asked_for("other", explicit=True), COMPLETE)

    @EXPLICIT
    def test_result_without_a_queue(self, explicit):
        """A result that names no queue is taken for one of the queue that was asked."""
        view = seen(result=result_bytes(q=MISSING))
        assert answers.result(asked_for("other", explicit=explicit), view).queue_name == "other"

    @EXPLICIT
    @each(PENDING)
    def test_no_result_yet(self, view, explicit):
        """A job in this queue without a result has none yet."""
        asked = asked_for(explicit=explicit)
        assert answers.finished(asked, view) is None
        with pytest.raises(
            JobResultUnavailable, match=r"^Job result could not be found\. id=j$"
        ) as caught:
            answers.result(asked, view)
        assert caught.value.job_id == "j"

    @EXPLICIT
    @each(ABSENT)
    def test_no_job(self, view, explicit):
        """A job that is not in this queue, or that expired, is not found."""
        for ask in (answers.result, answers.finished):
            with pytest.raises(JobNotFound, match=r"^Job could not be found\. id=j$"):
                ask(asked_for(explicit=explicit), view)

    def test_result_that_cannot_be_decoded(self):
        """Bytes that can't be decoded are an error with the id."""
        with pytest.raises(JobDeserializationError, match="id=j"):
            answers.result(asked_for(), seen(result=MISSING_CLASS))

    def test_result_that_was_not_read(self):
        """Of what was too large the error tells size and limit."""
        for ask in (answers.result, answers.finished):
            with pytest.raises(PayloadTooLarge, match=r"^Job result was not read") as caught:
                ask(asked_for(), seen(result=1001))
            assert (caught.value.job_id, caught.value.size, caught.value.limit) == (
                "j",
                1001,
                LIMIT,
            )

    @pytest.mark.parametrize("failure", [ValueError("x"), asyncio.CancelledError()], ids=repr)
    def test_failure_is_not_raised(self, failure):
        """What a job raised is in its result."""
        view = seen(result=result_bytes(s=False, r=failure))
        assert repr(answers.result(asked_for(), view).result) == repr(failure)


class TestCancelled:
    def test_aborted(self):
        """A stored `CancelledError` says that a worker stopped the job."""
        view = seen(result=result_bytes(s=False, r=asyncio.CancelledError()))
        assert answers.cancelled(asked_for(), view) is CancelOutcome.aborted
        assert answers.cancelled(asked_for(explicit=True), view) is CancelOutcome.aborted

    @each(
        {
            "value": COMPLETE,
            "failure": seen(result=result_bytes(s=False, r=TimeoutError())),
            "result that can't be decoded": seen(result=b"garbage"),
            "result that was not read": seen(result=1001),
            "job elsewhere": ELSEWHERE,
            "nothing": NOTHING,
            "expired": EXPIRED,
        }
    )
    @EXPLICIT
    def test_unconfirmed(self, view, explicit):
        """Any other end is no word of a worker's."""
        asked = asked_for(explicit=explicit)
        assert answers.cancelled(asked, view) is CancelOutcome.unconfirmed

    def test_result_of_another_queue(self):
        """A job of another queue that was aborted is not the one that was asked for."""
        view = seen(result=result_bytes(s=False, r=asyncio.CancelledError()))
        assert answers.cancelled(asked_for("other"), view) is CancelOutcome.aborted
        explicit = asked_for("other", explicit=True)
        assert answers.cancelled(explicit, view) is CancelOutcome.unconfirmed

    @EXPLICIT
    @each(PENDING)
    def test_nothing_yet(self, view, explicit):
        """While the job may come to an end, there is no outcome."""
        assert answers.cancelled(asked_for(explicit=explicit), view) is None


RESULTS = {
    "none": None,
    "of the queue": result_bytes(),
    "of another queue": result_bytes(q="other"),
    "of no queue": result_bytes(q=MISSING),
}


@EXPLICIT
@pytest.mark.parametrize("job", [None, job_bytes()], ids=["no job", "job"])
@pytest.mark.parametrize("in_progress", [False, True], ids=["idle", "running"])
@pytest.mark.parametrize("score", [None, DUE, LATER], ids=["not queued", "due", "deferred"])
@pytest.mark.parametrize("stored", RESULTS)
def test_every_combination(stored, score, in_progress, job, explicit):
    """The answers agree with each other about whatever a server may know of a job."""
    asked = asked_for(explicit=explicit)
    view = seen(score=score, in_progress=in_progress, result=RESULTS[stored], job=job)
    if stored != "none":
        known = not explicit or stored != "of another queue"
        outcomes = ["complete", "result", "result", "unconfirmed"]
        expected = outcomes if known else ["JobNotFound"] * 3 + ["unconfirmed"]
    else:
        told = str(view.status) if job and score else "JobNotFound"
        pending = score is not None and (in_progress or job is not None)
        expected = (
            [told, "None", "JobResultUnavailable", "None"]
            if pending
            else [told, "JobNotFound", "JobNotFound", "unconfirmed"]
        )
    assert [
        outcome_of(lambda: answers.metadata(asked, view).status),
        outcome_of(lambda: answers.finished(asked, view) and "result"),
        outcome_of(lambda: answers.result(asked, view) and "result"),
        outcome_of(lambda: answers.cancelled(asked, view)),
    ] == expected


def outcome_of(ask):
    """Give what an answer is, or the name of the error that it is."""
    try:
        return str(ask())
    except (JobNotFound, JobResultUnavailable) as error:
        return type(error).__name__


class TestEnqueued:
    REQUEST = JobRequest("work", (1,), {"b": 2}, job_try=3)
    TIMES = JobTimes(1_700_000_000_123, DUE, 86_400_000, deferred=False)

    def enqueued(self, answer, **asked):
        return answers.enqueued(asked_for(**asked), answer, request=self.REQUEST, times=self.TIMES)

    @EXPLICIT
    @pytest.mark.parametrize(
        ("score", "status"),
        [(DUE, JobStatus.queued), (NOW, JobStatus.queued), (LATER, JobStatus.deferred)],
    )
    def test_created(self, score, status, explicit):
        """A new job's metadata are what was sent, with the server's score."""
        job = self.enqueued(EnqueueAnswer("created", NOW, score=score), explicit=explicit)
        assert job == JobMetadata("j", "work", (1,), {"b": 2}, ENQUEUED, status, "mail")
        assert (job.score, job.job_try) == (score, 3)

    def test_repeated(self):
        """A job that an earlier sending made has the values of that one."""
        answer = EnqueueAnswer("repeated", NOW, LATER, 1_699_999_999_999, "first")
        job = self.enqueued(answer)
        sent = datetime(2023, 11, 14, 22, 13, 19, 999_000, tzinfo=UTC)
        expected = JobMetadata("first", "work", (1,), {"b": 2}, sent, JobStatus.deferred, "mail")
        assert job == expected
        assert job.score == LATER

    def test_repeated_without_values(self):
        """A user who may not read the marker is told what was sent this time."""
        job = self.enqueued(EnqueueAnswer("repeated", NOW))
        assert (job.id, job.score, job.enqueue_time) == ("j", DUE, ENQUEUED)
        assert job.status is JobStatus.queued

    @EXPLICIT
    @pytest.mark.parametrize("reason", ["queued", "deferred", "in_progress", "complete"])
    def test_exists(self, reason, explicit):
        """A job in the way is an error that says what state it is in."""
        start = r"^Job was not queued because it already exists\. id=j"
        with pytest.raises(JobNotQueued, match=start) as caught:
            self.enqueued(EnqueueAnswer("exists", NOW, reason=reason), explicit=explicit)
        assert (caught.value.job_id, caught.value.reason) == ("j", reason)

    @EXPLICIT
    @pytest.mark.parametrize(
        ("view", "status"),
        [
            (QUEUED, JobStatus.queued),
            (DEFERRED, JobStatus.deferred),
            (RUNNING, JobStatus.in_progress),
            (COMPLETE, JobStatus.complete),
        ],
        ids=["queued", "deferred", "running", "complete"],
    )
    def test_existing_job_is_returned(self, view, status, explicit):
        """A job that is to be returned is told of as it is."""
        job = self.enqueued(EnqueueAnswer("exists", NOW, view=view), explicit=explicit)
        assert (type(job), job.id, job.status) == (JobMetadata, "j", status)
        assert job == answers.metadata(asked_for(), view)

    @EXPLICIT
    def test_existing_result_of_another_queue(self, explicit):
        """A result in the way is told of, whatever queue it is of and even if one was named."""
        answer = EnqueueAnswer("exists", NOW, view=COMPLETE)
        job = self.enqueued(answer, queue_name="other", explicit=explicit)
        assert (job.queue_name, job.status) == ("mail", JobStatus.complete)

    @pytest.mark.parametrize(
        ("view", "reason"),
        [
            (ELSEWHERE, "queued"),
            (RUNNING_ELSEWHERE, "in_progress"),
            (seen(score=DUE, in_progress=True), "in_progress"),
        ],
        ids=["waiting elsewhere", "running elsewhere", "running and expired"],
    )
    def test_existing_job_of_another_queue(self, view, reason):
        """A job in the way that can't be told of is an error, with what is known of it."""
        with pytest.raises(JobNotQueued, match="id=j") as caught:
            self.enqueued(EnqueueAnswer("exists", NOW, view=view))
        assert (caught.value.job_id, caught.value.reason) == ("j", reason)
        assert caught.value.__suppress_context__

    def test_existing_job_that_cannot_be_decoded(self):
        """A job that is to be returned and can't be decoded is an error with the id."""
        view = seen(score=DUE, job=MISSING_CLASS)
        with pytest.raises(JobDeserializationError, match="id=j"):
            self.enqueued(EnqueueAnswer("exists", NOW, view=view))

    @EXPLICIT
    @each({"Job": seen(score=DUE, job=1001), "Job result": seen(result=1001)})
    def test_existing_job_that_was_not_read(self, view, explicit):
        """A job that is to be returned and was too large: the error says what became of the new."""
        with pytest.raises(PayloadTooLarge, match=r"^Job was not queued because it ") as caught:
            self.enqueued(EnqueueAnswer("exists", NOW, view=view), explicit=explicit)
        assert (caught.value.job_id, caught.value.size, caught.value.limit) == ("j", 1001, LIMIT)
        assert caught.value.__suppress_context__


def test_without_frames():
    """An error that is kept holds nothing that was in hand where it was raised."""

    def fail(error, cause):
        raise error from cause

    def fail_twice():
        try:
            fail(ValueError(), None)
        except ValueError as error:
            fail(TypeError(), error)

    def fail_again():
        try:
            fail_twice()
        except TypeError:
            {}["key"]

    with pytest.raises(KeyError) as caught:
        fail_again()
    kept = answers.without_frames(caught.value)
    links = [kept, kept.__context__, kept.__context__.__cause__]
    assert [type(link) for link in links] == [KeyError, TypeError, ValueError]
    assert [link.__traceback__ for link in links] == [None] * 3
