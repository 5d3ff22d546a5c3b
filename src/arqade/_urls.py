"""Redis URLs, read into the fields of `arqade.settings.RedisSettings`, and what may stand there.

The errors name what is wrong and repeat no text of the URL but its scheme and the names of
options: a password with a stray ``/``, ``?`` or ``#`` may have spilled into any other part.
They are raised outside of ``except`` blocks for the same reason: Python's own errors, which hold
the text they tripped over, must not stay behind as ``__context__``.
"""

from __future__ import annotations

import difflib
import re
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

import attrs

from arqade.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "CLIENT_NAME",
    "COUNT",
    "DURABILITY",
    "DURATION",
    "FLAG",
    "HOST",
    "INTERVAL",
    "NAME",
    "PATH",
    "PORT",
    "REQUIREMENT",
    "SIZE",
    "TEXT",
    "Kind",
    "read_url",
    "reveal",
]

_URL: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)"
    r"(?:\?(?P<query>[^#]*))?(?P<fragment>#.*)?",
    re.IGNORECASE,
)
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_UNFIT: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_WORD: Final = re.compile(r"[a-z]\w{0,39}", re.IGNORECASE | re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_TLS: Final = {"redis": False, "rediss": True, "valkey": False, "valkeys": True}
_SCHEMES: Final = (
    "redis, rediss, valkey, valkeys, each also with +sentinel (as in redis+sentinel), and unix"
)
_TRUE: Final = frozenset({"1", "t", "true", "y", "yes", "on"})
_FALSE: Final = frozenset({"0", "f", "false", "n", "no", "off"})
_MAX_PORT: Final = 65535
# Sockets refuse times not far above it.
_MAX_SECONDS: Final = 1_000_000


@attrs.frozen
class Kind:
    """A kind of setting: an attrs validator that can also read the text of a URL.

    Its errors name the setting and never repeat the value, which may be a secret gone astray.

    Attributes:
        types: What a value is an instance of.
        noun: The same in words.
        wanted: What `holds` demands, in words.
        holds: Whether a value of the right type is right.
        read: Makes a value of a text, or None of one that can't be read.
    """

    types: type | tuple[type, ...]
    noun: str
    wanted: str
    holds: Callable[[Any], bool]
    read: Callable[[str], object] = str

    def __call__(self, _: object, field: attrs.Attribute[Any], value: Any) -> None:
        """Validate a field.

        Raises:
            ConfigurationError: The value is of the right type and wrong.
            TypeError: It is of a wrong type.
        """
        # True is an int to Python, and a mistake as a port or a time.
        if not isinstance(value, self.types) or (type(value) is bool and self.types is not bool):
            raise TypeError(f"{field.alias} must be {self.noun}, not {type(value).__name__}")
        if not self.holds(value):
            raise ConfigurationError(f"{field.alias} must be {self.wanted}")

    def parse(self, text: str) -> object:
        """Read a text; None if it is not of this kind."""
        value = self.read(text)
        return value if value is not None and self.holds(value) else None


def _read_flag(text: str) -> bool | None:
    word = text.lower()
    return True if word in _TRUE else False if word in _FALSE else None


def _read_int(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) else None


def _read_float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _read_requirement(text: str) -> str:
    # Celery shares such URLs and writes CERT_REQUIRED.
    return text.lower().removeprefix("cert_")


def _is_text(text: str) -> bool:
    return not _SURROGATE.search(text)


def _is_name(text: str) -> bool:
    return bool(text) and not _UNFIT.search(text)


def _is_host(value: str | tuple[object, ...]) -> bool:
    if isinstance(value, str):
        # The characters are the signs of a URL, or a part of one, given in place of a host.
        return _is_name(value) and not any(char in "/@?#,[] " for char in value)
    return bool(value) and all(map(_is_sentinel, value))


def _is_sentinel(pair: object) -> bool:
    match pair:
        case (str() as host, int() as port):
            return _is_host(host) and type(port) is not bool and 1 <= port <= _MAX_PORT
        case _:
            return False


FLAG: Final = Kind(bool, "a bool", "true or false", lambda _: True, _read_flag)
COUNT: Final = Kind(
    int, "an int", "a whole number, 0 or more", lambda number: number >= 0, _read_int
)
SIZE: Final = Kind(
    int, "an int", "a whole number, 1 or more", lambda number: number >= 1, _read_int
)
PORT: Final = Kind(
    int,
    "an int",
    f"a port from 1 to {_MAX_PORT}",
    lambda number: 1 <= number <= _MAX_PORT,
    _read_int,
)
INTERVAL: Final = Kind(
    (int, float),
    "a number of seconds",
    f"a number of seconds from 0 to {_MAX_SECONDS}",
    lambda number: 0 <= number <= _MAX_SECONDS,
    _read_float,
)
DURATION: Final = Kind(
    (int, float),
    "a number of seconds",
    f"a number of seconds, more than 0 and at most {_MAX_SECONDS}",
    lambda number: 0 < number <= _MAX_SECONDS,
    _read_float,
)
TEXT: Final = Kind(str, "a str", "text that UTF-8 can encode, not lone surrogates", _is_text)
NAME: Final = Kind(str, "a str", "a name, not empty and without control characters", _is_name)
PATH: Final = Kind(
    str, "a str or a path", "a path, not empty and without control characters", _is_name
)
HOST: Final = Kind(
    (str, tuple),
    "a str, or a list of (host, port) pairs of sentinels",
    "a name or an address (a URL goes to RedisSettings.from_url), or a list of one or more "
    f"(host, port) pairs of sentinels, with ports from 1 to {_MAX_PORT}",
    _is_host,
)
CLIENT_NAME: Final = Kind(
    str,
    "a str",
    "printable ASCII without spaces, as CLIENT SETNAME demands",
    lambda text: bool(text) and all("!" <= char <= "~" for char in text),
)
REQUIREMENT: Final = Kind(
    str,
    "a str",
    "'required', 'optional' or 'none'",
    lambda word: word in {"required", "optional", "none"},
    _read_requirement,
)
DURABILITY: Final = Kind(
    str,
    "a str",
    "'primary' or 'all-replicas'",
    lambda word: word in {"primary", "all-replicas"},
)

_OPTIONS: Final = {
    "client_name": CLIENT_NAME,
    "conn_retries": COUNT,
    "conn_retry_delay": INTERVAL,
    "conn_timeout": DURATION,
    "database": COUNT,
    "db": COUNT,
    "durability": DURABILITY,
    "health_check_interval": INTERVAL,
    "max_connections": SIZE,
    "password": TEXT,
    "retry_budget": DURATION,
    "retry_on_timeout": FLAG,
    "sentinel_master": NAME,
    "sentinel_password": TEXT,
    "sentinel_ssl": FLAG,
    "sentinel_username": TEXT,
    "socket_connect_timeout": DURATION,
    "socket_timeout": DURATION,
    "ssl_ca_certs": PATH,
    "ssl_ca_data": TEXT,
    "ssl_cert_reqs": REQUIREMENT,
    "ssl_certfile": PATH,
    "ssl_check_hostname": FLAG,
    "ssl_keyfile": PATH,
    "username": TEXT,
}
# Names that redis-py has for fields of arq's.
_FIELDS: Final = {"db": "database", "socket_connect_timeout": "conn_timeout"}


def reveal(value: object) -> Any:
    """Unwrap a secret of pydantic's; give back anything else."""
    unwrap = getattr(value, "get_secret_value", None)
    return unwrap() if callable(unwrap) else value


def read_url(url: object) -> dict[str, Any]:
    """Read a URL into fields of `RedisSettings`, those it says nothing of left out.

    Args:
        url: A URL of one of the forms that `RedisSettings.from_url` describes: a str, an object
            whose ``str`` it is, or a secret of pydantic's that holds one.

    Raises:
        ConfigurationError: The URL is malformed, contradicts itself, or has an option that is
            unknown, given twice or badly valued.
        TypeError: It is something whose ``str`` is a URL to nobody.
    """
    source = reveal(url)
    if source is None or isinstance(source, bytes | bytearray | int | float):
        raise TypeError(f"url must be a str or a URL object, not {type(source).__name__}")
    # Secrets kept in files often end in a newline.
    url = str(source).strip()
    if _UNFIT.search(url):
        raise ConfigurationError("the URL holds control characters; percent-encode them")
    match = _URL.fullmatch(url)
    if not match:
        raise ConfigurationError("the URL does not start with a scheme, as in redis://host:6379/0")
    scheme, authority, path, query, fragment = match.groups("")
    scheme = scheme.lower()
    base, plus, kind = scheme.partition("+")
    if scheme != "unix" and (base not in _TLS or kind != ("sentinel" if plus else "")):
        raise ConfigurationError(f"the URL's scheme {scheme!r} is not one of {_SCHEMES}")
    # The socket of unix:///run/a@b has no user before it to be mistaken for.
    if fragment or ((scheme != "unix" or authority) and "@" in path + query):
        raise ConfigurationError(
            "the URL has a '#', or an '@' after the first '/' or '?'; percent-encode '/', '?', '#' "
            "and '@' in the user name, the password and the options (%2F, %3F, %23, %40)"
        )
    userinfo, _, hosts = authority.rpartition("@")
    parts = _read_userinfo(userinfo)
    if scheme == "unix":
        parts |= _read_unix(hosts, path)
    elif plus:
        parts |= {"ssl": _TLS[base], **_read_sentinels(hosts, path)}
    else:
        parts |= {"ssl": _TLS[base], **_read_server(hosts, path)}
    for option, value in _read_query(query).items():
        field = _FIELDS.get(option, option)
        if parts.setdefault(field, value) != value:
            raise ConfigurationError(
                f"the URL's option {option!r} contradicts another part of the URL; give one of them"
            )
    return parts


def _read_userinfo(userinfo: str) -> dict[str, Any]:
    username, _, password = userinfo.partition(":")
    parts = {"username": _decode(username, "user name"), "password": _decode(password, "password")}
    return {name: text for name, text in parts.items() if text}


def _read_server(host: str, path: str) -> dict[str, Any]:
    if "," in host:
        raise ConfigurationError(
            "the URL names several hosts, which only sentinels may be: redis+sentinel://..."
        )
    name, port = _read_host(host, 6379)
    return {"host": name or "localhost", "port": port, **_read_database(path.strip("/"))}


def _read_sentinels(hosts: str, path: str) -> dict[str, Any]:
    sentinels = [_read_host(host, 26379) for host in hosts.split(",")]
    if not all(name for name, _ in sentinels):
        raise ConfigurationError("the URL names no host, or an empty one, among its sentinels")
    service, slash, database = path.removeprefix("/").partition("/")
    parts: dict[str, Any] = {"sentinel": True, "host": tuple(sentinels)}
    if service:
        parts["sentinel_master"] = _decode(service, "service name")
    elif slash:
        raise ConfigurationError("the URL's service name is empty: /SERVICE or /SERVICE/DATABASE")
    return parts | _read_database(database.removesuffix("/"))


def _read_unix(host: str, path: str) -> dict[str, Any]:
    if host.lower().startswith("%2f"):
        return {"unix_socket_path": _decode(host, "socket path"), **_read_database(path.strip("/"))}
    if host or not path.strip("/"):
        raise ConfigurationError(
            "the URL of a Unix socket needs three slashes and a path: unix:///run/redis.sock"
        )
    return {"unix_socket_path": _decode(path, "socket path")}


def _read_host(text: str, default_port: int) -> tuple[str, object]:
    if text.startswith("["):
        name, bracket, rest = text[1:].partition("]")
        name = _decode(name, "host")
        if not bracket or not _is_ipv6(name) or (rest and not rest.startswith(":")):
            raise ConfigurationError("the URL has no valid IPv6 address between its brackets")
        port = rest.removeprefix(":")
    else:
        name, _, port = text.partition(":")
        if ":" in port:
            raise ConfigurationError(
                "the URL has more than one ':' in a host; an IPv6 address goes in brackets: [::1]"
            )
        name = _decode(name, "host")
    number = PORT.parse(port) if port else default_port
    if number is None:
        raise ConfigurationError(
            f"the URL's port is not a number from 1 to {_MAX_PORT}; percent-encode '/', '?', '#', "
            "':' and '@' in the user name and the password"
        )
    return name, number


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def _read_database(text: str) -> dict[str, Any]:
    if not text:
        return {}
    number = _read_int(text)
    if number is None:
        raise ConfigurationError(
            "the URL's path is not the number of a database, as in redis://host:6379/0 or "
            "redis+sentinel://host:26379/service/0"
        )
    # pydantic writes /0 into URLs that have no path, where ?db= may name the database.
    return {"database": number} if number else {}


def _read_query(query: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for pair in filter(None, query.split("&")):
        raw_name, _, raw_value = pair.partition("=")
        name = _decode(raw_name, "option name")
        if not _WORD.fullmatch(name):
            # No option of anyone's, so perhaps a piece of a password.
            raise ConfigurationError("the URL has an option whose name is not a word")
        if name not in _OPTIONS:
            near = difflib.get_close_matches(name, _OPTIONS)
            hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(_OPTIONS)}"
            raise ConfigurationError(f"the URL has an unknown option {name!r}; {hint}")
        if name in options:
            raise ConfigurationError(f"the URL has its option {name!r} twice")
        text = _decode(raw_value.replace("+", " "), f"option {name!r}")
        if not text:
            raise ConfigurationError(f"the URL's option {name!r} has no value")
        options[name] = _OPTIONS[name].parse(text)
        if options[name] is None:
            raise ConfigurationError(f"the URL's option {name!r} must be {_OPTIONS[name].wanted}")
    return options


def _decode(text: str, what: str) -> str:
    # Unlike urllib's unquote, which would put U+FFFD into a password that is not UTF-8.
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        pass
    raise ConfigurationError(f"the URL's {what} is not UTF-8 once percent-decoded")
