"""A process that forks while it uses a queue, and tells what its calls came to.

It reads ``go NAME`` and ``rest`` from its input, and writes a line of JSON for each call, and
``resting`` when all its children have ended.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import threading
import time
from typing import Any

from arqade import ArqadeError, EnqueueUncertain, JobNotQueued, RedisSettings, SyncRedisArqQueue
from tests.faults.ledger import CANARY
from tests.soak.worlds import KEEP

PAUSE = 0.05
TOGETHER = 4
"""Calls of each of the two processes while both are there."""


def tell(line: str) -> None:
    """Write a line, whole even if another process writes one."""
    os.write(1, f"{line}\n".encode())


def call(queue: SyncRedisArqQueue, name: str, number: int) -> None:
    """Enqueue a job, and tell what came of it."""
    told: dict[str, Any] = {"number": number, "job_id": f"{name}-fork-{number}"}
    told |= {"began": time.monotonic(), "token": None, "error": ""}
    try:
        queue.enqueue("echo", CANARY, number, _job_id=told["job_id"])
    except JobNotQueued as error:
        told |= {"outcome": "exists", "error": repr(error)}
    except EnqueueUncertain as error:
        told |= {"outcome": "uncertain", "error": repr(error), "token": error.token}
    except ArqadeError as error:
        told |= {"outcome": "refused", "error": repr(error)}
    except Exception as error:  # noqa: BLE001 - that there is none is what is tested
        told |= {"outcome": "escaped", "error": repr(error)}
    else:
        told["outcome"] = "ok"
    told["ended"] = time.monotonic()
    tell(json.dumps(told))


def work(queue: SyncRedisArqQueue, name: str, numbers: itertools.count[int]) -> None:
    """Call, fork, and call in both processes."""
    call(queue, name, next(numbers))
    reserved = [next(numbers) for _ in range(TOGETHER)]
    child = os.fork()
    if not child:
        for number in reserved:
            call(queue, name, number)
            time.sleep(PAUSE)
        os._exit(0)
    for _ in range(TOGETHER):
        call(queue, name, next(numbers))
        time.sleep(PAUSE)
    os.waitpid(child, 0)


def main() -> None:
    """Do what the input says."""
    url, budget = sys.argv[1:]
    settings = RedisSettings.from_url(url, retry_budget=float(budget), socket_timeout=1)
    # Numbers that nobody else has.
    numbers = itertools.count(-1, -1)
    running = threading.Event()
    name = ""
    with SyncRedisArqQueue.initialize(settings, KEEP) as queue:

        def load() -> None:
            while running.is_set():
                work(queue, name, numbers)
                time.sleep(PAUSE * 10)
            tell("resting")

        thread = threading.Thread()
        for line in sys.stdin:
            command, _, name = line.strip().partition(" ")
            if command == "go":
                running.set()
                thread = threading.Thread(target=load)
                thread.start()
            else:
                running.clear()
                thread.join()


if __name__ == "__main__":
    main()
