"""The servers of the soak test, what is done to them, and what is found in them afterwards."""

from __future__ import annotations

import contextlib
import math
import pickle
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

import redis

from arqade import RedisSettings
from arqade._compat import override
from tests.faults import killable
from tests.faults.killable import KillableServer
from tests.faults.troubles import out_of_memory
from tests.harness import sentinels
from tests.harness.fault_proxy import (
    HOLE_AFTER,
    HOLE_BEFORE,
    LOST,
    FaultProxy,
    dice,
    held,
    late,
)
from tests.harness.sentinels import SentinelCluster
from tests.harness.worker import RAN, WorkerProcess, wait_until
from tests.soak.book import Failover, Found, Stored

if TYPE_CHECKING:
    import random

    from arqade.settings import Durability
    from tests.soak.book import Book

__all__ = ["KEEP", "RUN", "Direct", "Sentinels", "World"]

RUN = "soak:run"
"""The queue that has a worker."""

KEEP = "soak:keep"
"""The queue that has none."""

CLIENT_NAME = "soak"

OPTIONS: dict[str, Any] = {
    "socket_timeout": 1,
    "conn_retries": 2,
    "conn_retry_delay": 0.1,
    "client_name": CLIENT_NAME,
}
"""Settings of the clients of both worlds."""

WEATHER = (*LOST, HOLE_BEFORE, HOLE_AFTER, late(0.05), late(0.3), held(0.05), held(0.3), held(2))

LEFT_ALONE = 9.0
"""Seconds for which clients may not ask a sentinel any more that they could not reach."""

PATIENCE = 30.0
"""Seconds that it may take until all is at rest."""

SETTLED = 0.5
"""Seconds without a change, after which a worker has nothing to do."""

HURRY = ("info-period", "500", "publish-period", "500", "ping-period", "400")
"""What a sentinel in a hurry was told, and has forgotten when it comes back."""

SHORTEST_FREEZE, LONGEST_FREEZE = 0.2, 6.0


class World:
    """Some servers, and who knows how to break them.

    A fault is a method that takes dice, and returns when the fault is over.

    Attributes:
        tracks: For each of the things that break at the same time the seconds between two faults
            on average, and the faults with their weights.
    """

    name: str
    kinds: tuple[Durability, ...] = ("primary",)
    queues: tuple[str, ...] = (KEEP,)
    secrets: tuple[str, ...]
    tracks: dict[str, tuple[float, dict[str, int]]]

    def __init__(self) -> None:
        self.book: Book
        self._stop = contextlib.ExitStack()

    @property
    def raw(self) -> redis.Redis:
        """A client of the server that has the jobs."""
        raise NotImplementedError

    def settings(self, durability: Durability, retry_budget: float) -> RedisSettings:
        """Give settings for a client."""
        raise NotImplementedError

    def heal(self) -> None:
        """Let all faults rest."""
        raise NotImplementedError

    def drain(self) -> None:
        """Wait until workers have nothing to do."""

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stop:
            self._start(stop)
            self._stop = stop.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.close()

    def _start(self, stop: contextlib.ExitStack) -> None:
        raise NotImplementedError

    def flush(self) -> None:
        """Forget all jobs."""
        self.raw.flushall()

    def close_clients(self) -> None:
        """Close this world's own connections, until they are needed again."""
        raise NotImplementedError

    def look(self) -> Found:
        """Give all that is there."""
        problems: list[str] = []
        with self.raw.pipeline() as pipe:  # at one moment
            for queue_name in self.queues:
                pipe.zrange(queue_name, 0, -1, withscores=True)
            pipe.keys("arq*:*").lrange(RAN, 0, -1)
            *members, keys, ran = pipe.execute()
        scores = {job_id.decode(): int(score) for found in members for job_id, score in found}
        jobs = self._read(keys, b"arq:job:")
        running = {_after(key, b"arq:in-progress:") for key in keys}
        present = {
            job_id: Stored(job["a"][1], job["et"], scores.get(job_id, 0), job_id in running)
            for job_id, job in jobs.items()
        }
        problems += [f"{job_id} is in no queue" for job_id in jobs.keys() - scores.keys()]
        problems += [f"{job_id} has no envelope" for job_id in scores.keys() - jobs.keys()]
        results = self._read(keys, b"arq:result:")
        problems += [
            f"{job_id} failed: {found['r']!r}"
            for job_id, found in results.items()
            if not found["s"]
        ]
        return Found(
            present,
            Counter(job_id.decode() for job_id in ran),
            {job_id: found["a"][1] for job_id, found in results.items()},
            {_after(key, b"arqade:once:") for key in keys} - {""},
            problems,
        )

    def _read(self, keys: list[bytes], prefix: bytes) -> dict[str, Any]:
        names = [key for key in keys if key.startswith(prefix)]
        values = self.raw.mget(names) if names else []
        return {
            _after(name, prefix): pickle.loads(value)
            for name, value in zip(names, values, strict=True)
            if value is not None
        }

    # --- faults that all have -----------------------------------------------------------

    def scripts_flushed(self, _: random.Random) -> None:
        """SCRIPT FLUSH."""
        self.raw.script_flush()

    def out_of_memory(self, rolled: random.Random) -> None:
        """No memory for a second."""
        with out_of_memory(self.raw):
            time.sleep(rolled.uniform(0.2, 1))


