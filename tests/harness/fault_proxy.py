"""A TCP proxy before the server that breaks what passes through it, command by command.

It reads requests and replies as far as it must to know where each ends. Faults strike operations,
not the handshake, so that reconnecting works; on a connection with many commands in flight they
strike the one that a plan chooses, and the others lose what they would lose with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

__all__ = [
    "HOLE_AFTER",
    "HOLE_BEFORE",
    "LOST",
    "REPLY_CUT",
    "REPLY_FIN",
    "REPLY_RESET",
    "REQUEST_HALVED",
    "REQUEST_RESET",
    "Fault",
    "FaultProxy",
    "Operation",
    "answered",
    "dice",
    "every",
    "first",
    "held",
    "held_until",
    "late",
]

OPERATIONS = frozenset({b"EVALSHA", b"EVAL", b"UNLINK"})
MARKER = b"arqade:once:"
LOOK = 0.05
"""Seconds between two looks whether a request may go on."""


class Operation(NamedTuple):
    """A command that a fault may strike."""

    words: list[bytes]
    number: int
    """How many there were before, on all connections."""
    attempt: int
    """How often its call was sent before; 0 for a command without a token."""
    is_enqueue: bool

    @property
    def job_id(self) -> str:
        """The id of the first job that is enqueued."""
        return self.words[5].decode()


class Fault(NamedTuple):
    """What becomes of a command. It is held first, then sent or not; then its reply is held."""

    name: str
    request: str = ""
    """"" to send it, else ``reset``, ``half``, ``hole`` or ``answer``."""
    reply: str = ""
    """"" to pass it on, else ``reset``, ``fin``, ``cut`` or ``hole``."""
    hold: float = 0
    """Seconds that the request is held."""
    until: Callable[[Operation], object] | None = None
    """What the request waits for."""
    hold_reply: float = 0
    """Seconds that the reply is held."""
    line: bytes = b""
    """The answer in the server's place."""


Plan: TypeAlias = "Callable[[Operation], Fault | None]"

REQUEST_RESET = Fault("request lost: reset before it", request="reset")
REQUEST_HALVED = Fault("request lost: reset after half of it", request="half")
REPLY_RESET = Fault("reply lost: reset", reply="reset")
REPLY_FIN = Fault("reply lost: closed", reply="fin")
REPLY_CUT = Fault("reply lost: cut in the middle", reply="cut")
HOLE_BEFORE = Fault("black hole before the commit", request="hole")
HOLE_AFTER = Fault("black hole after the commit", reply="hole")

LOST = (REQUEST_RESET, REQUEST_HALVED, REPLY_RESET, REPLY_FIN, REPLY_CUT)
"""The faults that are noticed at once."""


def late(seconds: float) -> Fault:
    """A reply that comes so much later."""
    return Fault("late reply", hold_reply=seconds)


def held(seconds: float) -> Fault:
    """A request that is stuck in the network for so long, and then delivered."""
    return Fault("request held", hold=seconds)


def held_until(condition: Callable[[Operation], object]) -> Fault:
    """A request that is stuck until something has come to pass."""
    return Fault("request held", until=condition)


def answered(line: str) -> Fault:
    """A command that the server refuses without looking at it."""
    return Fault(line.split(maxsplit=1)[0], request="answer", line=f"-{line}\r\n".encode())


def first(times: int, *faults: Fault) -> Plan:
    """Strike the first so many attempts of each enqueue, with each fault in turn."""

    def plan(operation: Operation) -> Fault | None:
        if operation.is_enqueue and operation.attempt < times:
            return faults[operation.number % len(faults)]
        return None

    return plan


def every(count: int, *faults: Fault) -> Plan:
    """Strike each so-manieth operation, whoever sent it, with each fault in turn."""

    def plan(operation: Operation) -> Fault | None:
        turn, place = divmod(operation.number, count)
        return faults[turn % len(faults)] if place == count - 1 else None

    return plan


def dice(seed: int, chance: float, faults: Sequence[Fault]) -> Plan:
    """Strike each operation with a probability."""
    rolled = random.Random(seed)
    return lambda _: rolled.choice(faults) if rolled.random() < chance else None


