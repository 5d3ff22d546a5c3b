# Generated from src/arqade/_async/waiting.py by "make generate"; do not edit.
"""Waiting for the results of many jobs."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from arqade._protocol import answers
from arqade._protocol.answers import named, without_frames
from arqade.exceptions import ArqJobError, JobDeserializationError, JobNotFound, PayloadTooLarge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from arqade._protocol.scripts import JobView
    from arqade._sync.listing import Listing
    from arqade._sync.sender import Watch
    from arqade.models import JobResult

__all__ = ["results_as_they_come"]


def results_as_they_come(
    listing: Listing, job_ids: Sequence[str], *, explicit: bool, limit: float | None
) -> Iterator[JobResult[Any]]:
    """Give the results of jobs as they are there.

    Args:
        listing: The queue.
        job_ids: Their ids.
        explicit: Whether the jobs must be of this queue.
        limit: Seconds to wait at most; None for no limit.

    Raises:
        TimeoutError: Some had no result by then.
        JobNotFound: There are no such jobs; raised after the others' results.
        JobDeserializationError: Some results can't be decoded; raised after the others.
        PayloadTooLarge: Some results were not read; raised likewise.
    """
    end = math.inf if limit is None else time.monotonic() + limit
    jobs = _Jobs(listing, job_ids, explicit=explicit)
    watch = listing.sender.watch()
    try:
        changed = set(jobs.waiting)
        while True:
            look = [job_id for job_id in jobs.waiting if job_id in changed]
            for views in listing.views(look, "result", end=end):
                found = jobs.sort(views, watch)
                while found:
                    # Kept nowhere: it may be large.
                    yield found.pop(0)
            if not jobs.waiting:
                break
            if time.monotonic() >= end:
                raise TimeoutError(
                    f"{len(jobs.waiting)} of {jobs.count} jobs had no result within {limit} seconds"
                )
            changed = watch.changed(end)
    finally:
        watch.close()
    jobs.raise_if_missing()


class _Jobs:
    """The jobs of which there is no result yet."""

    def __init__(self, listing: Listing, job_ids: Sequence[str], *, explicit: bool) -> None:
        self.waiting = dict.fromkeys(job_ids)
        self.count = len(self.waiting)
        self._listing = listing
        self._explicit = explicit
        self._missing: list[ArqJobError] = []

    def sort(self, views: Sequence[tuple[str, JobView]], watch: Watch) -> list[JobResult[Any]]:
        """Give the results that are there, in the order in which the jobs finished.

        Args:
            views: What was seen.
            watch: What the other jobs are given to.
        """
        found: list[JobResult[Any]] = []
        for job_id, view in views:
            try:
                asked = self._listing.asked(job_id, explicit=self._explicit)
                result = answers.finished(asked, view)
            except (JobNotFound, JobDeserializationError, PayloadTooLarge) as error:
                self._missing.append(without_frames(error))
            else:
                if result is None:
                    watch.add(job_id, has_job=view.job is not None)
                    continue
                found.append(result)
            del self.waiting[job_id]
            watch.remove(job_id)
        return sorted(found, key=lambda result: result.finish_time)

    def raise_if_missing(self) -> None:
        """Raise what the first job has in place of a result, and name the others."""
        if not self._missing:
            return
        first, *others = self._missing
        if others:
            names = named([str(error.job_id) for error in others], len(others))
            first.add_note(f"So it is with {len(others)} other jobs: {names}")
        raise first
