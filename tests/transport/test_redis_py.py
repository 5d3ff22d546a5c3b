"""What is used of redis-py beyond its public names; run with its oldest and newest version."""

from __future__ import annotations

import asyncio
import socket

import pytest
import redis
import redis.asyncio
from redis.exceptions import NoScriptError, OutOfMemoryError, ResponseError

from arqade._transport.redis_py import (
    NOT_ENOUGH,
    Push,
    new_reader,
    pack_command,
    separate_connection,
    socket_of,
    transport_of,
)

DIFFERENT = {"protocol": 3, "client_name": "apart"}


def test_pack_command():
    """Words of every kind become the bytes of a command."""
    expected = b"*4\r\n$3\r\nSET\r\n$2\r\n\xc3\xa9\r\n$2\r\n\x00\xff\r\n$2\r\n12\r\n"
    assert pack_command(("SET", "é", b"\x00\xff", 12)) == expected


def test_reader():
    """A reader gives replies as they become complete, None and False among them."""
    reader = new_reader()
    reader.feed(b"$-1\r\n:0\r\n#f\r\n*2\r\n$1\r\na\r\n")
    assert [reader.gets() for _ in range(4)] == [None, 0, False, NOT_ENOUGH]
    reader.feed(b":1\r\n")
    assert reader.gets() == [b"a", 1]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("NOSCRIPT No matching script.", NoScriptError),
        ("OOM command not allowed", OutOfMemoryError),
        ("ERR unknown", ResponseError),
    ],
)
def test_refusals(line, kind):
    """Refusals are redis-py's own errors."""
    reader = new_reader()
    reader.feed(f"-{line}\r\n".encode())
    assert isinstance(reader.gets(), kind)


def test_push():
    """What a server sends unasked is told from a reply."""
    reader = new_reader()
    reader.feed(b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n*1\r\n:1\r\n")
    frame, reply = reader.gets(), reader.gets()
    assert type(frame) is Push
    assert frame == [b"invalidate", [b"k"]]
    assert type(reply) is list


async def test_transport_of_a_connection(redis_url):
    """The transport of a connection sends and receives."""
    received = asyncio.get_running_loop().create_future()

    class Protocol(asyncio.Protocol):
        def data_received(self, data):
            received.set_result(data)

    pool = redis.asyncio.ConnectionPool.from_url(redis_url)
    connection = await pool.get_connection()
    transport = transport_of(connection)
    streams = transport.get_protocol()
    transport.set_protocol(Protocol())
    transport.write(b"PING\r\n")
    assert await received == b"+PONG\r\n"
    transport.set_protocol(streams)
    await connection.send_command("PING")
    assert await connection.read_response() in (b"PONG", "PONG")
    await pool.release(connection)
    await pool.aclose()


def test_socket_of_a_connection(redis_url):
    """The socket of a connection sends and receives."""
    pool = redis.ConnectionPool.from_url(redis_url)
    connection = pool.get_connection()
    found = socket_of(connection)
    assert isinstance(found, socket.socket)
    found.sendall(b"PING\r\n")
    assert found.recv(100) == b"+PONG\r\n"
    pool.release(connection)
    pool.disconnect()


async def test_separate_async_connection(redis_url, raw):
    """A connection apart is like those of the pool, but for what is changed."""
    pool = redis.asyncio.BlockingConnectionPool.from_url(redis_url, client_name="pooled")
    connection = separate_connection(pool, **DIFFERENT)
    await connection.connect()
    assert [client["name"] for client in raw.client_list()].count("apart") == 1
    await connection.disconnect()
    assert pool.connection_kwargs["client_name"] == "pooled"
    await pool.aclose()


@pytest.mark.parametrize("kind", [redis.ConnectionPool, redis.BlockingConnectionPool])
def test_separate_connection(redis_url, raw, kind):
    """A connection apart does not count in its pool."""
    pool = kind.from_url(redis_url, max_connections=1)
    pooled = pool.get_connection()
    connection = separate_connection(pool, **DIFFERENT)
    connection.connect()
    assert [client["name"] for client in raw.client_list()].count("apart") == 1
    connection.disconnect()
    pool.release(pooled)
    pool.disconnect()
