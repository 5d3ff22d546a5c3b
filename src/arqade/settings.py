"""How to reach Redis: values only, nothing here opens a connection."""

from __future__ import annotations

import os
from enum import StrEnum
from importlib import import_module
from ssl import TLSVersion
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, Self, TypeAlias

import attrs
from attrs.validators import optional

from arqade import _urls
from arqade._compat import override
from arqade._urls import COUNT, DURATION, FLAG, INTERVAL
from arqade.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import redis.asyncio.retry
    import redis.retry

__all__ = ["AnySettings", "ArqMode", "Durability", "RedisSettings", "build_arq_redis_settings"]

Durability: TypeAlias = Literal["primary", "all-replicas"]
"""Where a job must be before an enqueue is confirmed: on the primary, or on its replicas, too."""


class ArqMode(StrEnum):
    """Which queue an application uses."""

    production = "production"
    """The real one, on Redis."""

    test = "test"
    """`MockArqQueue`, which needs no Redis and no worker."""


class AnySettings(Protocol):
    """What `RedisSettings` and arq's own settings have in common."""

    @property
    def host(self) -> Any:
        """Name of the server, or the sentinels."""
        ...

    @property
    def port(self) -> int:
        """TCP port of the server."""
        ...

    @property
    def database(self) -> int:
        """Number of the database."""
        ...


class _Secret(Protocol):
    """A secret as pydantic wraps it: `SecretStr`."""

    def get_secret_value(self) -> str: ...


class _Url(Protocol):
    """A URL as pydantic wraps it: `RedisDsn`, `AnyUrl`, `pydantic_core.Url`."""

    def unicode_string(self) -> str: ...


_Path: TypeAlias = "str | os.PathLike[str] | None"
_Retry: TypeAlias = "redis.asyncio.retry.Retry | redis.retry.Retry"

_VARIABLES: Final = ("ARQADE_URL", "REDIS_URL")
_SECRETS: Final = frozenset({"password", "sentinel_password"})


# The converters answer `Any`: what they can't convert is left to the validators, which know the
# name of the field.


def _as_path(value: _Path) -> Any:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _as_host(value: str | Sequence[tuple[str, int]]) -> Any:
    if not isinstance(value, list | tuple):
        return value
    return tuple(tuple(pair) if isinstance(pair, list) else pair for pair in value)


def _as_errors(value: Iterable[type[Exception]] | None) -> Any:
    return tuple(value) if isinstance(value, list | tuple | set | frozenset) else value


