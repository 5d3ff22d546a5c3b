"""What an application does: the same calls from async code and from sync code.

Each call stands in a block ``with report.call(...)``, which times it and notes what it answered.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from arqade import (
    CancelOutcome,
    JobCancelled,
    JobNotQueued,
    JobStatus,
    RedisArqQueue,
    SyncRedisArqQueue,
)
from arqade.demo.jobs import checksum, count_words, stretch
from arqade.demo.report import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arqade.demo.files import TextFile
    from arqade.demo.report import Report

__all__ = ["call_from_async_code", "call_from_sync_code"]

PATIENCE = 20
"""Seconds to wait for a job at most, on a slow machine."""

HOUR = 3600
"""In seconds."""


async def call_from_async_code(url: str, files: Sequence[TextFile], report: Report) -> None:
    """Have words counted, let a job fail, and abort one while it runs."""
    async with await RedisArqQueue.from_url(url) as queue:
        await _count_words(queue, files, report)
        await _fail_and_abort(queue, files[0], report)


async def _count_words(queue: RedisArqQueue, files: Sequence[TextFile], report: Report) -> None:
    with report.call(f"enqueue(count_words, path) x {len(files)}, at once") as call:
        jobs = await asyncio.gather(*(queue.enqueue(count_words, file.path) for file in files))
        states = {job.status for job in jobs}
        call.answered(", ".join(states), expected=states == {JobStatus.queued})

    with report.call(f"wait_for_result(id) x {len(files)}, at once") as call:
        results = await asyncio.gather(
            *(queue.wait_for_result(job.id, timeout=PATIENCE) for job in jobs)
        )
        words = [result.unwrap() for result in results]
        call.answered(f"{sum(words):,} words", expected=words == [file.words for file in files])
    report.results += results
    for file, count in zip(files, words, strict=True):
        print(f"  {count:6,} words in {plain(file.name)}")

    with report.call("get_job_status(id)") as call:
        status = await queue.get_job_status(jobs[0].id)
        call.answered(status, expected=status == JobStatus.complete)

    with report.call("enqueue(..., _job_id=the same id)") as call:
        try:
            await queue.enqueue(count_words, files[0].path, _job_id=jobs[0].id)
        except JobNotQueued as error:
            call.answered(f"JobNotQueued: {error.reason}", expected=error.reason == "complete")


async def _fail_and_abort(queue: RedisArqQueue, file: TextFile, report: Report) -> None:
    # This job would take minutes ...
    with report.call("enqueue(stretch, path, slices=...)") as call:
        long_job = await queue.enqueue(stretch, file.path, slices=100_000)
        call.answered(long_job.status, expected=long_job.status == JobStatus.queued)

    with report.call("get_job_status(id), until it runs") as call:
        async with asyncio.timeout(PATIENCE):
            status = long_job.status
            while status == JobStatus.queued:
                await asyncio.sleep(0.01)
                status = await queue.get_job_status(long_job.id)
        call.answered(status, expected=status == JobStatus.in_progress)

    # ... while it runs, another one fails ...
    missing = str(Path(file.path).with_name("no-such-file"))
    with report.call("enqueue(count_words, path of no file)") as call:
        job = await queue.enqueue(count_words, missing)
        call.answered(job.status, expected=job.status == JobStatus.queued)

    with report.call("wait_for_result(id), unwrap()") as call:
        result = await queue.wait_for_result(job.id, timeout=PATIENCE)
        try:
            result.unwrap()
        except FileNotFoundError as error:
            name = Path(error.filename).name
            call.answered(f"FileNotFoundError: {name}", expected=error.filename == missing)
    report.results.append(result)

    # ... and now it is stopped.
    with report.call("cancel_job(id)") as call:
        outcome = await queue.cancel_job(long_job.id, timeout=PATIENCE)
        call.answered(outcome, expected=outcome == CancelOutcome.aborted)

    with report.call("get_job_result(id), unwrap()") as call:
        result = await queue.get_job_result(long_job.id)
        work = result.finish_time - result.start_time
        try:
            result.unwrap()
        except JobCancelled:
            call.answered(
                f"JobCancelled after {work.total_seconds():.2f} s of work",
                expected=work > timedelta(0),
            )
    report.results.append(result)


def call_from_sync_code(url: str, files: Sequence[TextFile], report: Report) -> None:
    """Have checksums made, defer a job, and cancel one before it starts."""
    with SyncRedisArqQueue.from_url(url) as queue:
        _make_checksums(queue, files, report)
        _defer_and_cancel(queue, files[0], report)


def _make_checksums(queue: SyncRedisArqQueue, files: Sequence[TextFile], report: Report) -> None:
    with report.call(f"enqueue(checksum, path) x {len(files)}") as call:
        jobs = [queue.enqueue(checksum, file.path) for file in files]
        states = {job.status for job in jobs}
        call.answered(", ".join(states), expected=states == {JobStatus.queued})

    with report.call(f"wait_for_result(id) x {len(files)}") as call:
        results = [queue.wait_for_result(job.id, timeout=PATIENCE) for job in jobs]
        sums = [result.unwrap() for result in results]
        right = sum(found == file.sha256 for file, found in zip(files, sums, strict=True))
        call.answered(f"{right} right checksums", expected=right == len(files))
    report.results += results
    for file, found in zip(files, sums, strict=True):
        print(f"  {found[:16]}... is the SHA-256 of {plain(file.name)}")

    with report.call("get_job_status(id)") as call:
        status = queue.get_job_status(jobs[0].id)
        call.answered(status, expected=status == JobStatus.complete)


def _defer_and_cancel(queue: SyncRedisArqQueue, file: TextFile, report: Report) -> None:
    # This job is not to start before a second has passed ...
    with report.call("enqueue(checksum, path, _defer_by=1)") as call:
        deferred = queue.enqueue(checksum, file.path, _defer_by=1)
        call.answered(deferred.status, expected=deferred.status == JobStatus.deferred)

    with report.call("enqueue(..., _job_id=the same id)") as call:
        try:
            queue.enqueue(checksum, file.path, _job_id=deferred.id)
        except JobNotQueued as error:
            call.answered(f"JobNotQueued: {error.reason}", expected=error.reason == "deferred")

    # ... meanwhile, another one is cancelled before it starts ...
    with report.call("enqueue(checksum, path, _defer_by=HOUR)") as call:
        job = queue.enqueue(checksum, file.path, _defer_by=HOUR)
        call.answered(job.status, expected=job.status == JobStatus.deferred)

    with report.call("cancel_job(id)") as call:
        outcome = queue.cancel_job(job.id, timeout=PATIENCE)
        call.answered(outcome, expected=outcome == CancelOutcome.removed)

    with report.call("get_job_status(id)") as call:
        status = queue.get_job_status(job.id)
        call.answered(status, expected=status == JobStatus.not_found)

    # ... and now the second has passed.
    with report.call("wait_for_result(id of the deferred job)") as call:
        result = queue.wait_for_result(deferred.id, timeout=PATIENCE)
        late = result.start_time - (deferred.enqueue_time + timedelta(seconds=1))
        call.answered(
            f"started {late.total_seconds():.3f} s after it was due",
            expected=late >= timedelta(0) and result.unwrap() == file.sha256,
        )
    report.results.append(result)
