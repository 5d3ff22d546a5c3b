"""What an application does: the same calls from async code and from sync code.

Each call is in a block ``with report.call(...)``, which times it and notes what it answered.
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
        many = f"x {len(files)}, at once"

        with report.call(f"enqueue(count_words, path) {many}") as call:
            jobs = await asyncio.gather(*(queue.enqueue(count_words, file.path) for file in files))
            states = {job.status for job in jobs}
            call.answered(", ".join(states), expected=states == {JobStatus.queued})

        with report.call(f"wait_for_result(id) {many}") as call:
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
                call.answered(
                    f"JobNotQueued: {error.reason}", expected=error.reason == JobStatus.complete
                )

        # This one would take minutes ...
        with report.call("enqueue(stretch, path, slices=...)") as call:
            endless = await queue.enqueue(stretch, files[0].path, slices=100_000)
            call.answered(endless.status, expected=endless.status == JobStatus.queued)

        with report.call("get_job_status(id) until it runs") as call:
            async with asyncio.timeout(PATIENCE):
                while (status := await queue.get_job_status(endless.id)) == JobStatus.queued:
                    await asyncio.sleep(0.01)  # noqa: ASYNC110 - no Event reaches this process
            call.answered(status, expected=status == JobStatus.in_progress)

        # ... while it runs, another one fails ...
        missing = str(Path(files[0].path).with_name("no-such-file"))
        with report.call("enqueue(count_words, missing file)") as call:
            failing = await queue.enqueue(count_words, missing)
            call.answered(failing.status, expected=failing.status == JobStatus.queued)

        with report.call("wait_for_result(id), unwrap()") as call:
            result = await queue.wait_for_result(failing.id, timeout=PATIENCE)
            try:
                result.unwrap()
            except FileNotFoundError as error:
                call.answered(
                    f"FileNotFoundError: {Path(error.filename).name}",
                    expected=error.filename == missing,
                )
        report.results.append(result)

        # ... and now it is stopped.
        with report.call("cancel_job(id)") as call:
            outcome = await queue.cancel_job(endless.id, timeout=PATIENCE)
            call.answered(outcome, expected=outcome == CancelOutcome.aborted)

        with report.call("get_job_result(id), unwrap()") as call:
            result = await queue.get_job_result(endless.id)
            work = (result.finish_time - result.start_time).total_seconds()
            try:
                result.unwrap()
            except JobCancelled:
                call.answered(f"JobCancelled after {work:.2f} s of work", expected=work > 0)
        report.results.append(result)


def call_from_sync_code(url: str, files: Sequence[TextFile], report: Report) -> None:
    """Have checksums made, defer a job, and cancel one before it starts."""
    with SyncRedisArqQueue.from_url(url) as queue:
        many = f"x {len(files)}"

        with report.call(f"enqueue(checksum, path) {many}") as call:
            jobs = [queue.enqueue(checksum, file.path) for file in files]
            states = {job.status for job in jobs}
            call.answered(", ".join(states), expected=states == {JobStatus.queued})

        with report.call(f"wait_for_result(id) {many}") as call:
            results = [queue.wait_for_result(job.id, timeout=PATIENCE) for job in jobs]
            sums = [result.unwrap() for result in results]
            call.answered(
                f"{len(sums)} checksums", expected=sums == [file.sha256 for file in files]
            )
        report.results += results
        for file, digits in zip(files, sums, strict=True):
            print(f"  {digits[:16]}... is the SHA-256 of {plain(file.name)}")

        with report.call("get_job_status(id)") as call:
            status = queue.get_job_status(jobs[0].id)
            call.answered(status, expected=status == JobStatus.complete)

        # This one is not to start before a second has passed.
        with report.call("enqueue(checksum, path, _defer_by=1)") as call:
            later = queue.enqueue(checksum, files[0].path, _defer_by=1)
            call.answered(later.status, expected=later.status == JobStatus.deferred)

        with report.call("enqueue(..., _job_id=the same id)") as call:
            try:
                queue.enqueue(checksum, files[0].path, _job_id=later.id)
            except JobNotQueued as error:
                call.answered(
                    f"JobNotQueued: {error.reason}", expected=error.reason == JobStatus.deferred
                )

        # This one is cancelled before it starts.
        with report.call("enqueue(checksum, path, _defer_by=HOUR)") as call:
            never = queue.enqueue(checksum, files[0].path, _defer_by=HOUR)
            call.answered(never.status, expected=never.status == JobStatus.deferred)

        with report.call("cancel_job(id)") as call:
            outcome = queue.cancel_job(never.id, timeout=PATIENCE)
            call.answered(outcome, expected=outcome == CancelOutcome.removed)

        with report.call("get_job_status(id)") as call:
            status = queue.get_job_status(never.id)
            call.answered(status, expected=status == JobStatus.not_found)

        with report.call("wait_for_result(id of the deferred job)") as call:
            result = queue.wait_for_result(later.id, timeout=PATIENCE)
            late = result.start_time - (later.enqueue_time + timedelta(seconds=1))
            call.answered(
                f"started {late.total_seconds():.3f} s after it was due",
                expected=late >= timedelta() and result.unwrap() == files[0].sha256,
            )
        report.results.append(result)