def _check_retry(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if not hasattr(value, "call_with_retry"):
        raise TypeError(f"{field.alias} must be a Retry of redis-py, not {type(value).__name__}")


_PATH: Final = optional(_urls.PATH)
_TEXT: Final = optional(_urls.TEXT)
_ERRORS: Final = _urls.Kind(
    tuple,
    "a list",
    "a list of exception classes",
    lambda errors: all(isinstance(kind, type) and issubclass(kind, Exception) for kind in errors),
)


@attrs.frozen(repr=False)
class RedisSettings:
    """How to reach Redis, and how long to try.

    The positional fields are those of arq's own settings, in its order and with its defaults
    (except for `ssl_check_hostname`): a stock arq worker and `arq.create_pool` take an instance as
    it is, within the limits that `to_arq` checks. Instances are hashable; ``repr`` shows what
    differs from the defaults and masks passwords. Change one with `attrs.evolve`.

    Args:
        host: Name or address of the server; with `sentinel`, a list of (host, port) pairs of the
            sentinels, kept as a tuple.
        port: TCP port of the server.
        unix_socket_path: Path of a Unix socket to use instead of `host` and `port`.
        database: Number of the database.
        username: ACL user, or None for the default user.
        password: Password of the user.
        ssl: Whether to use TLS.
        ssl_keyfile: Path of the client's private key; if None, it is in `ssl_certfile` and reads as
            that.
        ssl_certfile: Path of the client's certificate.
        ssl_cert_reqs: Whether the server's certificate is checked: ``"required"``,
            ``"optional"`` (the same, for a client) or ``"none"``.
        ssl_ca_certs: Path of the certificates to trust, instead of the system's.
        ssl_ca_data: The same in PEM form, itself and not a path.
        ssl_check_hostname: Whether the certificate must be for `host`. Reads as False while
            `ssl_cert_reqs` is ``"none"``, which leaves no name to trust.
        conn_timeout: Seconds to wait for a connection.
        conn_retries: How often to try again to connect when a queue is opened.
        conn_retry_delay: Seconds between these tries.
        max_connections: Limit of the pool, or None.
        sentinel: Whether `host` lists sentinels, to be asked for the server.
        sentinel_master: Name of the service that the sentinels watch.
        retry_on_timeout: Whether redis-py is to retry after a time-out. This and the next two are
            for stock workers: arqade's queues retry within `retry_budget`.
        retry_on_error: Exception classes after which redis-py is to retry.
        retry: redis-py's own policy of retries.
        socket_timeout: Seconds to wait for a reply.
        health_check_interval: Seconds after which an idle connection is tested before use; 0 for
            never.
        client_name: Name that the server shows for the connections (``CLIENT LIST``).
        retry_budget: Seconds within which one operation, with all its retries, ends.
        sentinel_username: ACL user at the sentinels; `username` is not meant for them.
        sentinel_password: Password at the sentinels; `password` is not meant for them.
        sentinel_ssl: Whether to use TLS to the sentinels; None for what `ssl` says.
        durability: Where a job must be before an enqueue is confirmed: on the ``"primary"`` alone,
            or on ``"all-replicas"``, too, so that no failover loses it.

    Raises:
        ConfigurationError: A value is out of range, or two fields contradict each other.
        TypeError: A value is of a wrong type.
    """

    host: str | tuple[tuple[str, int], ...] = attrs.field(
        default="localhost", converter=_as_host, validator=_urls.HOST
    )
    port: int = attrs.field(default=6379, validator=_urls.PORT)
    unix_socket_path: str | None = attrs.field(default=None, converter=_as_path, validator=_PATH)
    database: int = attrs.field(default=0, validator=COUNT)
    username: str | None = attrs.field(default=None, validator=_TEXT)
    password: str | None = attrs.field(default=None, validator=_TEXT)
    ssl: bool = attrs.field(default=False, validator=FLAG)
    _ssl_keyfile: str | None = attrs.field(default=None, converter=_as_path, validator=_PATH)
    ssl_certfile: str | None = attrs.field(default=None, converter=_as_path, validator=_PATH)
    ssl_cert_reqs: str = attrs.field(default="required", validator=_urls.REQUIREMENT)
    ssl_ca_certs: str | None = attrs.field(default=None, converter=_as_path, validator=_PATH)
    ssl_ca_data: str | None = attrs.field(default=None, validator=_TEXT)
    _ssl_check_hostname: bool = attrs.field(default=True, validator=FLAG)
    conn_timeout: float = attrs.field(default=1, validator=DURATION)
    conn_retries: int = attrs.field(default=5, validator=COUNT)
    conn_retry_delay: float = attrs.field(default=1, validator=INTERVAL)
    max_connections: int | None = attrs.field(default=None, validator=optional(_urls.SIZE))
    sentinel: bool = attrs.field(default=False, validator=FLAG)
    sentinel_master: str = attrs.field(default="mymaster", validator=_urls.NAME)
    retry_on_timeout: bool = attrs.field(default=False, validator=FLAG)
    _retry_on_error: tuple[type[Exception], ...] | None = attrs.field(
        default=None, converter=_as_errors, validator=optional(_ERRORS)
    )
    retry: _Retry | None = attrs.field(default=None, validator=optional(_check_retry))

    socket_timeout: float = attrs.field(default=5.0, kw_only=True, validator=DURATION)
    health_check_interval: float = attrs.field(default=0, kw_only=True, validator=INTERVAL)
    client_name: str | None = attrs.field(
        default=None, kw_only=True, validator=optional(_urls.CLIENT_NAME)
    )
    retry_budget: float = attrs.field(default=10.0, kw_only=True, validator=DURATION)
    sentinel_username: str | None = attrs.field(default=None, kw_only=True, validator=_TEXT)
    sentinel_password: str | None = attrs.field(default=None, kw_only=True, validator=_TEXT)
    sentinel_ssl: bool | None = attrs.field(default=None, kw_only=True, validator=optional(FLAG))
    durability: Durability = attrs.field(
        default="primary", kw_only=True, validator=_urls.DURABILITY
    )

    def __attrs_post_init__(self) -> None:
        """Refuse fields that contradict each other.

        Raises:
            ConfigurationError: They do.
        """
        if self.sentinel and isinstance(self.host, str):
            raise ConfigurationError("host must be a list of (host, port) pairs with sentinel=True")
        if not self.sentinel and not isinstance(self.host, str):
            raise ConfigurationError("host must be one name or address without sentinel=True")
        if self.unix_socket_path is not None and (self.ssl or self.sentinel):
            raise ConfigurationError(
                "unix_socket_path goes with neither ssl nor sentinel: a Unix socket has no TLS, "
                "and sentinels name servers by host and port"
            )
        if self._ssl_keyfile is not None and self.ssl_certfile is None:
            raise ConfigurationError("ssl_keyfile needs ssl_certfile, the certificate of the key")

    @override
    def __repr__(self) -> str:
        shown = []
        for field in attrs.fields(type(self)):
            value = getattr(self, field.name)
            if value == field.default:
                continue
            if field.name in _SECRETS:
                text = "'***'"
            elif field.name == "ssl_ca_data":
                text = f"<{len(value)} characters>"
            else:
                text = repr(value)
            shown.append(f"{field.alias}={text}")
        return f"{type(self).__name__}({', '.join(shown)})"

    @property
    def ssl_keyfile(self) -> str | None:
        """Path of the file with the client's private key, or None without certificate."""
        # redis-py 5's async side drops a certificate that comes without a key file.
        return self._ssl_keyfile or self.ssl_certfile

    @property
    def ssl_check_hostname(self) -> bool:
        """Whether the certificate must be for the host; False where none is checked."""
        # OpenSSL refuses the pair, and redis-py 5 passes it on.
        return self._ssl_check_hostname and self.ssl_cert_reqs != "none"

    @property
    def retry_on_error(self) -> list[type[Exception]] | None:
        """Exception classes after which redis-py is to retry; a fresh list, which it appends to."""
        return None if self._retry_on_error is None else list(self._retry_on_error)

    @classmethod
    def from_url(cls, url: str | _Url | _Secret, **overrides: Any) -> Self:
        """Read a URL.

        The forms are::

            redis://user:password@host:6379/0?socket_timeout=3
            redis+sentinel://user:password@host1:26379,host2:26379/mymaster/0
            unix://user:password@/run/redis.sock?db=0
            unix://%2Frun%2Fredis.sock/0

        ``valkey`` reads like ``redis``; ``rediss`` and ``valkeys``, with ``+sentinel`` too, mean
        TLS. All parts are percent-decoded, once. Host, port, user, password and database may be
        left out; the name of a service may not. User and password of a sentinel URL are for the
        server; its options `sentinel_username` and `sentinel_password` are for the sentinels.

        Options are redis-py's (``db``, ``socket_timeout``, ``socket_connect_timeout``, ...) and
        the fields of this class that other parts of a URL don't give, except `retry` and
        `retry_on_error`.

        Args:
            url: The URL; pydantic's URLs, and secrets that hold one, are taken too.
            **overrides: Fields of this class that win over the URL's.

        Raises:
            ConfigurationError: The URL is malformed, contradicts itself, or has an option that is
                unknown, given twice, badly valued, or without effect there.
            TypeError: `url` is no URL, an override is no field, or its value is of a wrong type.
        """
        parts = _urls.read_url(url)
        fields = parts | overrides
        if fields.get("sentinel") and "sentinel_master" not in fields:
            raise ConfigurationError(
                "the URL names no service of the sentinels: redis+sentinel://host:26379/SERVICE/0"
            )
        settings = cls(**fields)
        for name in parts:
            if name.startswith("ssl_") and not (settings.ssl or settings._sentinel_tls):
                raise ConfigurationError(
                    f"the URL's option {name!r} has no effect without TLS: use rediss://"
                )
            if name.startswith("sentinel_") and not settings.sentinel:
                raise ConfigurationError(
                    f"the URL's option {name!r} has no effect without sentinels: use "
                    "redis+sentinel://"
                )
        return settings

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read the URL in ``ARQADE_URL``, or else that in ``REDIS_URL``; an empty one is none.

        Args:
            environ: The variables; the process's own if None.

        Raises:
            ConfigurationError: There is neither, or `from_url` refuses it.
        """
        variables = os.environ if environ is None else environ
        for name in _VARIABLES:
            url = variables.get(name, "")
            if url.strip():
                try:
                    return cls.from_url(url)
                except ConfigurationError as error:
                    raise ConfigurationError(f"{name}: {error}") from error
        raise ConfigurationError(
            f"neither {' nor '.join(_VARIABLES)} is set: the URL of Redis, as in "
            "redis://host:6379/0"
        )

    @classmethod
    def from_arq(cls, settings: object) -> RedisSettings:
        """Take arq's own settings, or anything else with their attributes.

        What arq has is kept as it is, its `ssl_check_hostname` and its links to sentinels without
        TLS included; what it lacks gets the defaults of this class.

        Args:
            settings: An ``arq.connections.RedisSettings``; an instance of this class is returned
                as it is.

        Raises:
            ConfigurationError: A value is out of range.
            TypeError: `settings` or one of its values is of a wrong type.
        """
        if isinstance(settings, RedisSettings):
            return settings
        if isinstance(settings, type) or not all(
            hasattr(settings, name) for name in ("host", "port", "database")
        ):
            kind = settings if isinstance(settings, type) else type(settings)
            raise TypeError(
                "settings must be an instance of arqade.RedisSettings or of "
                f"arq.connections.RedisSettings, not {kind.__name__}; a URL goes to "
                "RedisSettings.from_url"
            )
        names = [field.alias for field in attrs.fields(cls)]
        fields = {name: getattr(settings, name) for name in names if hasattr(settings, name)}
        if fields.get("sentinel"):
            fields.setdefault("sentinel_ssl", False)
        return cls(**fields)

    def to_arq(self) -> Any:
        """Give arq's own settings, an ``arq.connections.RedisSettings``.

        `socket_timeout`, `retry_budget` and `durability` steer arqade's clients only and are left
        out. What decides where or how a connection is made must be something arq can do: it knows
        no `client_name` and no `health_check_interval`, speaks to sentinels without password and
        TLS,
        and finds a server through them without the ``ssl_...`` fields.

        Raises:
            ConfigurationError: arq can't do what the settings say, or is not installed.
        """
        try:
            arq_settings = import_module("arq.connections").RedisSettings
        except ImportError as error:
            raise ConfigurationError("arq is not installed: install arqade[worker]") from error
        lost = [name for name, kept in self._arq_limits().items() if getattr(self, name) != kept]
        if self.sentinel and self._sentinel_tls:
            lost.append("sentinel_ssl")
        if lost:
            raise ConfigurationError(
                f"arq can't do what these fields say: {', '.join(lost)}; change them, or keep "
                "these settings for arqade alone"
            )
        names = [field.alias for field in attrs.fields(type(self)) if not field.kw_only]
        values = {name: getattr(self, name) for name in names}
        if self.sentinel:
            values["host"] = list(self.host)
        return arq_settings(**values)

    def _arq_limits(self) -> dict[str, object]:
        """Give the fields that arq has no way to honour here, with the only values it can do."""
        limits: dict[str, object] = {"client_name": None, "health_check_interval": 0}
        if self.sentinel:
            limits |= dict.fromkeys(("sentinel_username", "sentinel_password"))
        if self.sentinel and self.ssl:
            limits |= dict.fromkeys(("ssl_keyfile", "ssl_certfile", "ssl_ca_certs", "ssl_ca_data"))
            limits |= {"ssl_cert_reqs": "required", "ssl_check_hostname": False}
        return limits

    def connection_kwargs(self) -> dict[str, Any]:
        """Give what redis-py's connections to the server take, sync and async.

        The arguments suit `redis.Connection`, `redis.SSLConnection` or
        `redis.UnixDomainSocketConnection`, whichever `ssl` and `unix_socket_path` call for, and a
        `ConnectionPool` of it. With `sentinel` there is no host and no port. Left to the caller:
        the class, `max_connections`, and the policy of retries.
        """
        kwargs: dict[str, Any] = {
            "db": self.database,
            "username": self.username,
            "password": self.password,
            "client_name": self.client_name,
            "health_check_interval": self.health_check_interval,
            "socket_timeout": self.socket_timeout,
            "socket_connect_timeout": self.conn_timeout,
        }
        if self.unix_socket_path is not None:
            return {**kwargs, "path": self.unix_socket_path}
        if not self.sentinel:
            kwargs |= {"host": self.host, "port": self.port}
        if self.ssl:
            kwargs |= self._tls_kwargs()
        return {**kwargs, "socket_keepalive": True}

    def sentinel_kwargs(self) -> dict[str, Any]:
        """Give what `redis.Redis`, sync and async, takes for the links to the sentinels.

        It is the ``sentinel_kwargs`` of redis-py's `Sentinel`.
        """
        kwargs: dict[str, Any] = {
            "username": self.sentinel_username,
            "password": self.sentinel_password,
            "socket_timeout": self.socket_timeout,
            "socket_connect_timeout": self.conn_timeout,
            "socket_keepalive": True,
        }
        return {**kwargs, "ssl": True, **self._tls_kwargs()} if self._sentinel_tls else kwargs

    def sentinel_addresses(self) -> tuple[tuple[str, int], ...]:
        """Give host and port of each sentinel; none without `sentinel`."""
        return self.host if isinstance(self.host, tuple) else ()

    @property
    def _sentinel_tls(self) -> bool:
        if self.sentinel_ssl is None:
            return self.ssl
        return self.sentinel_ssl

    def _tls_kwargs(self) -> dict[str, Any]:
        return {
            "ssl_keyfile": self.ssl_keyfile,
            "ssl_certfile": self.ssl_certfile,
            "ssl_cert_reqs": self.ssl_cert_reqs,
            "ssl_ca_certs": self.ssl_ca_certs,
            "ssl_ca_data": self.ssl_ca_data,
            "ssl_check_hostname": self.ssl_check_hostname,
            "ssl_min_version": TLSVersion.TLSv1_2,
        }


def build_arq_redis_settings(url: str | _Url, password: _Secret | str | None) -> RedisSettings:
    """Read a URL and a password that is kept apart from it, as safir applications do.

    Args:
        url: The URL, as for `RedisSettings.from_url`.
        password: The password; it wins over the URL's, which None and an empty one leave in force.

    Raises:
        ConfigurationError: The URL is wrong.
        TypeError: The URL or the password is of a wrong type.
    """
    given = _urls.reveal(password)
    return RedisSettings.from_url(url, password=given) if given else RedisSettings.from_url(url)