class Direct(World):
    """One server that survives `kill -9`, behind a proxy, with a stock worker."""

    name = "direct"
    queues = (KEEP, RUN)
    secrets = (killable.PASSWORD,)
    tracks = {  # noqa: RUF012 - constants
        "network": (
            2.0,
            {"weather": 8, "cut": 4, "deaf": 2, "cut_listeners": 2, "mute_listeners": 2, "away": 2},
        ),
        "server": (
            4.0,
            {
                "server_killed": 4,
                "server_frozen": 3,
                "worker_killed": 3,
                "scripts_flushed": 2,
                "clients_killed": 2,
                "out_of_memory": 2,
            },
        ),
    }

    @override
    def _start(self, stop: contextlib.ExitStack) -> None:
        self.server = stop.enter_context(KillableServer())
        self.proxy = stop.enter_context(FaultProxy(self.server.url))
        self._raw = stop.enter_context(redis.Redis.from_url(self.server.url, socket_timeout=10))
        self._worker: WorkerProcess | None = None
        stop.callback(self._kill_worker)
        self._start_worker()

    @property
    @override
    def raw(self) -> redis.Redis:
        return self._raw

    @override
    def settings(self, durability: Durability, retry_budget: float) -> RedisSettings:
        return RedisSettings.from_url(
            self.proxy.url,
            durability=durability,
            retry_budget=retry_budget,
            **OPTIONS,
        )

    @override
    def close_clients(self) -> None:
        self._raw.close()

    def _start_worker(self) -> None:
        self._worker = WorkerProcess(self.server.url, queue_name=RUN)
        self._worker.wait_until_ready()

    def _kill_worker(self) -> None:
        # It has died by itself if the server went before it.
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    @override
    def heal(self) -> None:
        self.proxy.plan = None
        if self.proxy.is_away:
            self.proxy.back()
        wait_until(lambda: not self.proxy.stuck, timeout=PATIENCE)
        self._raw.config_set("maxmemory", 0)
        if self._worker is None or self._worker._process.poll() is not None:
            self._kill_worker()
            self._start_worker()

    @override
    def drain(self) -> None:
        end = time.monotonic() + PATIENCE
        quiet_since, before = time.monotonic(), -1
        while time.monotonic() < quiet_since + SETTLED:
            assert time.monotonic() < end, "the worker does not come to an end"
            now = round(time.time() * 1000)
            due = self._raw.zrangebyscore(RUN, 0, now + 5000)
            claimed = (
                self._raw.exists(*[b"arq:in-progress:" + job_id for job_id in due]) if due else 0
            )
            # Jobs that a dead worker had claimed stay so for minutes.
            if len(due) != before or claimed != len(due):
                quiet_since, before = time.monotonic(), len(due)
            time.sleep(0.05)

    # --- the network --------------------------------------------------------------------

    def weather(self, rolled: random.Random) -> None:
        """Some of the requests and replies are lost, late, or vanish."""
        some = rolled.sample(WEATHER, rolled.randint(1, len(WEATHER)))
        self.proxy.plan = dice(rolled.randrange(1 << 30), rolled.choice([0.005, 0.02, 0.1]), some)
        time.sleep(rolled.uniform(0.5, 4))
        self.proxy.plan = None

    def deaf(self, rolled: random.Random) -> None:
        """No request gets through."""
        self.proxy.plan = dice(0, 1, [rolled.choice([HOLE_BEFORE, HOLE_AFTER])])
        time.sleep(rolled.uniform(0.1, 2))
        self.proxy.plan = None

    def cut(self, _: random.Random) -> None:
        """All connections are reset."""
        self.proxy.break_all()

    def cut_listeners(self, _: random.Random) -> None:
        """Those on which results are pushed are."""
        self.proxy.break_listeners()

    def mute_listeners(self, _: random.Random) -> None:
        """What is pushed vanishes."""
        self.proxy.mute_listeners()

    def away(self, rolled: random.Random) -> None:
        """Connections are refused."""
        self.proxy.away()
        time.sleep(rolled.choice([0.1, 0.5, 2.0, 5.0]))
        self.proxy.back()

    # --- the server ---------------------------------------------------------------------

    @contextlib.contextmanager
    def _without_worker(self) -> Any:
        """Take the worker away first: what it notes of its runs must not get lost."""
        self._kill_worker()
        try:
            yield
        finally:
            self._start_worker()

    def server_killed(self, rolled: random.Random) -> None:
        """It dies on the spot, and comes back."""
        with self._without_worker():
            self.server.kill()
            time.sleep(rolled.choice([0.0, 0.0, 0.5, 3.0]))
            self.server.start()

    def server_frozen(self, rolled: random.Random) -> None:
        """It neither answers nor ends."""
        process = self.server._process
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(rolled.uniform(SHORTEST_FREEZE, LONGEST_FREEZE))
        finally:
            process.send_signal(signal.SIGCONT)

    def worker_killed(self, rolled: random.Random) -> None:
        """It dies on the spot, and another one is started."""
        with self._without_worker():
            time.sleep(rolled.uniform(0, 1))

    def clients_killed(self, _: random.Random) -> None:
        """The server closes the connections of its clients, but for the worker's."""
        for client in self._raw.client_list(_type="normal"):
            if client["name"] == CLIENT_NAME:
                with contextlib.suppress(redis.ResponseError):  # It has gone meanwhile.
                    self._raw.client_kill_filter(_id=client["id"])

    @override
    def out_of_memory(self, rolled: random.Random) -> None:
        with self._without_worker():
            super().out_of_memory(rolled)


