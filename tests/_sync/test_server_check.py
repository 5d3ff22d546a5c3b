# Generated from tests/_async/test_server_check.py by "make generate"; do not edit.
from __future__ import annotations

import contextlib
import logging
import re
import time
from pathlib import Path

import pytest
import redis as blocking_redis
from redis import Redis

from arqade import (
    ConfigurationError,
    Finding,
    QueueConnectionError,
    QueueServerError,
    RedisSettings,
    Severity,
    SyncMockArqQueue,
    SyncRedisArqQueue,
)
from arqade.embedded import RedisServer
from tests.harness.servers import find_test_server

HEALTHY = {"appendonly": "yes", "maxmemory": "1gb", "maxmemory-policy": "noeviction"}


@pytest.fixture(scope="module")
def own_server():
    """A server that is fit for jobs, and whose settings may be changed."""
    with RedisServer(binary=find_test_server(), config=HEALTHY) as server:
        yield server


@pytest.fixture
def admin(own_server):
    """redis-py's client on that server; the settings are as they were afterwards."""
    with blocking_redis.Redis.from_url(own_server.url) as client:
        yield client
        client.replicaof("NO", "ONE")
        for name, value in {**HEALTHY, "appendfsync": "everysec", "save": ""}.items():
            client.config_set(name, value)


@pytest.fixture
def queue(own_server, admin):
    """A queue on that server."""
    with SyncRedisArqQueue.from_url(own_server.url) as queue:
        yield queue


def shown(findings):
    return [(finding.code, str(finding.severity)) for finding in findings]


@contextlib.contextmanager
def snapshots_failing(admin):
    """Let the server find a directory where it wants to write its snapshot."""
    directory = Path(*(admin.config_get(name)[name] for name in ("dir", "dbfilename")))
    directory.mkdir()
    yield
    directory.rmdir()


def test_healthy(queue, caplog):
    """Of a server that is fit for jobs nothing is said, in two kinds of ways."""
    assert queue.check() == []
    assert queue.check(strict=True) == []
    assert own_records(caplog) == []


def own_records(caplog):
    """Give what arqade has logged: redis-py has words of its own."""
    return [record for record in caplog.records if record.name.partition(".")[0] == "arqade"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"maxmemory-policy": "allkeys-lru"}, [("eviction", "error")]),
        ({"maxmemory-policy": "volatile-lru"}, [("eviction", "error")]),
        ({"appendonly": "no"}, [("persistence", "error")]),
        ({"appendonly": "no", "save": "3600 1"}, [("persistence", "warning")]),
        ({"appendfsync": "no"}, [("persistence", "warning")]),
        ({"maxmemory": "0"}, [("memory", "info")]),
        (
            {"maxmemory": "0", "maxmemory-policy": "allkeys-lfu", "appendfsync": "no"},
            [("eviction", "error"), ("persistence", "warning"), ("memory", "info")],
        ),
    ],
    ids=str,
)
def test_settings(queue, admin, caplog, settings, expected):
    """What endangers jobs is found, logged if it matters, and raised with `strict`."""
    for name, value in settings.items():
        admin.config_set(name, value)
    found = queue.check()
    assert all(type(finding) is Finding for finding in found)
    assert shown(found) == expected
    grave = [finding for finding in found if finding.severity is not Severity.info]
    logged = own_records(caplog)
    assert [record.levelno for record in logged] == [logging.WARNING] * len(grave)
    assert all(str(x) in record.message for x, record in zip(grave, logged, strict=True))
    caplog.clear()
    if not grave:
        assert queue.check(strict=True) == found
        return
    with pytest.raises(ConfigurationError) as caught:
        queue.check(strict=True)
    assert all(str(finding) in str(caught.value) for finding in grave)
    assert [x for x in found if x not in grave and x.message in str(caught.value)] == []
    assert own_records(caplog) == []