class FaultProxy:
    """Forwards connections to a server, and lets a plan decide what goes wrong.

    It works in a thread of its own.

    Args:
        url: The server's URL.
        plan: Which fault strikes an operation; None for none.
        commands: The commands that are operations.
    """

    def __init__(
        self, url: str, plan: Plan | None = None, commands: Container[bytes] = OPERATIONS
    ) -> None:
        self.plan = plan
        self.commands = commands
        self.struck: Counter[str] = Counter()
        """How often each fault struck."""
        self.operations = 0
        self.connections = 0
        """How many connections were made."""
        self.links: set[_Link] = set()
        self.stuck = 0
        """How many requests and replies are held now."""
        self.loop = asyncio.new_event_loop()
        self._attempts: Counter[bytes] = Counter()
        self._listener: socket.socket | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        parts = urlsplit(url)
        self.server = (parts.hostname or "", parts.port or 0)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._address: tuple[str, int] = probe.getsockname()
        login = parts.netloc.rpartition("@")[0]
        host, port = self._address
        self.url = urlunsplit(parts._replace(netloc=f"{login}@{host}:{port}"))
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.back()
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def _call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    # --- for tests ----------------------------------------------------------------------

    @property
    def open(self) -> int:
        """How many connections clients have open."""
        return sum(not link.client_is_gone for link in tuple(self.links))

    def away(self) -> None:
        """Break all connections, and refuse new ones."""
        self._call(self._away())

    def back(self) -> None:
        """Accept connections again."""
        self._call(self._back())

    def break_all(self) -> None:
        """Reset all connections."""
        self._call(self._break(lambda _: True, _Link.reset))

    def break_listeners(self) -> None:
        """Reset the connections on which the server pushes."""
        self._call(self._break(lambda link: link.listens, _Link.reset))

    def mute_listeners(self) -> None:
        """Turn the connections on which the server pushes into black holes."""
        self._call(self._break(lambda link: link.listens, _Link.mute))

    # --- in the thread ------------------------------------------------------------------

    async def _back(self) -> None:
        # Not `create_server`, which leaks a connection if it is closed while it accepts one.
        self._listener = listener = socket.create_server(self._address, backlog=1000)
        listener.setblocking(False)
        self.loop.add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # It may have gone meanwhile.
            client, _ = listener.accept()
            # Small replies leave at once; asyncio sees to it for its own sockets only.
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._spawn(self.loop.connect_accepted_socket(lambda: _Link(self), client))

    def _spawn(self, work: Any) -> None:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _away(self) -> None:
        if self._listener is not None:
            self.loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        await self._break(lambda _: True, _Link.reset)

    @property
    def is_away(self) -> bool:
        """Whether connections are refused."""
        return self._listener is None

    async def _break(
        self, condition: Callable[[_Link], bool], how: Callable[[_Link], None]
    ) -> None:
        for link in tuple(self.links):
            if condition(link):
                how(link)

    async def _end(self) -> None:
        await self._away()
        await asyncio.gather(*self._tasks)
        for link in tuple(self.links):
            link.end()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0.01)  # Transports close in the next turns of the event loop.

    def decide(self, words: list[bytes]) -> tuple[Operation, Fault | None]:
        """Ask the plan."""
        is_enqueue = len(words) > 5 and words[3].startswith(MARKER)
        attempt = self._attempts[words[3]] if is_enqueue else 0
        operation = Operation(words, self.operations, attempt, is_enqueue)
        self.operations += 1
        fault = self.plan(operation) if self.plan is not None else None
        if is_enqueue and self.plan is not None:
            self._attempts[words[3]] += 1
        if fault is not None:
            self.struck[fault.name] += 1
        return operation, fault


