"""The bare limits: arqade's script called with as little as possible around it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import deque
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import hiredis
import redis
import redis.asyncio

from benchmarks.subjects.script_call import SCRIPT, Words, words_maker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

Operations = dict[str, Any]


def _learn(url: str) -> dict[str, Any]:
    """Teach the server the script, and give redis-py's options for a connection."""
    with redis.Redis.from_url(url) as client:
        client.script_load(SCRIPT.text)
    parts = urlsplit(url)
    return {"host": parts.hostname, "port": parts.port, "password": unquote(parts.password or "")}


def _check_reply(reply: Any) -> None:
    if type(reply[1]) is not int:
        raise RuntimeError(f"the script answered {reply!r}")


@contextlib.contextmanager
def client(url: str) -> Iterator[Operations]:
    """Call the script through ``redis.Redis``."""
    words = words_maker()
    _learn(url)
    with redis.Redis.from_url(url) as ours:

        def enqueue(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            _check_reply(ours.evalsha(*words(args, kwargs)[1:]))

        yield {"enqueue": enqueue}


@contextlib.contextmanager
def connection(url: str) -> Iterator[Operations]:
    """Call the script through a ``redis.Connection``, one for each thread."""
    words = words_maker()
    options = _learn(url)
    local = threading.local()

    def enqueue(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        try:
            ours = local.connection
        except AttributeError:
            ours = local.connection = redis.Connection(**options)
        ours.send_command(*words(args, kwargs))
        _check_reply(ours.read_response())

    yield {"enqueue": enqueue}


@contextlib.contextmanager
def raw_socket(url: str) -> Iterator[Operations]:
    """Send prepared bytes over a socket; nothing is built or packed while it is timed.

    Of large jobs this is no limit: who sends their first bytes alone wakes the server up sooner.
    """
    words = words_maker()
    options = _learn(url)
    ready: deque[bytes] = deque()
    with socket.create_connection((options["host"], options["port"])) as ours:
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ours.sendall(hiredis.pack_command(("AUTH", options["password"])))
        ours.recv(65536)

        def prepare(count: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            ready.extend(hiredis.pack_command(words(args, kwargs)) for _ in range(count))

        def enqueue(*_: object) -> None:
            ours.sendall(ready.popleft())
            # Two integers, the latter a time: the job was created and is due then.
            if not ours.recv(65536).startswith(b"*2\r\n:"):
                raise RuntimeError("the script did not create the job")

        yield {"enqueue": enqueue, "prepare": prepare}


@contextlib.asynccontextmanager
async def async_client(url: str) -> AsyncIterator[Operations]:
    """Call the script through ``redis.asyncio.Redis``."""
    words = words_maker()
    _learn(url)
    async with redis.asyncio.Redis.from_url(url) as ours:

        async def enqueue(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            _check_reply(await ours.evalsha(*words(args, kwargs)[1:]))

        yield {"enqueue": enqueue}


@contextlib.asynccontextmanager
async def async_connection(url: str) -> AsyncIterator[Operations]:
    """Call the script through a ``redis.asyncio.Connection``."""
    words = words_maker()
    ours = redis.asyncio.Connection(**_learn(url))
    await ours.connect()

    async def enqueue(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        await ours.send_command(*words(args, kwargs))
        _check_reply(await ours.read_response())

    try:
        yield {"enqueue": enqueue}
    finally:
        await ours.disconnect()


class Shared(asyncio.Protocol):
    """A connection that all callers share: replies come in the order of the commands."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._reader = hiredis.Reader()
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._unsent: list[bytes] = []
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checkers
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Hand each reply to its caller."""
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            self._waiting.popleft().set_result(reply)

    def send(self, words: Words) -> asyncio.Future[Any]:
        """Send a command, together with those of all who call in the same turn of the loop."""
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(hiredis.pack_command(words))
        future = self._loop.create_future()
        self._waiting.append(future)
        return future

    def _flush(self) -> None:
        self.transport.write(b"".join(self._unsent))
        self._unsent.clear()


@contextlib.asynccontextmanager
async def protocol(url: str) -> AsyncIterator[Operations]:
    """Call the script through an ``asyncio.Protocol`` that parses with hiredis."""
    words = words_maker()
    options = _learn(url)
    loop = asyncio.get_running_loop()
    _, ours = await loop.create_connection(Shared, options["host"], options["port"])
    await ours.send(("AUTH", options["password"]))

    async def enqueue(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        _check_reply(await ours.send(words(args, kwargs)))

    try:
        yield {"enqueue": enqueue}
    finally:
        ours.transport.close()
