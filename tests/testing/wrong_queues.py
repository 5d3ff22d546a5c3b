"""Queues that break one promise each, and the tests of the conformance suite that must find out."""

from __future__ import annotations

import contextlib

from arqade import (
    CancelOutcome,
    JobNotFound,
    JobNotQueued,
    JobResultUnavailable,
    JobStatus,
    SyncMockArqQueue,
)


class AcceptsDuplicates(SyncMockArqQueue):
    def enqueue(self, task, /, *args, _on_conflict="raise", **kwargs):
        policy = "replace" if _on_conflict == "raise" else _on_conflict
        return super().enqueue(task, *args, _on_conflict=policy, **kwargs)


class AlwaysReplaces(SyncMockArqQueue):
    def enqueue(self, task, /, *args, _on_conflict="raise", **kwargs):
        policy = "replace" if _on_conflict == "return_existing" else _on_conflict
        return super().enqueue(task, *args, _on_conflict=policy, **kwargs)


class GivesOneReason(SyncMockArqQueue):
    def enqueue(self, task, /, *args, **kwargs):
        try:
            return super().enqueue(task, *args, **kwargs)
        except JobNotQueued as error:
            raise JobNotQueued(error.job_id, "queued") from None


class IgnoresDeferral(SyncMockArqQueue):
    def enqueue(self, task, /, *args, _defer_by=None, _defer_until=None, **kwargs):
        return super().enqueue(task, *args, **kwargs)


class IgnoresExpiry(SyncMockArqQueue):
    def enqueue(self, task, /, *args, _expires=None, **kwargs):
        return super().enqueue(task, *args, **kwargs)


class ForgetsTokens(SyncMockArqQueue):
    def enqueue(self, task, /, *args, _token=None, **kwargs):
        return super().enqueue(task, *args, **kwargs)


class LeaksOptions(SyncMockArqQueue):
    def enqueue(self, task, /, *args, _queue=None, **kwargs):
        return super().enqueue(task, *args, **kwargs, queue=_queue)


class NamesItsTask(SyncMockArqQueue):
    def enqueue(self, task, *args, **kwargs):
        return super().enqueue(task, *args, **kwargs)


class AcceptsAnyArgument(SyncMockArqQueue):
    def enqueue(self, task, /, *args, **kwargs):
        plain = [x if isinstance(x, int | str | list | dict | None) else repr(x) for x in args]
        return super().enqueue(task, *plain, **kwargs)


class SharesObjects(SyncMockArqQueue):
    def enqueue(self, task, /, *args, **kwargs):
        job = super().enqueue(task, *args, **kwargs)
        self.__dict__.setdefault("live", {})[job.id] = job
        return job

    def get_job_metadata(self, job_id, queue_name=None):
        job = super().get_job_metadata(job_id, queue_name)
        return self.live.get(job_id, job)


class MixesQueues(SyncMockArqQueue):
    def get_job_metadata(self, job_id, queue_name=None):
        for job in self.jobs:
            if job.id == job_id:
                return job
        return super().get_job_metadata(job_id, queue_name)


class ConfusesErrors(SyncMockArqQueue):
    def get_job_result(self, job_id, queue_name=None):
        try:
            return super().get_job_result(job_id, queue_name)
        except JobNotFound:
            raise JobResultUnavailable(job_id) from None


class KnowsEveryJob(SyncMockArqQueue):
    def get_job_status(self, job_id, queue_name=None):
        status = super().get_job_status(job_id, queue_name)
        return JobStatus.queued if status is JobStatus.not_found else status


class IsImpatient(SyncMockArqQueue):
    def wait_for_result(self, job_id, queue_name=None, *, timeout=None):
        return super().wait_for_result(job_id, queue_name, timeout=timeout and 0)


class PoisonsIds(SyncMockArqQueue):
    def cancel_job(self, job_id, queue_name=None, *, timeout=None):
        self.__dict__.setdefault("poisoned", set()).add(job_id)
        return super().cancel_job(job_id, queue_name, timeout=timeout)

    def enqueue(self, task, /, *args, **kwargs):
        job = super().enqueue(task, *args, **kwargs)
        if job.id in self.__dict__.get("poisoned", ()):
            super().cancel_job(job.id, job.queue_name)
        return job


class OnlySaysCancelled(SyncMockArqQueue):
    def cancel_job(self, job_id, queue_name=None, *, timeout=None):
        self.get_job_status(job_id, queue_name)
        return CancelOutcome.removed


