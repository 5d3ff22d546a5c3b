"""The clients of a process whose framework opens none: each is made when it is first needed.

Blocking code has one for the process and asynchronous code one for each event loop, since its
connections live and die with the loop. A child process makes its own.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import inspect
import os
import threading
import weakref
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, cast

from arqade import (
    ArqMode,
    ArqQueue,
    MemoryStore,
    SyncArqQueue,
    SyncMockArqQueue,
    SyncRedisArqQueue,
)
from arqade._compat import override
from arqade._opening import open_blocking, open_queue

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from arqade._opening import QueueOptions
    from arqade._protocol.tracking import PushMode

__all__ = ["QueueClients"]


class QueueClients:
    """The clients of one process that are opened with the same options.

    It is safe to be used by several threads and event loops, and holds nothing of its parent's
    after a fork. Nothing is connected before a client is asked for.

    Args:
        options: What they are opened with.
        store: Where mocks hold their jobs, if it is not to be a new one; for options without a
            server.
    """

    def __init__(self, options: QueueOptions, store: MemoryStore | None = None) -> None:
        self.options = options
        self.store = (store or MemoryStore()) if options.settings is None else None
        """Where the mocks hold their jobs; None if there is a server."""
        self.queue: SyncArqQueue = cast("SyncArqQueue", _BlockingQueue(self))
        """Passes each call on to the process's client."""
        self.async_queue: ArqQueue = cast("ArqQueue", _AsyncQueue(self))
        """Passes each call on to the client of the event loop that runs the caller."""
        self._start()
        _all_clients.add(self)

    def _start(self) -> None:
        """Begin anew, with no client."""
        self._lock = threading.Lock()
        self._opening: Future[SyncArqQueue] | None = None
        self._blocking: SyncArqQueue | None = None
        self._of_loops: dict[AbstractEventLoop, _OfLoop] = {}

    def forget(self) -> object:
        """Begin anew in a child process, and give what was its parent's."""
        inherited = self._lock, self._opening, self._blocking, self._of_loops
        self._start()
        return inherited

    def blocking(self) -> SyncArqQueue:
        """Give the process's client for blocking code.

        Threads that come while it is being opened wait for that, and hear of the same error.

        Raises:
            QueueConnectionError: The server can't be reached, or refuses the login.
            QueueServerError: The server refused.
        """
        if self._blocking is not None:
            return self._blocking
        with self._lock:
            if self._blocking is not None:
                return self._blocking
            opening, mine = self._opening, Future[SyncArqQueue]()
            if opening is None:
                self._opening = mine
        return self._open_for_all(mine) if opening is None else opening.result()

    def _open_for_all(self, opening: Future[SyncArqQueue]) -> SyncArqQueue:
        try:
            queue = open_blocking(self.options, self.store)
        except BaseException as error:
            with self._lock:
                if self._opening is opening:
                    self._opening = None
            opening.set_exception(error)
            raise
        with self._lock:
            if self._opening is opening:  # They may have been closed meanwhile.
                self._blocking, self._opening = queue, None
        if self._blocking is not queue:
            queue.close()
        opening.set_result(queue)
        return queue

    async def of_loop(self) -> ArqQueue:
        """Give the client of the event loop that runs the caller.

        It is closed when the loop shuts its asynchronous generators down, as `asyncio.run` and all
        that is built on it does at the end.

        Raises:
            QueueConnectionError: The server can't be reached, or refuses the login.
            QueueServerError: The server refused.
        """
        loop = asyncio.get_running_loop()
        mine = self._of_loops.get(loop)
        if mine is None or mine.failed:
            mine = _OfLoop(self)
            with self._lock:
                # Loops that were closed without a shutdown took their connections along.
                self._of_loops = {
                    other: its for other, its in self._of_loops.items() if not other.is_closed()
                }
                self._of_loops[loop] = mine
        if mine.queue is not None:
            return mine.queue
        # A caller that is cancelled takes no other's client away.
        return await asyncio.shield(mine.opening)

    def known_blocking(self) -> SyncArqQueue | None:
        """Give the process's client for blocking code, if it is open."""
        return self._blocking

    def known_of_loop(self) -> ArqQueue | None:
        """Give the running event loop's client, if it is open."""
        mine = self._of_loops.get(asyncio.get_running_loop())
        return None if mine is None else mine.queue

    def close(self) -> None:
        """Close all clients; they are opened anew when they are needed.

        Those of event loops that run are closed as soon as these get to it.
        """
        with self._lock:
            blocking, self._blocking, self._opening = self._blocking, None, None
            of_loops, self._of_loops = self._of_loops, {}
        if blocking is not None:
            blocking.close()
        for loop, mine in of_loops.items():
            with contextlib.suppress(RuntimeError):  # It is closed.
                loop.call_soon_threadsafe(mine.close_soon)

    async def aclose(self) -> None:
        """Close all clients, as `close` does, and wait for that of the running event loop."""
        mine = self._of_loops.get(asyncio.get_running_loop())
        self.close()
        if mine is not None:
            await mine.aclose()

    def __del__(self) -> None:
        # Whoever used them holds no queue that could be closed.
        if getattr(self, "_blocking", None) is not None:
            self.close()

    def loop_ended(self, loop: AbstractEventLoop, its: _OfLoop) -> None:
        """Let go of an event loop."""
        with self._lock:
            if self._of_loops.get(loop) is its:
                del self._of_loops[loop]


