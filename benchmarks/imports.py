"""How long ``import arqade`` takes beside ``import redis``, each in a fresh process."""

from __future__ import annotations

import subprocess
import time
from typing import Any

from benchmarks.catalogue import CORE, ROOT

STATEMENTS = {
    "nothing": "pass",
    "arqade": "import arqade",
    "redis": "import redis",
    "redis.asyncio": "import redis.asyncio",
    "arq": "import arq",
}


def measure_imports(rounds: int) -> dict[str, Any]:
    """Run each import in each round, with nothing but a start of Python between.

    Args:
        rounds: How many rounds count; one more fills the caches.
    """
    python = ROOT / CORE / "bin" / "python"
    seconds: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    names = list(STATEMENTS)
    for number in range(rounds + 1):
        first = number % len(names)
        for name in [*names[first:], *names[:first]]:
            start = time.perf_counter()
            # -I: what the surroundings add to the path is not part of it.
            subprocess.run([python, "-I", "-c", STATEMENTS[name]], check=True)  # noqa: S603
            if number:
                seconds[name].append(time.perf_counter() - start)
    return {
        "title": "Import",
        "subjects": {name: {"seconds": found} for name, found in seconds.items()},
        "skipped": {},
    }