class AlwaysAborts(SyncMockArqQueue):
    def abort_job(self, job_id, queue_name=None, *, timeout=None):
        super().abort_job(job_id, queue_name, timeout=timeout)
        return True


class StaysOpen(SyncMockArqQueue):
    def close(self):
        pass


class ClosesOnce(SyncMockArqQueue):
    def close(self):
        self.ping()
        super().close()


class ForgetsTheOrder(SyncMockArqQueue):
    def enqueue_many(self, requests, **kwargs):
        return super().enqueue_many(requests, **kwargs)[::-1]

    def get_jobs_metadata(self, job_ids, queue_name=None):
        return super().get_jobs_metadata(sorted(job_ids), queue_name)


class RaisesForTakenIds(SyncMockArqQueue):
    def enqueue_many(self, requests, **kwargs):
        return [self.enqueue(request) for request in requests]


class GivesJobsTwice(SyncMockArqQueue):
    def iter_jobs(self, queue_name=None, *, status=None):
        jobs = list(super().iter_jobs(queue_name, status=status))
        return iter(jobs * 2)


class CountsAllAsQueued(SyncMockArqQueue):
    def get_queue_stats(self, queue_name=None):
        stats = super().get_queue_stats(queue_name)
        stats.queued, stats.deferred = stats.queued + stats.deferred, 0
        return stats


class PurgesTheDefaultQueue(SyncMockArqQueue):
    def purge(self, queue_name=None):
        return super().purge()


class WaitsForAllOrNothing(SyncMockArqQueue):
    def as_completed(self, job_ids, queue_name=None, *, timeout=None):
        for job_id in job_ids:
            yield self.wait_for_result(job_id, queue_name, timeout=timeout)


class EndsInSilence(SyncMockArqQueue):
    def as_completed(self, job_ids, queue_name=None, *, timeout=None):
        results = super().as_completed(job_ids, queue_name, timeout=timeout)
        return self.until_the_end(results)

    def until_the_end(self, results):
        with contextlib.suppress(TimeoutError, JobNotFound):
            yield from results


class WaitsInAnyQueue(SyncMockArqQueue):
    def as_completed(self, job_ids, queue_name=None, *, timeout=None):
        found = {job.id: job.queue_name for job in self.jobs}
        names = list(job_ids) if not isinstance(job_ids, str) else job_ids
        if names and names[0] in found:
            queue_name = found[names[0]]
        return super().as_completed(names, queue_name, timeout=timeout)


class SaysTooMuch(SyncMockArqQueue):
    @property
    def push_mode(self):
        return "pubsub"


FOUND_BY = {
    AcceptsDuplicates: ["test_same_id"],
    AlwaysReplaces: ["test_return_existing"],
    GivesOneReason: ["test_same_id"],
    IgnoresDeferral: ["test_deferred", "test_bad_call", "test_replace"],
    IgnoresExpiry: ["test_expired_job", "test_bad_call"],
    ForgetsTokens: ["test_token", "test_bad_call"],
    LeaksOptions: ["test_metadata", "test_bad_call"],
    NamesItsTask: ["test_arguments_of_any_name"],
    AcceptsAnyArgument: ["test_unserializable_arguments"],
    SharesObjects: ["test_arguments_are_fresh"],
    MixesQueues: ["test_job_of_another_queue"],
    ConfusesErrors: ["test_unknown_job", "test_job_of_another_queue"],
    KnowsEveryJob: ["test_unknown_job", "test_cancel"],
    IsImpatient: ["test_wait_ends"],
    PoisonsIds: ["test_unknown_job_is_not_poisoned", "test_cancel"],
    OnlySaysCancelled: ["test_cancel", "test_unknown_job_is_not_poisoned"],
    AlwaysAborts: ["test_abort"],
    StaysOpen: ["test_closed", "test_context_manager"],
    ClosesOnce: ["test_closed"],
    ForgetsTheOrder: ["test_many", "test_many_unknown"],
    RaisesForTakenIds: ["test_many_with_taken_ids"],
    GivesJobsTwice: ["test_many"],
    CountsAllAsQueued: ["test_many"],
    PurgesTheDefaultQueue: ["test_many"],
    WaitsForAllOrNothing: ["test_as_completed_unknown", "test_bad_bulk"],
    EndsInSilence: ["test_as_completed_ends", "test_as_completed_unknown"],
    WaitsInAnyQueue: ["test_as_completed_of_another_queue"],
    SaysTooMuch: ["test_push_mode"],
}
"""The wrong queues, and tests that must fail for them."""