class _OfLoop:
    """The client of the running event loop, and what closes it when the loop ends."""

    def __init__(self, clients: QueueClients) -> None:
        self.queue: ArqQueue | None = None
        self._life = self._until_the_loop_ends(clients)
        self.opening = asyncio.create_task(self._open())
        self._closing: asyncio.Task[None] | None = None

    @property
    def failed(self) -> bool:
        """Whether it could not be opened."""
        opening = self.opening
        return opening.done() and (opening.cancelled() or opening.exception() is not None)

    async def _open(self) -> ArqQueue:
        return await anext(self._life)

    async def _until_the_loop_ends(self, clients: QueueClients) -> AsyncGenerator[ArqQueue]:
        """Give a client, and close it at the end.

        An event loop closes what generators are still open when it shuts down. There is no other
        way to hear of the end of a loop that somebody else runs.
        """
        queue = await open_queue(clients.options, clients.store)
        try:
            self.queue = queue
            yield queue
        finally:
            clients.loop_ended(asyncio.get_running_loop(), self)
            await queue.aclose()

    def close_soon(self) -> None:
        """Begin to close it; to be called in its event loop."""
        self._closing = asyncio.create_task(self.aclose())

    async def aclose(self) -> None:
        """Close it."""
        with contextlib.suppress(Exception):  # Whoever waits for it was told.
            # Not the generator, which the end of the loop may be closing just now.
            await (await self.opening).aclose()


class _BlockingQueue:
    """Stands for a `SyncArqQueue`: what is asked of it is asked of the process's client.

    `isinstance` takes it for one of the client's class.
    """

    def __init__(self, clients: QueueClients) -> None:
        self._clients = clients

    def _kind(self) -> type[SyncArqQueue]:
        is_mock = self._clients.options.mode is ArqMode.test
        return SyncMockArqQueue if is_mock else SyncRedisArqQueue

    __class__: Any = property(_kind)

    @property
    def default_queue_name(self) -> str:
        """The queue of operations that name none."""
        return self._clients.options.default_queue_name

    @property
    def push_mode(self) -> PushMode | None:
        """How results are heard of; None if none was waited for."""
        queue = self._clients.known_blocking()
        return None if queue is None else queue.push_mode

    def __getattr__(self, name: str) -> Any:
        # What looks at any object, as debuggers and test tools do, must not connect.
        if name.startswith("__"):
            raise AttributeError(name)
        member = inspect.getattr_static(self._kind(), name, None)
        if isinstance(member, property):
            return getattr(self._clients.blocking(), name)
        if not inspect.isfunction(member):
            return getattr(self._kind(), name)  # of the class; or there is none, which it says

        @functools.wraps(member)
        def call(*args: Any, **kwargs: Any) -> Any:
            return getattr(self._clients.blocking(), name)(*args, **kwargs)

        return call

    def close(self) -> None:
        """Close the process's clients; the next call opens new ones."""
        self._clients.close()

    @override
    def __repr__(self) -> str:
        return f"<the queue {self.default_queue_name!r} of this process>"


class _AsyncQueue:
    """Stands for an `ArqQueue`: what is asked of it is asked of the running event loop's client.

    `isinstance` takes it for an `ArqQueue`.
    """

    __class__: Any = property(lambda _: ArqQueue)

    def __init__(self, clients: QueueClients) -> None:
        self._clients = clients

    @property
    def default_queue_name(self) -> str:
        """The queue of operations that name none."""
        return self._clients.options.default_queue_name

    @property
    def push_mode(self) -> PushMode | None:
        """How results are heard of in the running event loop; None if none was waited for."""
        queue = self._clients.known_of_loop()
        return None if queue is None else queue.push_mode

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        method = getattr(ArqQueue, name)
        if inspect.iscoroutinefunction(method):
            return self._awaited(name, method)
        return self._iterated(name, method)

    def _awaited(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        async def call(*args: Any, **kwargs: Any) -> Any:
            return await getattr(await self._clients.of_loop(), name)(*args, **kwargs)

        return call

    def _iterated(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        async def iterate(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            items = getattr(await self._clients.of_loop(), name)(*args, **kwargs)
            async with contextlib.aclosing(items):
                async for item in items:
                    yield item

        return iterate

    async def aclose(self) -> None:
        """Close the process's clients; the next call opens new ones."""
        await self._clients.aclose()

    @override
    def __repr__(self) -> str:
        return f"<the queue {self.default_queue_name!r} of each event loop>"


_all_clients: weakref.WeakSet[QueueClients] = weakref.WeakSet()

_inherited: list[object] = []
"""What a child process must not even let go of: to close it would act on its parent's selector."""


def _forget_in_child() -> None:
    _inherited.extend([clients.forget() for clients in _all_clients])


@atexit.register
def _close_all() -> None:
    for clients in list(_all_clients):
        clients.close()


os.register_at_fork(after_in_child=_forget_in_child)
