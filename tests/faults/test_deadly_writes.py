"""That the ways to harm a stock worker are real: what is written here is written raw."""

from __future__ import annotations

import contextlib
import pickle
import time
from typing import TYPE_CHECKING, Any

import pytest

from arqade import PickleCodec
from tests.faults.ledger import long_only
from tests.harness.deadly import VICTIM, WANTED, WAYS
from tests.harness.deadly import put as put_job
from tests.harness.worker import WorkerProcess, started_jobs, wait_until

if TYPE_CHECKING:
    import redis

    from tests.harness.deadly import Way

LONG_ENOUGH = 0.5
"""Seconds in which a worker that is well has run a job that is due: it looks every 0.05."""

GOOD = "good"


@long_only
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_stock_worker_is_harmed(redis_url: str, raw: redis.Redis, way: Way) -> None:
    """Each way does to a stock worker, or to a job of its, what the table says."""
    with contextlib.closing(WorkerProcess(redis_url, **way.settings)) as worker:
        worker.wait_until_ready()
        way.write(raw)

        def has_died() -> bool:
            return worker._process.poll() is not None

        def result() -> Any:
            try:
                return PickleCodec().loads(raw.get(f"arq:result:{way.victim}") or b"")
            except (EOFError, pickle.UnpicklingError):
                return None

        def is_gone() -> bool:
            return raw.type(way.queue) != b"zset" or raw.zscore(way.queue, way.victim) is None

        if way.harm == "dies":
            wait_until(has_died)
        elif way.harm == "drops":
            wait_until(is_gone)
            time.sleep(LONG_ENOUGH)
            found = result()
            assert not (found and found["s"] and found["a"] == WANTED)
        else:
            time.sleep(LONG_ENOUGH)
            put_job(raw, GOOD, queue=way.queue)
            if way.harm == "passes over":
                wait_until(lambda: GOOD in started_jobs(raw))
                assert not is_gone()
            else:
                time.sleep(LONG_ENOUGH)
                assert GOOD not in started_jobs(raw)
            assert VICTIM not in started_jobs(raw) or way.harm == "hangs"
        assert has_died() is (way.harm == "dies")
        assert way.says in worker.output
