"""Blocking connections connect no longer than their caller may wait."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest
from redis import BlockingConnectionPool

from arqade import QueueConnectionError, RedisSettings, SyncRedisArqQueue
from arqade._protocol import scripts
from arqade._sync.client import open_client
from arqade._sync.connections import Connections
from arqade._transport.bounded import Connection, connecting_until
from arqade._transport.redis_py import pack_command, socket_of
from arqade._transport.threads import ThreadConnections

BUDGET = 0.6
TOLERANCE = 0.5
ECHO = pack_command(("ECHO", "a"))


@contextlib.contextmanager
def silent_server(family=socket.AF_INET, address=("127.0.0.1", 0)):
    """A server that accepts and says nothing."""
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.bind(address)
        listener.listen()
        yield listener.getsockname()


def check_opening(settings):
    """Opening a queue ends with its budget."""
    start = time.monotonic()
    with pytest.raises(QueueConnectionError):
        SyncRedisArqQueue.initialize(settings)
    assert time.monotonic() - start < BUDGET + TOLERANCE


@pytest.mark.parametrize("ssl", [False, True])
def test_silent_server(ssl):
    """The greeting, TLS's or Redis's, counts for the budget, whatever the socket's own limit."""
    with silent_server() as (host, port):
        check_opening(RedisSettings(host, port, ssl=ssl, conn_retries=0, retry_budget=BUDGET))


def test_silent_unix_socket(tmp_path):
    """So it does on a Unix socket."""
    path = str(tmp_path / "socket")
    with silent_server(socket.AF_UNIX, path):
        check_opening(RedisSettings(unix_socket_path=path, conn_retries=0, retry_budget=BUDGET))


def test_every_attempt_counts():
    """The attempts of one call share its budget."""
    with silent_server() as (host, port):
        client, _ = open_client(RedisSettings(host, port, socket_timeout=0.35))
        connections = Connections(client, retry_budget=BUDGET)
        connections.own(None)
        start = time.monotonic()
        with pytest.raises(QueueConnectionError):
            connections.run(scripts.ping())
        assert 0.4 < time.monotonic() - start < BUDGET + TOLERANCE
        connections.close()


def test_connection_of_a_busy_pool(redis_url, raw):
    """A caller that waits for another one's connection gives up when its budget is over."""
    settings = RedisSettings.from_url(redis_url, max_connections=1, retry_budget=BUDGET)
    with SyncRedisArqQueue.initialize(settings) as queue:
        raw.client_pause(2000)
        threads = [threading.Thread(target=refused, args=(queue,)) for _ in range(3)]
        start = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - start < BUDGET + TOLERANCE
        raw.client_unpause()
        queue.ping()


def refused(queue):
    with pytest.raises(QueueConnectionError):
        queue.ping()


@pytest.fixture
def pool(redis_url):
    """A pool whose connections have three seconds."""
    pool = BlockingConnectionPool.from_url(
        redis_url,
        connection_class=Connection,
        protocol=2,
        socket_timeout=3,
        socket_connect_timeout=3,
    )
    yield pool
    pool.disconnect()


def test_connection_made_in_a_hurry_is_kept(pool):
    """Once it is there, it has its own limits, and serves further calls."""
    line = ThreadConnections(pool, owned=True, socket_timeout=3)
    hurried = line.lease(time.monotonic() + 0.4)
    opened = socket_of(hurried)
    line.give_back(hurried)
    assert line.exchange(ECHO, time.monotonic() + 1) == b"a"
    assert socket_of(line.lease(time.monotonic() + 60)) is opened
    assert (hurried.socket_timeout, hurried.socket_connect_timeout) == (3, 3)
    assert opened.gettimeout() == 3
    line.give_back(hurried)
    line.close()


@pytest.mark.parametrize("durability", ["primary", "all-replicas"])
def test_calls_in_a_hurry_share_a_connection(redis_url, raw, durability):
    """A budget that is no longer than the socket's limit costs no connection for each call."""
    settings = RedisSettings.from_url(
        redis_url, retry_budget=1.0, socket_timeout=1.0, durability=durability
    )
    with SyncRedisArqQueue.initialize(settings) as queue:
        before = raw.info("stats")["total_connections_received"]
        for _ in range(10):
            queue.ping()
        assert raw.info("stats")["total_connections_received"] <= before + 1


def test_greeting_of_many_late_replies():
    """The replies to a greeting share the budget, however many there are."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer_late, args=(listener, BUDGET * 0.8), daemon=True).start()
        host, port = listener.getsockname()
        check_opening(
            RedisSettings(host, port, password="p", database=1, conn_retries=0, retry_budget=BUDGET)
        )


def answer_late(listener, delay):
    """Say OK to all that one client after the other says, each time a bit late."""
    with contextlib.suppress(OSError):
        while True:
            client = listener.accept()[0]
            with client, contextlib.suppress(OSError):
                while client.recv(10_000):
                    time.sleep(delay)
                    client.sendall(b"+OK\r\n")


def test_limit_ends_with_its_block(pool):
    """After the block a thread connects with the connection's own limits."""
    with connecting_until(time.monotonic() + 0.5):
        pass
    connection = pool.get_connection()
    assert connection.socket_timeout == 3
