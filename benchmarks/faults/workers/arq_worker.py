"""A stock arq worker."""

from __future__ import annotations

import sys
from typing import Any

from arq.connections import RedisSettings
from arq.worker import func, run_worker

from benchmarks.faults.workers import Notes
from benchmarks.jobs import TASK


def main() -> None:
    """Run it until it is killed."""
    url = sys.argv[1]
    notes = Notes(url)

    async def resize(_: dict[str, Any], image: str, width: int) -> None:  # noqa: ARG001 - the client's job has it
        """Note the run."""
        notes.add(image)

    functions = [func(resize, name=TASK)]
    run_worker({"functions": functions, "redis_settings": RedisSettings.from_dsn(url)})


if __name__ == "__main__":
    main()