class Sentinels(World):
    """A primary, two replicas and three sentinels, these behind proxies."""

    name = "sentinel"
    kinds = ("primary", "all-replicas")
    secrets = (sentinels.PASSWORD, sentinels.SENTINEL_PASSWORD)
    tracks = {  # noqa: RUF012 - constants
        "network": (
            3.0,
            {"sentinel_cut": 3, "sentinel_away": 3, "sentinel_deaf": 3, "clients_killed": 3},
        ),
        "server": (
            5.0,
            {
                "primary_killed": 3,
                "primary_frozen": 3,
                "failover": 4,
                "replica_frozen": 2,
                "sentinel_killed": 2,
                "sentinel_frozen": 2,
                "scripts_flushed": 2,
                "out_of_memory": 2,
            },
        ),
    }

    @override
    def _start(self, stop: contextlib.ExitStack) -> None:
        self.cluster = stop.enter_context(SentinelCluster(replicas=2, down_after=1000, hurry=True))
        self.proxies = [
            stop.enter_context(FaultProxy(sentinel.url, commands={b"SENTINEL"}))
            for sentinel in self.cluster.sentinels
        ]
        self._cut_until = 0.0

    @property
    @override
    def raw(self) -> redis.Redis:
        return self.cluster.primary_server().client

    @override
    def settings(self, durability: Durability, retry_budget: float) -> RedisSettings:
        return self.cluster.settings(
            host=[proxy._address for proxy in self.proxies],
            durability=durability,
            retry_budget=retry_budget,
            **OPTIONS,
        )

    @override
    def heal(self) -> None:
        for proxy in self.proxies:
            proxy.plan = None
            if proxy.is_away:
                proxy.back()
            # Those that are black holes would be so for ever.
            proxy.break_all()
        self.cluster.wait_healthy()
        for server in self.cluster.servers:
            server.client.config_set("maxmemory", 0)

    @override
    def close_clients(self) -> None:
        for node in (*self.cluster.servers, *self.cluster.sentinels):
            node.client.close()

    @override
    def flush(self) -> None:
        super().flush()
        self.cluster.wait_healthy()

    # --- the network --------------------------------------------------------------------

    @contextlib.contextmanager
    def _cutting(self) -> Any:
        """Note that clients may not hear of a failover in time."""
        self._cut_until = math.inf
        try:
            yield
        finally:
            self._cut_until = time.monotonic() + LEFT_ALONE

    def sentinel_cut(self, rolled: random.Random) -> None:
        """Connections to a sentinel are reset."""
        with self._cutting():
            rolled.choice(self.proxies).break_all()

    def sentinel_away(self, rolled: random.Random) -> None:
        """Connections to some sentinels are refused."""
        some = rolled.sample(self.proxies, rolled.choice([1, 1, 2, 3]))
        with self._cutting():
            for proxy in some:
                proxy.away()
            time.sleep(rolled.uniform(0.1, 3))
            for proxy in some:
                proxy.back()

    def sentinel_deaf(self, rolled: random.Random) -> None:
        """Some sentinels get questions and give no answers, or late ones."""
        some = rolled.sample(self.proxies, rolled.choice([1, 1, 2]))
        faults = [rolled.choice([HOLE_BEFORE, HOLE_AFTER, *LOST, late(0.2), late(1)])]
        with self._cutting():
            for proxy in some:
                proxy.plan = dice(rolled.randrange(1 << 30), rolled.choice([0.1, 1]), faults)
            time.sleep(rolled.uniform(0.1, 3))
            for proxy in some:
                proxy.plan = None

    def clients_killed(self, _: random.Random) -> None:
        """CLIENT KILL TYPE normal, on a server that may be none at the moment."""
        for server in self.cluster.servers:
            with contextlib.suppress(redis.RedisError):
                server.client.client_kill_filter(_type="normal")

    # --- the servers --------------------------------------------------------------------

    @contextlib.contextmanager
    def _failing_over(self) -> Any:
        """Note that jobs of the last moment may get lost now, and wait until all is well."""
        begin = time.monotonic()
        try:
            yield
            self.cluster.wait_healthy()
        finally:
            is_clear = self._cut_until < begin
            self.book.failovers.append(Failover(begin, time.monotonic(), is_clear))

    def primary_killed(self, rolled: random.Random) -> None:
        """It dies on the spot, and comes back empty when there is a new one."""
        with self._failing_over():
            old = self.cluster.kill_primary()
            self.cluster.wait_for_primary(other_than=old.address)
            time.sleep(rolled.uniform(0, 1))
            self.cluster.restart(old)

    def primary_frozen(self, rolled: random.Random) -> None:
        """It neither answers nor ends; soon there may be another one."""
        with self._failing_over():
            self.cluster.freeze_primary()
            time.sleep(rolled.uniform(SHORTEST_FREEZE, LONGEST_FREEZE))
            self.cluster.thaw()

    def failover(self, _: random.Random) -> None:
        """An administrator's."""
        with self._failing_over():
            old = self.cluster.failover()
            self.cluster.wait_for_primary(other_than=old.address)

    def replica_frozen(self, rolled: random.Random) -> None:
        """What is written does not get to one of the replicas."""
        primary = self.cluster.primary()
        others = [server for server in self.cluster.servers if server.address != primary]
        self._freeze(rolled.choice(others), rolled)

    def sentinel_frozen(self, rolled: random.Random) -> None:
        """It neither answers nor ends."""
        self._freeze(rolled.choice(self.cluster.sentinels), rolled)

    def _freeze(self, node: sentinels.Node, rolled: random.Random) -> None:
        node.freeze()
        time.sleep(rolled.uniform(SHORTEST_FREEZE, LONGEST_FREEZE))
        node.thaw()
        self.cluster.wait_healthy()

    def sentinel_killed(self, rolled: random.Random) -> None:
        """It dies on the spot, and comes back."""
        node = rolled.choice(self.cluster.sentinels)
        node.kill()
        time.sleep(rolled.uniform(0, 3))
        node.start()
        node.client.execute_command("SENTINEL", "DEBUG", *HURRY)
        self.cluster.wait_healthy()


def _after(key: bytes, prefix: bytes) -> str:
    return key[len(prefix) :].decode() if key.startswith(prefix) else ""