class _Link(asyncio.Protocol):
    """A connection of a client, and the one to the server that belongs to it."""

    def __init__(self, proxy: FaultProxy) -> None:
        self.listens = False
        """Whether the server was asked to push here."""
        self.client_is_gone = False
        self._proxy = proxy
        self._loop = proxy.loop
        self._client: asyncio.Transport
        self._server: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._requests = _Commands()
        self._replies = bytearray()
        self._expected: deque[Fault | None] = deque()
        self._out: list[bytes] = []
        self._late: list[bytes] | None = None
        self._held = False
        self._deaf = False
        """Whether requests vanish."""
        self._mute = False
        """Whether replies vanish."""

    # --- the client ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._client = transport  # type: ignore[assignment]
        self._proxy.links.add(self)
        self._proxy.connections += 1
        if self._proxy.is_away:
            self.reset()
            self._proxy.links.discard(self)
        else:
            self._connecting = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        try:
            transport, _ = await self._loop.create_connection(
                lambda: _ServerSide(self), *self._proxy.server
            )
        except OSError:
            self.reset()
            self.end()
            return
        self._server = transport
        self._process()

    def data_received(self, data: bytes) -> None:
        if not self._deaf:
            self._requests.feed(data)
            self._process()

    def connection_lost(self, exc: Exception | None) -> None:
        self.client_is_gone = True
        if not self._held:
            # What is in the network already, arrives.
            self._hang_up()

    def _process(self) -> None:
        while self._server is not None and not self._held and not self._deaf:
            found = self._requests.take()
            if found is None:
                break
            self._command(*found)
        self._flush()

    def _command(self, raw: bytes, words: list[bytes]) -> None:
        name = words[0].upper()
        if name not in self._proxy.commands:
            self.listens = self.listens or (name == b"CLIENT" and words[1].upper() == b"TRACKING")
            self._expected.append(None)
            self._out.append(raw)
            return
        operation, fault = self._proxy.decide(words)
        if fault is None:
            self._expected.append(None)
            self._out.append(raw)
        elif fault.hold or fault.until:
            self._held = True
            self._proxy.stuck += 1
            task = self._loop.create_task(self._hold(operation, fault, raw))
            task.add_done_callback(_raise)
        else:
            self._strike(fault, raw)

    async def _hold(self, operation: Operation, fault: Fault, raw: bytes) -> None:
        await asyncio.sleep(fault.hold)
        while fault.until is not None and not fault.until(operation):  # noqa: ASYNC110 - asks Redis
            await asyncio.sleep(LOOK)
        self._held = False
        self._proxy.stuck -= 1
        if self._server is None:
            return
        self._strike(fault, raw)
        self._process()
        if self.client_is_gone:
            self._hang_up()

    def _strike(self, fault: Fault, raw: bytes) -> None:
        if fault.request == "reset":
            self.reset()
        elif fault.request == "half":
            self._out.append(raw[: len(raw) // 2])
            self.reset()
        elif fault.request == "hole":
            self._deaf = True
        else:
            self._expected.append(fault)
            if fault.request == "answer":
                self._answer_in_its_place()
            else:
                self._out.append(raw)

    def _flush(self) -> None:
        if self._out and self._server is not None:
            self._server.write(b"".join(self._out))
        self._out.clear()

    # --- the server ---------------------------------------------------------------------

    def replied(self, data: bytes) -> None:
        """Pass on what the server said."""
        self._replies += data
        while not self._mute:
            end = _reply_end(self._replies)
            if end is None:
                break
            reply = bytes(self._replies[:end])
            del self._replies[:end]
            if reply.startswith(b">") or not self._expected:
                self._say(reply)
                continue
            self._reply(self._expected.popleft(), reply)
            self._answer_in_its_place()

    def _answer_in_its_place(self) -> None:
        while self._expected and (fault := self._expected[0]) is not None and fault.line:
            self._say(fault.line)
            self._expected.popleft()

    def _reply(self, fault: Fault | None, reply: bytes) -> None:
        if fault is None:
            self._say(reply)
        elif fault.reply == "hole":
            self._mute = self._deaf = True
        elif fault.reply == "reset":
            self.reset()
        elif fault.reply:
            if fault.reply == "cut":
                self._say(reply[: max(1, len(reply) // 2)])
            self._mute = self._deaf = True
            self._client.close()
        else:
            if fault.hold_reply and self._late is None:
                self._late = []
                self._proxy.stuck += 1
                self._loop.call_later(fault.hold_reply, self._say_late)
            self._say(reply)

    def _say(self, reply: bytes) -> None:
        if self._late is not None:
            self._late.append(reply)
        elif not self.client_is_gone:
            self._client.write(reply)

    def _say_late(self) -> None:
        replies, self._late = self._late or [], None
        self._proxy.stuck -= 1
        for reply in replies:
            self._say(reply)

    def server_lost(self) -> None:
        """The server closed the connection."""
        self._server = None
        self._proxy.links.discard(self)
        if not self.client_is_gone:
            self._client.close()

    # --- ends ---------------------------------------------------------------------------

    def mute(self) -> None:
        """Be a black hole from now on."""
        self._mute = self._deaf = True

    def reset(self) -> None:
        """Break the client's connection; what it sent before still arrives."""
        self._flush()
        self._deaf = self._mute = True
        if not self.client_is_gone:
            # Without lingering, the end of a connection is a reset.
            linger = struct.pack("ii", 1, 0)
            sock = self._client.get_extra_info("socket")
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._client.abort()

    def _hang_up(self) -> None:
        self._flush()
        if self._server is not None:
            with contextlib.suppress(OSError, RuntimeError):
                self._server.write_eof()
        elif self._connecting is not None and not self._connecting.done():
            self._connecting.cancel()
            self._proxy.links.discard(self)

    def end(self) -> None:
        """Close both ends."""
        self._proxy.links.discard(self)
        if not self.client_is_gone:
            self._client.abort()
        if self._server is not None:
            self._server.abort()


class _ServerSide(asyncio.Protocol):
    def __init__(self, link: _Link) -> None:
        self._link = link

    def data_received(self, data: bytes) -> None:
        self._link.replied(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._link.server_lost()


class _Commands:
    """Divides what a client sends into commands."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def take(self) -> tuple[bytes, list[bytes]] | None:
        """Give the next command and its words; None if it is not there as a whole."""
        buffer = self._buffer
        at = buffer.find(b"\r\n")
        if at < 0:
            return None
        words = []
        count = int(buffer[1:at])
        at += 2
        for _ in range(count):
            end = buffer.find(b"\r\n", at)
            if end < 0:
                return None
            begin = end + 2
            at = begin + int(buffer[at + 1 : end]) + 2
            if at > len(buffer):
                return None
            words.append(bytes(buffer[begin : at - 2]))
        raw = bytes(buffer[:at])
        del buffer[:at]
        return raw, words


def _reply_end(buffer: bytearray) -> int | None:
    """Give the length of the first reply; None if it is not there as a whole."""
    at, left = 0, 1
    while left:
        end = buffer.find(b"\r\n", at)
        if end < 0:
            return None
        kind = buffer[at : at + 1]
        left -= 1
        length = int(buffer[at + 1 : end]) if kind in b"$=!*~>%|" else 0
        at = end + 2
        if kind in b"$=!" and length >= 0:
            at += length + 2
        elif kind in b"*~>":
            left += max(length, 0)
        elif kind in b"%|":
            left += 2 * length + (kind == b"|")
    return at if at <= len(buffer) else None


def _raise(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.result()
