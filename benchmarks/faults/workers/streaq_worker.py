"""A stock streaQ worker."""

from __future__ import annotations

import sys

from streaq import Worker

from benchmarks.faults.workers import Notes


def worker(url: str) -> Worker[None]:
    """Make it; its task's name is that of the client's, which has a function of the same name."""
    streaq: Worker[None] = Worker(redis_url=url)
    notes = Notes(url)

    @streaq.task
    async def resize(image: str, width: int) -> None:  # noqa: ARG001 - the client's job has it
        """Note the run."""
        notes.add(image)

    return streaq


if __name__ == "__main__":
    worker(sys.argv[1]).run_sync()