def test_nearly_full(queue, admin):
    """A server that has little room left is found."""
    used = int(admin.info("memory")["used_memory"])
    admin.config_set("maxmemory", used + used // 20)
    assert shown(queue.check()) == [("memory", "warning")]


def test_replica(queue, admin):
    """A replica is found, and that it lost its primary; it is none when that ends."""
    admin.replicaof("127.0.0.1", "1")
    [finding] = queue.check()
    assert shown([finding]) == [("replica", "error")]
    assert finding.message.endswith("refuses jobs; its link to the primary is down")
    admin.config_set("replica-read-only", "no")
    try:
        [finding] = queue.check()
        assert "loses jobs" in finding.message
    finally:
        admin.config_set("replica-read-only", "yes")
    admin.replicaof("NO", "ONE")
    assert queue.check() == []


def test_failed_snapshot(queue, admin):
    """A snapshot that failed is found, until one succeeds."""
    with snapshots_failing(admin):
        admin.bgsave()
        end = time.monotonic() + 10
        while not (found := queue.check()):
            assert time.monotonic() < end
        assert shown(found) == [("persistence", "error")]
        assert "The last snapshot failed" in found[0].message
    admin.save()
    assert queue.check() == []


@pytest.mark.parametrize(
    ("commands", "expected", "unknown"),
    [
        ("+time +info +config|get", ["eviction"], []),
        ("+time +info", ["eviction", "unknown"], ["CONFIG GET appendfsync"]),
        ("+time", ["unknown"], ["INFO"]),
        ("", ["unknown", "unknown"], ["TIME", "INFO"]),
    ],
)
def test_permissions(own_server, admin, commands, expected, unknown):
    """What a user may not ask is said to be unknown; the rest is found all the same."""
    admin.config_set("maxmemory-policy", "allkeys-lru")
    admin.execute_command("ACL", "SETUSER", "asker", "reset", "on", ">pw", *commands.split())
    try:
        url = RedisSettings.from_url(own_server.url)
        client = Redis(host=url.host, port=url.port, username="asker", password="pw")
        with client, SyncRedisArqQueue(client) as queue:
            found = queue.check()
    finally:
        admin.acl_deluser("asker")
    assert [finding.code for finding in found] == expected
    infos = [finding for finding in found if finding.code == "unknown"]
    assert [finding.severity for finding in infos] == [Severity.info for _ in unknown]
    for finding, question in zip(infos, unknown, strict=True):
        assert finding.message.startswith(f"What {question} would tell is not known")
        assert "permissions" in finding.message


@pytest.mark.parametrize("seconds", [2, -2, 3600, -3600])
def test_clock(queue, monkeypatch, seconds):
    """A clock that differs from the server's is found."""
    monkeypatch.setattr(queue, "_machine_time", lambda: time.time() + seconds)
    [finding] = queue.check()
    assert shown([finding]) == [("clock", "info" if abs(seconds) < 5 else "warning")]
    assert ("ahead of" if seconds > 0 else "behind") in finding.message


@pytest.mark.parametrize("protocol", [2, 3])
def test_borrowed_client(own_server, admin, protocol):
    """A client of either protocol, which decodes replies itself, serves as well."""
    admin.config_set("appendfsync", "no")
    client = Redis.from_url(own_server.url, protocol=protocol, decode_responses=True)
    with client, SyncRedisArqQueue(client) as queue:
        assert shown(queue.check()) == [("persistence", "warning")]


def test_round_trips(proxy):
    """It takes three round trips, on the connection that is there."""
    with SyncRedisArqQueue.from_url(proxy.url) as queue:
        before = proxy.round_trips
        queue.check()
        assert proxy.round_trips - before <= 3
        assert proxy.connections == 1


def test_broken_connection(proxy):
    """A connection that broke is made anew."""
    with SyncRedisArqQueue.from_url(proxy.url) as queue:
        proxy.break_connections()
        assert "persistence" in [finding.code for finding in queue.check()]


def test_no_server():
    """A server that is not there is an error, within the retry budget."""
    with RedisServer(binary=find_test_server()) as server:
        settings = RedisSettings.from_url(server.url, retry_budget=0.3)
        queue = SyncRedisArqQueue.initialize(settings)
    with queue:
        start = time.monotonic()
        with pytest.raises(QueueConnectionError):
            queue.check()
        assert time.monotonic() - start < 0.8


def test_no_secrets(own_server, admin, queue, caplog):
    """No secret is told, whatever is found."""
    caplog.set_level(logging.DEBUG)
    admin.config_set("maxmemory-policy", "allkeys-lru")
    found = queue.check()
    with pytest.raises(ConfigurationError) as caught:
        queue.check(strict=True)
    told = f"{found!r} {caplog.text} {caught.value!r}"
    assert re.search("allkeys-lru", told)
    assert own_server.password not in told


class TestMock:
    def test_healthy(self):
        """A mock has nothing to lose, whatever its clock."""
        with SyncMockArqQueue() as queue:
            assert queue.check() == []
            queue.clock.advance(1_000_000)
            assert queue.check(strict=True) == []

    def test_failing(self):
        """A mock that fails does so here, too; a refusal is a finding, as on a server."""
        with SyncMockArqQueue() as queue:
            down = QueueConnectionError("down")
            with queue.failing(down), pytest.raises(QueueConnectionError):
                queue.check()
            with queue.failing(QueueServerError("no")):
                assert shown(queue.check()) == [("unknown", "info")] * 2
