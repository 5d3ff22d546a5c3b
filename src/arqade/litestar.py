"""A plugin for Litestar: queues as dependencies, opened and closed with the application."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

import attrs
from litestar.di import NamedDependency, Provide
from litestar.plugins import InitPlugin

from arqade import ArqQueue, Codec, MemoryStore, SyncArqQueue
from arqade._clients import QueueClients
from arqade._compat import override
from arqade._opening import DEFAULT_QUEUE, PICKLE, Mode, options_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from litestar import Litestar
    from litestar.config.app import AppConfig

    from arqade.settings import AnySettings

__all__ = ["ArqQueueDep", "ArqadeConfig", "ArqadePlugin", "SyncArqQueueDep"]

ArqQueueDep: TypeAlias = NamedDependency[ArqQueue]
"""The type of a handler's parameter ``arq_queue``."""

SyncArqQueueDep: TypeAlias = NamedDependency[SyncArqQueue]
"""The type of a handler's parameter ``sync_arq_queue``."""


@attrs.frozen(kw_only=True)
class ArqadeConfig:
    """What `ArqadePlugin` needs to know."""

    mode: Mode
    """``production`` for queues on a server, ``test`` for mocks."""

    redis_settings: AnySettings | None = None
    """Where the server is: arqade's settings, or arq's own. In test mode they are not looked at."""

    default_queue_name: str = DEFAULT_QUEUE
    """The queue of operations that name none."""

    codec: Codec = PICKLE
    """How jobs and results become bytes: what the workers use."""

    store: MemoryStore | None = None
    """In test mode, another mock's `store`, to look at the same queues; None in production."""

    dependency: str = "arq_queue"
    """The name of the dependency that is an `ArqQueue`, and of the application's state."""

    sync_dependency: str = "sync_arq_queue"
    """The name of the dependency that is a `SyncArqQueue`, for handlers that run in a thread."""


class ArqadePlugin(InitPlugin):
    """Gives handlers an `ArqQueue` as ``arq_queue`` and a `SyncArqQueue` as ``sync_arq_queue``.

    The first is opened when the application starts, which it does not if the server can't be
    reached; the second when it is first asked for. Both are closed when the application ends.

    Args:
        config: Where the server is, and all else.

    Raises:
        RuntimeError: There are no settings in production.
        TypeError: A value is of a wrong type.
        ValueError: A value is not allowed.
    """

    def __init__(self, config: ArqadeConfig) -> None:
        self._config = config
        options = options_for(
            config.mode,
            config.redis_settings,
            config.default_queue_name,
            config.codec,
            config.store,
        )
        self._clients = QueueClients(options, config.store)
        self._open = 0
        """How many applications it is in that run."""

    @property
    def store(self) -> MemoryStore | None:
        """Where the mocks of test mode hold their jobs; None in production."""
        return self._clients.store

    @override
    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add the dependencies and the lifespan; Litestar calls this.

        Args:
            app_config: What the application is made from.

        Raises:
            ValueError: A dependency of this name is there already, or both have one name.
        """
        config = self._config
        provided = {
            config.dependency: Provide(self._provide),
            config.sync_dependency: Provide(self._clients.blocking, sync_to_thread=True),
        }
        if len(provided) == 1:
            raise ValueError(f"two dependencies have one name: {config.dependency!r}")
        for name in provided.keys() & app_config.dependencies.keys():
            raise ValueError(f"the application has a dependency {name!r} already: choose another")
        app_config.dependencies |= provided
        # Handlers may import them for type checkers only.
        names = {kind.__name__: kind for kind in (ArqQueue, SyncArqQueue)}
        names |= {"ArqQueueDep": ArqQueueDep, "SyncArqQueueDep": SyncArqQueueDep}
        app_config.signature_namespace = {**names, **app_config.signature_namespace}
        app_config.lifespan = [self._lifespan, *app_config.lifespan]
        return app_config

    async def _provide(self) -> ArqQueue:
        return await self._clients.of_loop()

    @asynccontextmanager
    async def _lifespan(self, app: Litestar) -> AsyncIterator[None]:
        app.state[self._config.dependency] = await self._clients.of_loop()
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1
            if not self._open:
                await self._clients.aclose()
