# Generated from docs/examples/_async/bulk.py by "make generate"; do not edit.
"""Enqueue what a file holds, and go on after a failure."""

import csv
from collections.abc import Iterator
from pathlib import Path

from arqade import EnqueueManyError, JobRequest, SyncArqQueue


def requests(path: Path) -> Iterator[JobRequest]:
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield JobRequest(
                "resize",
                (row["picture"],),
                {"width": int(row["width"])},
                job_id=f"resize:{row['picture']}:{row['width']}",
            )


def import_file(queue: SyncArqQueue, path: Path) -> None:
    try:
        queue.enqueue_many(
            requests(path),
            collect=False,  # a million answers would fill the memory
            progress=lambda count: print(f"{count:,} jobs are settled"),
        )
    except EnqueueManyError as error:
        print(f"{len(error.enqueued)} of the last jobs are in the queue,")
        print(f"{len(error.not_enqueued)} are not, {len(error.uncertain)} may be.")
        raise
