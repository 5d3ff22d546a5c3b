"""A stock SAQ worker."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from saq import Queue, Worker

from benchmarks.faults.workers import Notes
from benchmarks.jobs import TASK


async def main() -> None:
    """Run it until it is killed."""
    url = sys.argv[1]
    notes = Notes(url)

    async def resize(_: Any, *, image: str, width: int) -> None:  # noqa: ARG001 - the client's job has it
        """Note the run."""
        notes.add(image)

    await Worker(Queue.from_url(url), functions=[(TASK, resize)]).start()


if __name__ == "__main__":
    asyncio.run(main())
