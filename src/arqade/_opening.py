"""What frameworks' settings say of a queue, and how it is opened."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

import attrs

from arqade import (
    ArqMode,
    ArqQueue,
    Codec,
    ConfigurationError,
    JSONCodec,
    MemoryStore,
    MockArqQueue,
    MsgpackCodec,
    PickleCodec,
    RedisArqQueue,
    RedisSettings,
    RestrictedPickleCodec,
    SyncArqQueue,
    SyncMockArqQueue,
    SyncRedisArqQueue,
)
from arqade.codecs._base import has_methods

if TYPE_CHECKING:
    from collections.abc import Callable

    from arqade.settings import AnySettings

__all__ = [
    "DEFAULT_QUEUE",
    "PICKLE",
    "Mode",
    "QueueOptions",
    "codec_from",
    "open_blocking",
    "open_queue",
    "options_for",
    "settings_from",
]

Mode: TypeAlias = ArqMode | Literal["production", "test"]
"""Which queue an application uses, or the value of that."""

DEFAULT_QUEUE: Final = "arq:queue"
"""The queue of a stock worker that names none."""

PICKLE: Final[Codec] = PickleCodec()
"""What stock workers speak."""

OF_MOCKS: Final[tuple[str, ...]] = ("expires_extra_ms", "max_payload_bytes")
"""Further arguments of a queue that a mock has, too."""

CODECS: Final[dict[str, Callable[[], Codec]]] = {
    "pickle": PickleCodec,
    "restricted-pickle": RestrictedPickleCodec,
    "json": JSONCodec,
    "msgpack": MsgpackCodec,
}
"""Codecs that need no arguments, by the names that settings give them."""


def codec_from(value: object) -> Codec:
    """Give the codec that a setting means.

    Args:
        value: A codec; the name of one that needs no arguments (``"pickle"``,
            ``"restricted-pickle"``, ``"json"``, ``"msgpack"``); or where to import one from, as
            ``"package.module:name"`` or ``"package.module.name"``.

    Raises:
        ConfigurationError: It is none of them.
    """
    if isinstance(value, str):
        if value in CODECS:
            return CODECS[value]()
        if not {".", ":"} & set(value):
            known = ", ".join(CODECS)
            raise ConfigurationError(
                f"there is no codec {value!r}: the names are {known}; or say where to import one "
                "from, as in package.module:codec"
            )
        try:
            value = resolve_name(value)
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigurationError(f"the codec {value!r} can't be imported: {error}") from error
    if not has_methods(value, "dumps", "loads", "worker_settings"):
        shown = value if isinstance(value, type) else type(value)
        raise ConfigurationError(
            f"a codec is needed, or the name of one, not {shown.__module__}.{shown.__qualname__}"
            + (": a class is none, its instances are" if isinstance(value, type) else "")
        )
    return cast("Codec", value)


def settings_from(value: str | AnySettings | None) -> RedisSettings:
    """Give the Redis settings that a framework's setting means.

    Args:
        value: A URL, arqade's settings, or arq's own; None for the environment's ``ARQADE_URL`` or
            ``REDIS_URL``.

    Raises:
        ConfigurationError: The URL is malformed, or there is none.
        TypeError: It is none of them.
    """
    if value is None:
        return RedisSettings.from_env()
    if isinstance(value, str):
        return RedisSettings.from_url(value)
    return RedisSettings.from_arq(value)


@attrs.frozen(kw_only=True)
class QueueOptions:
    """What a queue is opened with."""

    settings: RedisSettings | None
    """Where the server is; None for a mock, which needs none."""

    default_queue_name: str = DEFAULT_QUEUE
    """The queue of operations that name none."""

    codec: Codec = PICKLE
    """How jobs and results become bytes: what the workers use."""

    more: dict[str, Any] = attrs.field(factory=dict)
    """Further keyword arguments of `RedisArqQueue.initialize`."""

    def of_mock(self) -> dict[str, Any]:
        """Give the keyword arguments of a mock that refuses what the queue would."""
        more = {name: self.more[name] for name in OF_MOCKS if name in self.more}
        return {"default_queue_name": self.default_queue_name, "codec": self.codec, **more}

    @property
    def mode(self) -> ArqMode:
        """Whether there is a server."""
        return ArqMode.test if self.settings is None else ArqMode.production


def options_for(
    mode: Mode,
    redis_settings: AnySettings | None,
    default_queue_name: str,
    codec: Codec,
    store: MemoryStore | None,
) -> QueueOptions:
    """Give the options of an application's one queue.

    Raises:
        RuntimeError: There are no settings in production.
        TypeError: A value is of a wrong type.
        ValueError: A value is not allowed, such as a store in production.
    """
    settings = None
    if ArqMode(mode) is ArqMode.production:
        if redis_settings is None:
            # In safir's words, which its users may look for.
            raise RuntimeError("The redis_settings argument must be set for arq in production.")
        if store is not None:
            raise ValueError("store is for test mode: in production the server holds the jobs")
        settings = RedisSettings.from_arq(redis_settings)
    return QueueOptions(settings=settings, default_queue_name=default_queue_name, codec=codec)


async def open_queue(options: QueueOptions, store: MemoryStore | None = None) -> ArqQueue:
    """Open a queue for asynchronous code: on its server, or a mock with a store.

    Raises:
        TypeError: A value is of a wrong type.
        ValueError: A value is not allowed.
        QueueConnectionError: The server can't be reached, or refuses the login.
        QueueServerError: The server refused.
    """
    if options.settings is None:
        return MockArqQueue(**options.of_mock(), store=store)
    name, codec = options.default_queue_name, options.codec
    return await RedisArqQueue.initialize(options.settings, name, codec, **options.more)


def open_blocking(options: QueueOptions, store: MemoryStore | None = None) -> SyncArqQueue:
    """Open a queue for blocking code, as `open_queue` does."""
    if options.settings is None:
        return SyncMockArqQueue(**options.of_mock(), store=store)
    name, codec = options.default_queue_name, options.codec
    return SyncRedisArqQueue.initialize(options.settings, name, codec, **options.more)
