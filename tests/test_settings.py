import asyncio
import contextlib
import copy
import inspect
import os
import pickle
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import attrs
import pytest
import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel
from hypothesis import example, given
from hypothesis import strategies as st
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from arqade import _urls, settings
from arqade.embedded import RedisServer
from arqade.exceptions import ArqadeError, ConfigurationError
from arqade.settings import ArqMode, RedisSettings, build_arq_redis_settings

CANARY = "c4n4ry"
SENTINELS = [("s1", 26379), ("s2", 26380)]
RETRY = Retry(NoBackoff(), 3)
FROM_URL = "redis+sentinel://u:p@s1,s2:26380/main/3"

# One changed value for each field of arq's own settings that has no other field for company.
CHANGES = {
    "host": "h",
    "port": 1,
    "unix_socket_path": "/run/redis.sock",
    "database": 2,
    "username": "u",
    "password": "p",
    "ssl": True,
    "ssl_certfile": "cert.pem",
    "ssl_cert_reqs": "optional",
    "ssl_ca_certs": "ca.pem",
    "ssl_ca_data": "PEM",
    "ssl_check_hostname": False,
    "conn_timeout": 0.5,
    "conn_retries": 0,
    "conn_retry_delay": 0.25,
    "max_connections": 7,
    "sentinel_master": "main",
    "retry_on_timeout": True,
    "retry_on_error": [redis.ReadOnlyError],
    "retry": RETRY,
}
EXTRAS = {
    "socket_timeout": 2.5,
    "health_check_interval": 30,
    "client_name": "web",
    "retry_budget": 4,
    "sentinel_username": "su",
    "sentinel_password": "sp",
    "sentinel_ssl": True,
    "durability": "all-replicas",
}


class Secret:
    """Stands for pydantic's SecretStr."""

    def __init__(self, value):
        self._value = value

    def get_secret_value(self):
        return self._value

    def __str__(self):
        return "**********"


class Url:
    """Stands for pydantic's URLs, whose str has the password."""

    def __init__(self, url):
        self._url = url

    def __str__(self):
        return self._url


def chain(error):
    """Everything that a traceback of the error may print."""
    texts = []
    while error is not None:
        texts += [str(error), repr(error), repr(error.args)]
        error = error.__cause__ or error.__context__
    return " ".join(texts)


def changed(made):
    """The fields that differ from the defaults."""
    default = RedisSettings()
    names = [field.alias for field in attrs.fields(RedisSettings)]
    return {n: getattr(made, n) for n in names if getattr(made, n) != getattr(default, n)}


# --- the value -----------------------------------------------------------------------------


def test_modes():
    """The modes are safir's, and equal to their names."""
    assert [(m.name, m) for m in ArqMode] == [("production", "production"), ("test", "test")]


def test_all():
    """The module's public names are listed and sorted."""
    assert settings.__all__ == [
        "AnySettings",
        "ArqMode",
        "Durability",
        "RedisSettings",
        "build_arq_redis_settings",
    ]
    assert sorted(_urls.__all__) == sorted(set(_urls.__all__) & set(vars(_urls)))


def test_import_needs_no_arq():
    """Importing the module does not import arq."""
    code = "import sys, arqade.settings; sys.exit('arq' in sys.modules)"
    path = str(Path(settings.__file__).parents[1])
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": path})


def test_fields_are_those_of_arq():
    """The fields of arq come first, in its order and with its defaults but for one check."""
    connections = pytest.importorskip("arq.connections", reason="arq is not installed here")
    theirs = inspect.signature(connections.RedisSettings).parameters
    ours = inspect.signature(RedisSettings).parameters
    defaults = {name: ours[name].default for name in theirs}
    assert [*theirs, *EXTRAS] == list(ours)
    assert {
        **{name: parameter.default for name, parameter in theirs.items()},
        "ssl_check_hostname": True,
    } == defaults
    assert all(ours[name].kind is inspect.Parameter.KEYWORD_ONLY for name in EXTRAS)


def test_defaults_never_hang():
    """Connecting, replies and whole operations are limited by default."""
    made = RedisSettings()
    assert (made.conn_timeout, made.socket_timeout, made.retry_budget) == (1, 5.0, 10.0)


def test_is_a_value():
    """Settings are equal and hash alike by value, are frozen, and survive copy and pickle."""
    made = RedisSettings(SENTINELS, sentinel=True, retry_on_error=[OSError])
    twin = RedisSettings(tuple(map(list, SENTINELS)), sentinel=True, retry_on_error=(OSError,))
    assert made == twin == copy.deepcopy(made) == pickle.loads(pickle.dumps(made))
    assert {made: 1} == {twin: 1}
    assert made != attrs.evolve(made, database=1)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        made.port = 1


def test_sentinels_are_kept_as_pairs():
    """A list of sentinels becomes a tuple of pairs, so that nobody changes it."""
    made = RedisSettings([["s1", 1], ("s2", 2)], sentinel=True)
    assert made.host == (("s1", 1), ("s2", 2))


def test_paths_are_taken():
    """Paths may be given as such, and read as text."""
    made = RedisSettings(unix_socket_path=Path("/run/redis.sock"))
    assert made.unix_socket_path == "/run/redis.sock"
    tls = RedisSettings(
        ssl_certfile=Path("a"), ssl_keyfile=Path("b"), ssl_ca_certs=Path("c"), ssl=True
    )
    assert (tls.ssl_certfile, tls.ssl_keyfile, tls.ssl_ca_certs) == ("a", "b", "c")


def test_retry_on_error_is_a_fresh_list():
    """redis-py, which appends to the list it gets, can't change the settings."""
    made = RedisSettings(retry_on_error=[OSError])
    made.retry_on_error.append(ValueError)
    assert made.retry_on_error == [OSError]
    assert RedisSettings().retry_on_error is None


def test_no_host_name_check_without_certificate_check():
    """The host name check reads as off while certificates go unchecked, and comes back."""
    made = RedisSettings(ssl=True, ssl_cert_reqs="none")
    assert not made.ssl_check_hostname
    assert attrs.evolve(made, ssl_cert_reqs="required").ssl_check_hostname


def test_key_in_the_certificate_file():
    """The key file reads as the certificate's where both are one: redis-py 5 wants it named."""
    made = RedisSettings(ssl=True, ssl_certfile="both.pem")
    assert made.ssl_keyfile == "both.pem"
    assert attrs.evolve(made, ssl_certfile="new.pem").ssl_keyfile == "new.pem"
    assert repr(made) == "RedisSettings(ssl=True, ssl_certfile='both.pem')"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", 5),
        ("host", None),
        ("port", "6379"),
        ("port", True),
        ("port", 1.5),
        ("unix_socket_path", b"/run/redis.sock"),
        ("database", "0"),
        ("database", False),
        ("username", 5),
        ("password", Secret(CANARY)),
        ("password", CANARY.encode()),
        ("ssl", 1),
        ("ssl", None),
        ("ssl_keyfile", 5),
        ("ssl_certfile", b"x"),
        ("ssl_cert_reqs", ssl.CERT_NONE),
        ("ssl_cert_reqs", None),
        ("ssl_ca_certs", 5),
        ("ssl_ca_data", b"x"),
        ("ssl_check_hostname", "yes"),
        ("conn_timeout", None),
        ("conn_timeout", "1"),
        ("conn_timeout", True),
        ("conn_retries", 1.0),
        ("conn_retry_delay", None),
        ("max_connections", "1"),
        ("sentinel", 0),
        ("sentinel_master", None),
        ("retry_on_timeout", None),
        ("retry_on_error", OSError),
        ("retry", 3),
        ("socket_timeout", None),
        ("health_check_interval", None),
        ("client_name", 5),
        ("retry_budget", None),
        ("sentinel_username", 5),
        ("sentinel_password", CANARY.encode()),
        ("sentinel_ssl", "no"),
    ],
)
def test_wrong_types(field, value):
    """A value of a wrong type is a TypeError that names the field and the type, not the value."""
    with pytest.raises(TypeError, match=rf"^{field} must be .* not \w+$") as caught:
        RedisSettings(**{field: value})
    assert CANARY not in chain(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", ""),
        ("host", "two words"),
        ("host", "a\nb"),
        ("host", f"redis://:{CANARY}@h"),
        ("host", f"{CANARY}@h"),
        ("host", "a,b"),
        ("host", "[::1]"),
        ("host", "\ud800"),
        ("host", []),
        ("host", ["s1"]),
        ("host", ("s1", 26379)),
        ("host", [("s1", 26379, 1)]),
        ("host", [("s1", "26379")]),
        ("host", [("s1", True)]),
        ("host", [("s1", 0)]),
        ("host", [(b"s1", 1)]),
        ("host", [("", 1)]),
        ("port", 0),
        ("port", 65536),
        ("unix_socket_path", ""),
        ("unix_socket_path", "a\0b"),
        ("database", -1),
        ("username", "\ud800"),
        ("password", f"{CANARY}\ud800"),
        ("ssl_keyfile", ""),
        ("ssl_ca_certs", "-----BEGIN\n"),
        ("ssl_cert_reqs", "CERT_NONE"),
        ("conn_timeout", 0),
        ("conn_timeout", -1),
        ("conn_timeout", float("nan")),
        ("conn_timeout", float("inf")),
        ("conn_timeout", 10**400),
        ("conn_retries", -1),
        ("conn_retry_delay", -0.1),
        ("max_connections", 0),
        ("sentinel_master", ""),
        ("sentinel_master", "a\nb"),
        ("retry_on_error", [OSError()]),
        ("retry_on_error", [int]),
        ("retry_on_error", [KeyboardInterrupt]),
        ("socket_timeout", 0),
        ("socket_timeout", 1_000_001),
        ("health_check_interval", -1),
        ("client_name", ""),
        ("client_name", "two words"),
        ("client_name", "naïve"),
        ("retry_budget", 0),
        ("sentinel_username", "\udfff"),
        ("sentinel_password", f"{CANARY}\udfff"),
    ],
)
def test_wrong_values(field, value):
    """A value out of range is a ConfigurationError that names the field, not the value."""
    with pytest.raises(ConfigurationError, match=f"^{field} must be ") as caught:
        RedisSettings(**{field: value})
    assert CANARY not in chain(caught.value)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"sentinel": True}, "host"),
        ({"host": SENTINELS}, "host"),
        ({"unix_socket_path": "/s", "ssl": True}, "unix_socket_path"),
        ({"unix_socket_path": "/s", "sentinel": True, "host": SENTINELS}, "unix_socket_path"),
        ({"ssl_keyfile": "key.pem"}, "ssl_keyfile"),
    ],
)
def test_contradictions(fields, named):
    """Fields that contradict each other are refused by name."""
    with pytest.raises(ConfigurationError, match=f"^{named} "):
        RedisSettings(**fields)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", "::1"),
        ("host", "bücher.example"),
        ("port", 65535),
        ("username", ""),
        ("password", "any text: ☃ \0\n"),
        ("conn_retry_delay", 0),
        ("conn_timeout", 0.001),
        ("socket_timeout", 1_000_000),
        ("retry_on_error", []),
        ("retry", None),
        ("client_name", "web-1:~"),
    ],
)
def test_right_values(field, value):
    """Values at the edge of the allowed are taken as they are."""
    assert getattr(RedisSettings(**{field: value}), field) == value


def test_repr_shows_the_changed_and_masks_secrets():
    """Both repr and str show what differs from the defaults, without passwords."""
    made = RedisSettings(
        [("s1", 1)],
        sentinel=True,
        password=CANARY,
        ssl_ca_data="x" * 2000,
        ssl_check_hostname=False,
        retry_on_error=[OSError],
        sentinel_password=CANARY,
    )
    expected = (
        "RedisSettings(host=(('s1', 1),), password='***', ssl_ca_data=<2000 characters>, "
        "ssl_check_hostname=False, sentinel=True, retry_on_error=(<class 'OSError'>,), "
        "sentinel_password='***')"
    )
    assert expected == repr(made) == str(made) == f"{made}"
    assert repr(RedisSettings()) == "RedisSettings()"


# --- URLs ----------------------------------------------------------------------------------

TLS = {"ssl": True}
SENTINEL = {"sentinel": True, "host": (("h", 26379),), "sentinel_master": "m"}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://", {}),
        ("redis:///", {}),
        ("redis://localhost", {}),
        ("redis://localhost/0", {}),
        ("REDIS://h", {"host": "h"}),
        ("  redis://h\n", {"host": "h"}),
        ("redis://h:1", {"host": "h", "port": 1}),
        ("redis://h:", {"host": "h"}),
        ("redis://:1", {"port": 1}),
        ("redis://h/2", {"host": "h", "database": 2}),
        ("redis://h/2/", {"host": "h", "database": 2}),
        ("redis://h?db=2", {"host": "h", "database": 2}),
        ("redis://h/2?db=2", {"host": "h", "database": 2}),
        # What pydantic makes of redis://h?db=2.
        ("redis://h:6379/0?db=2", {"host": "h", "database": 2}),
        ("redis://u@h", {"host": "h", "username": "u"}),
        ("redis://u:@h", {"host": "h", "username": "u"}),
        ("redis://:p@h", {"host": "h", "password": "p"}),
        ("redis://u:p@", {"username": "u", "password": "p"}),
        ("redis://u%3A:p%40%2F%3a@h", {"host": "h", "username": "u:", "password": "p@/:"}),
        ("redis://u:p:q@r@h", {"host": "h", "username": "u", "password": "p:q@r"}),
        ("redis://u:%2520@h", {"host": "h", "username": "u", "password": "%20"}),
        ("redis://u:a+b@h", {"host": "h", "username": "u", "password": "a+b"}),
        ("redis://u:50%@h", {"host": "h", "username": "u", "password": "50%"}),
        ("redis://h?username=u&password=p%40", {"host": "h", "username": "u", "password": "p@"}),
        ("redis://u:p@h?password=p", {"host": "h", "username": "u", "password": "p"}),
        ("redis://[::1]:1/2", {"host": "::1", "port": 1, "database": 2}),
        ("redis://[::1]", {"host": "::1"}),
        ("redis://[fe80::1%25eth0]", {"host": "fe80::1%eth0"}),
        ("redis://h%C3%A9", {"host": "hé"}),
        ("rediss://localhost", TLS),
        ("valkey://h", {"host": "h"}),
        ("valkeys://localhost", TLS),
        ("unix:///run/redis.sock", {"unix_socket_path": "/run/redis.sock"}),
        ("unix:///run/a%20b@c.sock", {"unix_socket_path": "/run/a b@c.sock"}),
        (
            "unix://u:p@/run/redis.sock?db=2",
            {
                "unix_socket_path": "/run/redis.sock",
                "username": "u",
                "password": "p",
                "database": 2,
            },
        ),
        ("unix:///s?password=p@ss", {"unix_socket_path": "/s", "password": "p@ss"}),
        ("unix://%2Frun%2fr.sock", {"unix_socket_path": "/run/r.sock"}),
        (
            "unix://u:p@%2Frun%2fr.sock/2",
            {"unix_socket_path": "/run/r.sock", "username": "u", "password": "p", "database": 2},
        ),
        ("redis+sentinel://h/m", SENTINEL),
        ("valkey+sentinel://h:26379/m/", SENTINEL),
        ("redis+sentinel://h/m/0/", SENTINEL),
        ("rediss+sentinel://h/m", {**SENTINEL, **TLS}),
        ("valkeys+sentinel://h/m", {**SENTINEL, **TLS}),
        ("redis+sentinel://h/m%2Fn/2", {**SENTINEL, "sentinel_master": "m/n", "database": 2}),
        ("redis+sentinel://h?sentinel_master=m", SENTINEL),
        (
            "redis+sentinel://user:pw@h1:1,h2,[::1]:3,[::2]/mymaster/3",
            {
                "sentinel": True,
                "host": (("h1", 1), ("h2", 26379), ("::1", 3), ("::2", 26379)),
                "username": "user",
                "password": "pw",
                "database": 3,
            },
        ),
    ],
)
def test_from_url(url, expected):
    """Every part of every form of URL lands in its field, percent-decoded once."""
    assert changed(RedisSettings.from_url(url)) == expected


@pytest.mark.parametrize(
    ("scheme", "option", "text", "field", "value"),
    [
        ("redis", "db", "12", "database", 12),
        ("redis", "database", "12", "database", 12),
        ("redis", "client_name", "w%3A1", "client_name", "w:1"),
        ("redis", "conn_retries", "0", "conn_retries", 0),
        ("redis", "conn_retry_delay", "0.5", "conn_retry_delay", 0.5),
        ("redis", "conn_timeout", "2", "conn_timeout", 2.0),
        ("redis", "socket_connect_timeout", "2.5", "conn_timeout", 2.5),
        ("redis", "socket_timeout", "3", "socket_timeout", 3.0),
        ("redis", "health_check_interval", "30", "health_check_interval", 30),
        ("redis", "max_connections", "9", "max_connections", 9),
        ("redis", "retry_budget", "1e1", "retry_budget", 10.0),
        ("redis", "retry_on_timeout", "True", "retry_on_timeout", True),
        ("redis", "retry_on_timeout", "Yes", "retry_on_timeout", True),
        ("redis", "retry_on_timeout", "1", "retry_on_timeout", True),
        ("redis", "username", "a+b", "username", "a b"),
        ("redis", "password", "a%2Bb%2520", "password", "a+b%20"),
        ("rediss", "ssl_check_hostname", "False", "ssl_check_hostname", False),
        ("rediss", "ssl_check_hostname", "n", "ssl_check_hostname", False),
        ("rediss", "ssl_check_hostname", "off", "ssl_check_hostname", False),
        ("rediss", "ssl_cert_reqs", "optional", "ssl_cert_reqs", "optional"),
        ("rediss", "ssl_cert_reqs", "CERT_NONE", "ssl_cert_reqs", "none"),
        ("rediss", "ssl_ca_certs", "/a%20b", "ssl_ca_certs", "/a b"),
        ("rediss", "ssl_ca_data", "a%0Ab", "ssl_ca_data", "a\nb"),
        ("rediss", "ssl_certfile", "c", "ssl_certfile", "c"),
        ("redis+sentinel", "sentinel_username", "u", "sentinel_username", "u"),
        ("redis+sentinel", "sentinel_password", "p", "sentinel_password", "p"),
        ("redis+sentinel", "sentinel_ssl", "yes", "sentinel_ssl", True),
    ],
)
def test_url_options(scheme, option, text, field, value):
    """redis-py's options and the names of fields are read, with redis-py's syntax of values."""
    path = "/m" if "sentinel" in scheme else ""
    made = RedisSettings.from_url(f"{scheme}://h{path}?{option}={text}")
    assert getattr(made, field) == value


def test_several_url_options():
    """Options stand side by side, and empty places between them don't matter."""
    made = RedisSettings.from_url("rediss://h?ssl_certfile=c&&ssl_keyfile=k&")
    assert (made.ssl_certfile, made.ssl_keyfile) == ("c", "k")


@pytest.mark.parametrize(
    "query",
    [
        "db=3",
        "socket_timeout=3",
        "socket_connect_timeout=2.5",
        "retry_on_timeout=yes",
        "retry_on_timeout=No",
        "max_connections=4",
        "health_check_interval=30",
        "client_name=web",
        "username=u&password=p%20q",
        "ssl_check_hostname=no&ssl_cert_reqs=none&ssl_ca_certs=a&ssl_certfile=b&ssl_keyfile=c",
    ],
)
def test_url_options_mean_what_they_mean_to_redis_py(query):
    """redis-py reads the same values from the same options."""
    url = f"rediss://host:1?{query}"
    theirs = redis.connection.parse_url(url)
    del theirs["connection_class"]
    made = RedisSettings.from_url(url)
    ours = {
        **made.connection_kwargs(),
        "retry_on_timeout": made.retry_on_timeout,
        "max_connections": made.max_connections,
    }
    assert theirs == {name: ours[name] for name in theirs}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "does not start with a scheme"),
        (CANARY, "does not start with a scheme"),
        (f"h:{CANARY}@h", "does not start with a scheme"),
        ("redis:h", "does not start with a scheme"),
        ("redis:/h", "does not start with a scheme"),
        (f"http://:{CANARY}@h", "scheme 'http' is not one of redis,"),
        (f"redis+cluster://:{CANARY}@h", "scheme 'redis.cluster' is not one of"),
        (f"redis+://:{CANARY}@h", "scheme 'redis.' is not one of"),
        (f"unix+sentinel://:{CANARY}@h", "scheme 'unix.sentinel' is not one of"),
        (f"redis://:{CANARY}@h:x", "port is not a number from 1 to 65535"),
        (f"redis://:{CANARY}@h:0", "port"),
        (f"redis://:{CANARY}@h:65536", "port"),
        (f"redis://:{CANARY}@h:-1", "port"),
        (f"redis://:{CANARY}@h:\uff16\uff13", "port"),
        (f"redis+sentinel://:{CANARY}@h:1,h:x/m", "port"),
        (f"redis://u:{CANARY}", "port"),
        (f"redis://:{CANARY}@h/x", "path is not the number of a database"),
        (f"redis://:{CANARY}@h/-1", "database"),
        (f"redis://:{CANARY}@h/1/2", "database"),
        (f"redis://:{CANARY}@h/9999999999", "database"),
        (f"redis+sentinel://:{CANARY}@h/m/x", "database"),
        (f"redis+sentinel://:{CANARY}@h/m/0/1", "database"),
        (f"redis+sentinel://:{CANARY}@h", "names no service"),
        (f"redis+sentinel://:{CANARY}@h/", "names no service"),
        (f"redis+sentinel://:{CANARY}@h//0", "service name is empty"),
        (f"redis+sentinel://:{CANARY}@/m", "names no host, or an empty one"),
        (f"redis+sentinel://:{CANARY}@h,,i/m", "names no host, or an empty one"),
        (f"redis+sentinel://:{CANARY}@h,/m", "names no host, or an empty one"),
        (f"redis://:{CANARY}@h,i", "several hosts"),
        (f"redis://:{CANARY}@::1", "IPv6 address goes in brackets"),
        (f"redis://:{CANARY}@[::1", "no valid IPv6 address"),
        (f"redis://:{CANARY}@[h]", "no valid IPv6 address"),
        (f"redis://:{CANARY}@[{CANARY}]", "no valid IPv6 address"),
        (f"redis://:{CANARY}@[::1]x", "no valid IPv6 address"),
        (f"redis://:{CANARY}@a%20b", "host must be a name or an address"),
        (f"redis+sentinel://:{CANARY}@a%20b/m", "host must be a name or an address"),
        (f"redis://:{CANARY}%ff@h", "password is not UTF-8"),
        (f"redis://{CANARY}%ff@h", "user name is not UTF-8"),
        ("redis://%ff", "host is not UTF-8"),
        ("redis://[%ff]", "host is not UTF-8"),
        ("redis+sentinel://h/%ff", "service name is not UTF-8"),
        ("unix:///%ff", "socket path is not UTF-8"),
        ("unix://%2F%ff", "socket path is not UTF-8"),
        (f"redis://h?password={CANARY}%ff", "option 'password' is not UTF-8"),
        ("redis://h?%ff=1", "option name is not UTF-8"),
        (f"redis://:{CANARY}\t@h", "control characters"),
        (f"redis://:{CANARY}\ud800@h", "control characters"),
        (f"redis://:{CANARY}#x@h", "percent-encode"),
        (f"redis://:x#{CANARY}@h", "percent-encode"),
        (f"redis://:x/{CANARY}@h", "percent-encode"),
        (f"redis://u:1/{CANARY}@h", "percent-encode"),
        (f"redis://:x?{CANARY}@h", "percent-encode"),
        (f"redis://u:1?{CANARY}=x@h", "percent-encode"),
        (f"unix://u:@/{CANARY}@/s", "percent-encode"),
        ("redis://h#x", "percent-encode"),
        (f"unix://u:x/{CANARY}@/run/s", "percent-encode"),
        (f"unix://u:{CANARY}@h/run/s", "three slashes"),
        ("unix://run/redis.sock", "three slashes"),
        ("unix://", "three slashes"),
        ("unix:///", "three slashes"),
        ("unix://%2Frun%2Fs/x", "database"),
        ("unix:///a%00b", "unix_socket_path must be a path"),
        (f"redis://:{CANARY}@h?nonsense=1", "unknown option 'nonsense'; known: client_name, "),
        (
            f"redis://:{CANARY}@h?timeout=1",
            "unknown option 'timeout'; did you mean (socket|conn)_timeout",
        ),
        (f"redis://:{CANARY}@h?socket_timout=1", "did you mean socket_timeout"),
        (f"redis://:{CANARY}@h?decode_responses=1", "unknown option 'decode_responses'"),
        (f"redis://:{CANARY}@h?protocol=3", "unknown option 'protocol'"),
        (f"redis://:{CANARY}@h?host=h", "unknown option 'host'"),
        (f"redis://:{CANARY}@h?ssl=true", "unknown option 'ssl'"),
        (f"redis://:{CANARY}@h?{CANARY}%2F=1", "an option whose name is not a word"),
        (f"redis://:{CANARY}@h?=1", "an option whose name is not a word"),
        (f"redis://h?password={CANARY}&password={CANARY}", "option 'password' twice"),
        ("redis://h?db=1&db=1", "option 'db' twice"),
        ("redis://h?db=1&database=2", "option 'database' contradicts"),
        ("redis://h?conn_timeout=1&socket_connect_timeout=2", "'socket_connect_timeout' contra"),
        ("redis://h/1?db=2", "option 'db' contradicts"),
        ("redis+sentinel://h/m/1?db=2", "option 'db' contradicts"),
        ("redis+sentinel://h/m?sentinel_master=n", "option 'sentinel_master' contradicts"),
        (f"redis://u:{CANARY}@h?password=x", "option 'password' contradicts"),
        ("redis://u@h?username=v", "option 'username' contradicts"),
        ("redis://h?db", "option 'db' has no value"),
        ("redis://h?password=", "option 'password' has no value"),
        ("redis://h?db=x", "option 'db' must be a whole number, 0 or more"),
        ("redis://h?db=-1", "option 'db' must be"),
        ("redis://h?db=1_0", "option 'db' must be"),
        ("redis://h?conn_retries=1.5", "option 'conn_retries' must be"),
        ("redis://h?max_connections=0", "option 'max_connections' must be a whole number, 1"),
        ("redis://h?socket_timeout=x", "option 'socket_timeout' must be a number of seconds"),
        ("redis://h?socket_timeout=0", "option 'socket_timeout' must be"),
        ("redis://h?socket_timeout=nan", "option 'socket_timeout' must be"),
        ("redis://h?socket_connect_timeout=inf", "option 'socket_connect_timeout' must be"),
        ("redis://h?health_check_interval=-1", "option 'health_check_interval' must be"),
        ("redis://h?retry_on_timeout=maybe", "option 'retry_on_timeout' must be true or false"),
        ("redis://h?client_name=a+b", "option 'client_name' must be printable ASCII"),
        ("rediss://h?ssl_cert_reqs=maybe", "option 'ssl_cert_reqs' must be 'required', "),
        ("rediss://h?ssl_ca_certs=a%0Ab", "option 'ssl_ca_certs' must be a path"),
        ("rediss://h?ssl_keyfile=k", "ssl_keyfile needs ssl_certfile"),
        ("redis://h?ssl_ca_certs=a", "option 'ssl_ca_certs' has no effect without TLS"),
        ("unix:///s?ssl_cert_reqs=none", "option 'ssl_cert_reqs' has no effect without TLS"),
        ("redis://h?sentinel_password=a", "'sentinel_password' has no effect without sentinels"),
        ("redis://h?sentinel_master=m", "'sentinel_master' has no effect without sentinels"),
    ],
)
def test_wrong_urls(url, message):
    """A wrong URL is a ConfigurationError that says what is wrong, and never the password."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        RedisSettings.from_url(url)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, ArqadeError)
    assert CANARY not in chain(caught.value)


def test_url_overrides():
    """Keyword arguments win over the URL's parts, and supply what it lacks."""
    made = RedisSettings.from_url("redis://u:p@h/1?socket_timeout=3", password="q", port=1)
    expected = {
        "host": "h",
        "port": 1,
        "database": 1,
        "username": "u",
        "password": "q",
        "socket_timeout": 3.0,
    }
    assert expected == changed(made)
    assert RedisSettings.from_url("redis+sentinel://h", sentinel_master="m").sentinel_master == "m"
    assert RedisSettings.from_url("redis://h?ssl_ca_certs=a", ssl=True).ssl_ca_certs == "a"


def test_sentinel_ssl_gives_ssl_options_an_effect():
    """Options of TLS are taken where only the links to the sentinels use it."""
    made = RedisSettings.from_url("redis+sentinel://h/m?sentinel_ssl=1&ssl_ca_certs=a")
    assert (made.sentinel_kwargs()["ssl_ca_certs"], made.sentinel_kwargs()["ssl"]) == ("a", True)


def test_wrong_overrides():
    """An unknown keyword argument is a TypeError that names it; a wrong value is as ever."""
    with pytest.raises(TypeError, match="nonsense"):
        RedisSettings.from_url("redis://h", nonsense=1)
    with pytest.raises(ConfigurationError, match=r"^port must be"):
        RedisSettings.from_url("redis://h", port=0)


@pytest.mark.parametrize("url", [None, b"redis://h", bytearray(b"redis://h"), 5, 1.5])
def test_no_urls(url):
    """What can't be a URL is a TypeError."""
    with pytest.raises(TypeError, match=r"^url must be a str"):
        RedisSettings.from_url(url)


@pytest.mark.parametrize(
    "url", [Url(FROM_URL), Secret(FROM_URL), Secret(Url(FROM_URL))], ids=["url", "str", "secret"]
)
def test_url_objects(url):
    """URL objects, and secrets that hold a URL, read like the text."""
    assert RedisSettings.from_url(FROM_URL) == RedisSettings.from_url(url)


def test_subclasses():
    """A subclass reads URLs into its own kind, and shows its own name."""

    class Mine(RedisSettings):
        pass

    made = Mine.from_url("redis://h")
    assert type(made) is Mine
    assert repr(made) == "Mine(host='h')"


anything = st.text(st.characters(exclude_categories=["Cs"]))
hosts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/@?#,[] \x7f", min_codepoint=0x20),
    min_size=1,
)


@given(anything, anything, hosts, st.integers(1, 65535), st.integers(0, 999_999_999))
@example("u:/?#[]@%", "☃%20+ \0", "::1", 6379, 0)
def test_round_trip(username, password, host, port, database):
    """What is percent-encoded into a URL of a server or a sentinel comes out as it was."""
    user = f"{quote(username, safe='')}:{quote(password, safe='')}"
    place = f"{quote(host, safe='')}:{port}"
    login = {"username": username or None, "password": password or None, "database": database}
    expected = RedisSettings(host=host, port=port, **login)
    assert expected == RedisSettings.from_url(f"redis://{user}@{place}/{database}")
    expected = RedisSettings(host=[(host, port)], sentinel=True, sentinel_master=host, **login)
    url = f"redis+sentinel://{user}@{place}/{quote(host, safe='')}/{database}"
    assert expected == RedisSettings.from_url(url)


@given(anything, hosts)
def test_round_trip_of_sockets_and_options(text, name):
    """What is percent-encoded into the path of a socket, or an option, comes out as it was."""
    path = f"/run/{name}"
    expected = RedisSettings(unix_socket_path=path, password=text or None)
    option = f"?password={quote(text, safe='')}" if text else ""
    assert expected == RedisSettings.from_url(f"unix://{quote(path)}{option}")
    assert expected == RedisSettings.from_url(f"unix://{quote(path, safe='')}{option}")


@given(
    st.lists(st.sampled_from([CANARY, *"/?#@:=&%[],+ x1é"]), min_size=1).map("".join),
    st.sampled_from(
        [
            "redis://u:{}@h:1/0",
            "rediss://{}@h/0?db=1",
            "redis+sentinel://u:{}@h:1,i/m/0",
            "unix://u:{}@/run/s?db=1",
        ]
    ),
)
def test_unencoded_passwords_do_not_leak(password, template):
    """A password that breaks the URL is in no error, and one that doesn't is masked."""
    try:
        made = RedisSettings.from_url(template.format(password))
    except ConfigurationError as error:
        shown = chain(error)
    else:
        # With no colon in it, the part before the "@" is a user name.
        shown = repr(attrs.evolve(made, username=None))
    assert CANARY not in shown


@given(st.text() | st.text(alphabet="redis+sntl:/@?#=&%[],.0123 \t").map("redis://".__add__))
def test_any_text(text):
    """Any text is a URL or a ConfigurationError."""
    with contextlib.suppress(ConfigurationError):
        RedisSettings.from_url(text)


# --- the environment -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "host"),
    [
        ({"ARQADE_URL": "redis://a", "REDIS_URL": "redis://b"}, "a"),
        ({"REDIS_URL": "redis://b\n"}, "b"),
        ({"ARQADE_URL": "", "REDIS_URL": "redis://b"}, "b"),
        ({"ARQADE_URL": " \n", "REDIS_URL": "redis://b"}, "b"),
    ],
)
def test_from_env(environ, host):
    """ARQADE_URL goes before REDIS_URL, and an empty one is none."""
    assert RedisSettings.from_env(environ).host == host


def test_from_env_reads_the_process_environment(monkeypatch):
    """Without an argument, the variables are those of the process."""
    monkeypatch.setenv("ARQADE_URL", "redis://a")
    assert RedisSettings.from_env().host == "a"


def test_from_env_without_variables():
    """With neither variable set, the error names both."""
    with pytest.raises(ConfigurationError, match="neither ARQADE_URL nor REDIS_URL is set"):
        RedisSettings.from_env({"REDIS_URL": ""})


@pytest.mark.parametrize("name", ["ARQADE_URL", "REDIS_URL"])
def test_from_env_names_the_variable(name):
    """An error in a URL names the variable that holds it, and not the password."""
    with pytest.raises(ConfigurationError, match=f"^{name}: .*'dbb'.*did you mean db") as caught:
        RedisSettings.from_env({name: f"redis://:{CANARY}@h?dbb=1"})
    assert CANARY not in chain(caught.value)


# --- arq -----------------------------------------------------------------------------------


@pytest.fixture
def arq_settings():
    return pytest.importorskip("arq.connections", reason="arq is not installed here").RedisSettings


@pytest.mark.parametrize("field", CHANGES)
def test_from_arq_and_back(arq_settings, field):
    """Every field of arq's settings is read, and given back the same."""
    theirs = arq_settings(**{"ssl_check_hostname": True, field: CHANGES[field]})
    ours = RedisSettings.from_arq(theirs)
    assert getattr(ours, field) == CHANGES[field]
    back = ours.to_arq()
    assert type(back) is arq_settings
    # Always given, see test_key_in_the_certificate_file.
    theirs.ssl_keyfile = theirs.ssl_certfile
    assert theirs == back


def test_from_arq_with_sentinels(arq_settings):
    """Sentinels are read and given back, their links without TLS as arq makes them."""
    theirs = arq_settings(host=SENTINELS, sentinel=True, ssl=True)
    ours = RedisSettings.from_arq(theirs)
    assert (tuple(SENTINELS), False) == (ours.host, ours.sentinel_ssl)
    assert not ours.ssl_check_hostname
    assert theirs == ours.to_arq()


def test_from_arq_defaults(arq_settings):
    """The defaults of arq become ours, but its host name check stays as it is: off."""
    assert RedisSettings(ssl_check_hostname=False) == RedisSettings.from_arq(arq_settings())


def test_from_arq_with_missing_attributes():
    """Attributes that an older arq lacks get our defaults, the host name check included."""
    made = RedisSettings.from_arq(SimpleNamespace(host="h", port=1, database=2, other=3))
    assert RedisSettings("h", 1, database=2) == made


def test_from_arq_takes_ours():
    """Our own settings come back unchanged."""
    ours = RedisSettings(client_name="web")
    assert RedisSettings.from_arq(ours) is ours


@pytest.mark.parametrize(
    "value",
    [None, f"redis://:{CANARY}@h", {"host": CANARY}, RedisSettings, SimpleNamespace(host="h")],
)
def test_from_arq_of_something_else(value):
    """Anything else is a TypeError that names its type and not its value."""
    name = value.__name__ if isinstance(value, type) else type(value).__name__
    with pytest.raises(TypeError, match=f"^settings must be .* not {name};") as caught:
        RedisSettings.from_arq(value)
    assert CANARY not in chain(caught.value)


def test_from_arq_with_wrong_values():
    """A wrong value in arq's settings is named as ever."""
    with pytest.raises(TypeError, match=r"^port must be"):
        RedisSettings.from_arq(SimpleNamespace(host="h", port="6379", database=0))


def test_to_arq_drops_what_steers_arqade_only(arq_settings):
    """Changed times of arqade's own, and unused fields of sentinels, don't hinder."""
    made = RedisSettings(
        conn_timeout=0.5, socket_timeout=1, retry_budget=2, sentinel_password="p", sentinel_ssl=True
    )
    assert arq_settings(conn_timeout=0.5, ssl_check_hostname=True) == made.to_arq()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"client_name": "web"}, "client_name"),
        ({"health_check_interval": 1}, "health_check_interval"),
        (
            {"client_name": "web", "health_check_interval": 1, "password": CANARY},
            "client_name, health_check_interval",
        ),
        ({"sentinel_username": "u"}, "sentinel_username"),
        ({"sentinel_password": CANARY}, "sentinel_password"),
        ({"sentinel_ssl": True}, "sentinel_ssl"),
        ({"ssl": True, "ssl_check_hostname": False}, "sentinel_ssl"),
        ({"ssl": True, "sentinel_ssl": False}, "ssl_check_hostname"),
        (
            {
                "ssl": True,
                "ssl_keyfile": "a",
                "ssl_certfile": "b",
                "ssl_ca_certs": "c",
                "ssl_ca_data": "d",
                "ssl_cert_reqs": "none",
            },
            "ssl_keyfile, ssl_certfile, ssl_ca_certs, ssl_ca_data, ssl_cert_reqs, sentinel_ssl",
        ),
    ],
)
def test_to_arq_refuses(arq_settings, fields, named):
    """What would make arq connect elsewhere, or in another way, is refused by name."""
    place = {"host": SENTINELS, "sentinel": True} if "s" in named[:1] else {}
    with pytest.raises(ConfigurationError, match=f": {named};") as caught:
        RedisSettings(**place, **fields).to_arq()
    assert CANARY not in chain(caught.value)


def test_to_arq_of_plain_sentinels(arq_settings):
    """Sentinels without TLS are no hindrance, whatever TLS options are there unused."""
    made = RedisSettings(SENTINELS, sentinel=True, ssl_ca_certs="c")
    assert made.to_arq().host == SENTINELS
    assert not made.to_arq().ssl


def test_to_arq_without_arq(monkeypatch):
    """Without arq, the error says what to install."""
    monkeypatch.setitem(sys.modules, "arq", None)
    monkeypatch.setitem(sys.modules, "arq.connections", None)
    with pytest.raises(ConfigurationError, match=r"install arqade\[worker\]"):
        RedisSettings().to_arq()


# --- redis-py ------------------------------------------------------------------------------

PLAIN = RedisSettings(
    "h", 1, database=2, username="u", password="p", client_name="web", health_check_interval=3
)
COMMON = {
    "db": 2,
    "username": "u",
    "password": "p",
    "client_name": "web",
    "health_check_interval": 3,
    "socket_timeout": 5.0,
    "socket_connect_timeout": 1,
}
TCP = {"host": "h", "port": 1, "socket_keepalive": True}
TLS_KWARGS = {
    "ssl_keyfile": None,
    "ssl_certfile": None,
    "ssl_cert_reqs": "required",
    "ssl_ca_certs": None,
    "ssl_ca_data": None,
    "ssl_check_hostname": True,
    "ssl_min_version": ssl.TLSVersion.TLSv1_2,
}


@pytest.mark.parametrize(
    ("changes", "kind", "expected"),
    [
        ({}, "Connection", {**COMMON, **TCP}),
        ({"ssl": True}, "SSLConnection", {**COMMON, **TCP, **TLS_KWARGS}),
        (
            {
                "ssl": True,
                "ssl_keyfile": "k",
                "ssl_certfile": "c",
                "ssl_cert_reqs": "optional",
                "ssl_ca_certs": "a",
                "ssl_ca_data": "d",
                "ssl_check_hostname": False,
            },
            "SSLConnection",
            {
                **COMMON,
                **TCP,
                "ssl_keyfile": "k",
                "ssl_certfile": "c",
                "ssl_cert_reqs": "optional",
                "ssl_ca_certs": "a",
                "ssl_ca_data": "d",
                "ssl_check_hostname": False,
                "ssl_min_version": ssl.TLSVersion.TLSv1_2,
            },
        ),
        (
            {"ssl": True, "ssl_certfile": "both.pem"},
            "SSLConnection",
            {
                **COMMON,
                **TCP,
                **TLS_KWARGS,
                "ssl_certfile": "both.pem",
                "ssl_keyfile": "both.pem",
            },
        ),
        (
            {"ssl": True, "ssl_cert_reqs": "none"},
            "SSLConnection",
            {**COMMON, **TCP, **TLS_KWARGS, "ssl_cert_reqs": "none", "ssl_check_hostname": False},
        ),
        ({"unix_socket_path": "/s"}, "UnixDomainSocketConnection", {**COMMON, "path": "/s"}),
        (
            {"host": SENTINELS, "sentinel": True},
            "Connection",
            {**COMMON, "socket_keepalive": True},
        ),
        (
            {"host": SENTINELS, "sentinel": True, "ssl": True},
            "SSLConnection",
            {**COMMON, **TLS_KWARGS, "socket_keepalive": True},
        ),
    ],
)
def test_connection_kwargs(changes, kind, expected):
    """The arguments say all of the settings, and redis-py's classes take them, sync and async."""
    kwargs = attrs.evolve(PLAIN, **changes).connection_kwargs()
    assert expected == kwargs
    for module in redis, redis.asyncio:
        connection_class = getattr(module, kind)
        made = module.ConnectionPool(connection_class=connection_class, **kwargs)
        assert made.connection_kwargs.items() >= kwargs.items()
        connection = connection_class(**kwargs)
        assert (
            connection.db,
            connection.username,
            connection.password,
            connection.client_name,
        ) == (2, "u", "p", "web")


def test_tls_context_of_redis_py():
    """The context that redis-py makes checks certificate, host name and version."""
    kwargs = attrs.evolve(PLAIN, ssl=True).connection_kwargs()
    context = redis.asyncio.SSLConnection(**kwargs).ssl_context.get()
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_unchecked_tls_context_of_redis_py():
    """Certificates go unchecked when told so, without OpenSSL refusing the combination."""
    kwargs = attrs.evolve(PLAIN, ssl=True, ssl_cert_reqs="none").connection_kwargs()
    context = redis.asyncio.SSLConnection(**kwargs).ssl_context.get()
    assert context.verify_mode == ssl.CERT_NONE


LINK = {
    "username": "su",
    "password": "sp",
    "socket_timeout": 5.0,
    "socket_connect_timeout": 1,
    "socket_keepalive": True,
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, LINK),
        ({"ssl": True}, {**LINK, "ssl": True, **TLS_KWARGS}),
        ({"sentinel_ssl": True}, {**LINK, "ssl": True, **TLS_KWARGS}),
        ({"ssl": True, "sentinel_ssl": False}, LINK),
    ],
)
def test_sentinel_kwargs(changes, expected):
    """The sentinels have a login of their own, and TLS like the server unless told otherwise."""
    made = RedisSettings(
        SENTINELS,
        sentinel=True,
        password=CANARY,
        sentinel_username="su",
        sentinel_password="sp",
        **changes,
    )
    kwargs = made.sentinel_kwargs()
    assert expected == kwargs
    for module in redis.sentinel, redis.asyncio.sentinel:
        client = module.Sentinel(made.host, sentinel_kwargs=kwargs)
        assert [host for host, _ in SENTINELS] == [
            link.connection_pool.connection_kwargs["host"] for link in client.sentinels
        ]


# --- safir ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        (None, "own"),
        ("", "own"),
        (Secret(""), "own"),
        ("given", "given"),
        (Secret("given"), "given"),
    ],
)
@pytest.mark.parametrize("kind", [str, Url])
def test_build_arq_redis_settings(kind, password, expected):
    """A given password wins over the URL's, and nothing else of the URL is lost."""
    made = build_arq_redis_settings(kind("rediss://u:own@h:1/2"), password)
    assert RedisSettings("h", 1, None, 2, "u", expected, ssl=True) == made


def test_build_arq_redis_settings_with_a_wrong_password():
    """A password of a wrong type is a TypeError."""
    with pytest.raises(TypeError, match=r"^password must be a str, not bytes"):
        build_arq_redis_settings("redis://h", Secret(b"x"))


# --- with servers --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    path = tmp_path_factory.mktemp("s") / "s"
    try:
        made = RedisServer(config={"unixsocket": str(path)})
    except ConfigurationError as error:
        pytest.skip(str(error))
    with made:
        yield SimpleNamespace(url=made.url, path=path, running=made)


@pytest.fixture(scope="module")
def sentinel_url(server, tmp_path_factory):
    """A sentinel, with a password of its own, that watches the server."""
    running = server.running
    if not os.access(running.binary, os.X_OK):
        pytest.skip("the server's program can't be run as a sentinel")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = tmp_path_factory.mktemp("sentinel") / "sentinel.conf"
    config.write_text(
        f"bind 127.0.0.1\nport {port}\ndir {config.parent}\n"
        f"sentinel monitor main 127.0.0.1 {running.port} 1\n"
        f"sentinel auth-pass main {running.password}\n"
    )
    with subprocess.Popen(
        [running.binary, config, "--sentinel"], stdout=subprocess.DEVNULL
    ) as process:
        try:
            deadline = time.monotonic() + 10
            with redis.Redis("127.0.0.1", port) as client:
                while not _answers(client):
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
            yield f"redis+sentinel://:{running.password}@127.0.0.1:{port}/main/3"
        finally:
            process.terminate()


def _answers(client):
    try:
        return client.ping()
    except redis.ConnectionError:
        return False


def connect(made):
    """A sync client of the settings."""
    kind = redis.UnixDomainSocketConnection if made.unix_socket_path else redis.Connection
    pool = redis.ConnectionPool(connection_class=kind, **made.connection_kwargs())
    return redis.Redis.from_pool(pool)


def test_connection_kwargs_reach_a_server(server):
    """A connection has the database and the name of the settings, over TCP and Unix sockets."""
    tcp = RedisSettings.from_url(server.url + "?db=3&client_name=web")
    unix = RedisSettings.from_url(
        f"unix://:{server.running.password}@{server.path}?db=3&client_name=web"
    )
    for made in tcp, unix:
        with connect(made) as client:
            info = client.client_info()
            assert (str(info["db"]), info["name"]) == ("3", "web")


def test_sentinel_kwargs_reach_a_server(sentinel_url):
    """redis-py finds the server by what the settings say of its sentinels, sync and async."""
    made = RedisSettings.from_url(sentinel_url)

    async def ask():
        client = redis.asyncio.sentinel.Sentinel(
            made.host, sentinel_kwargs=made.sentinel_kwargs(), **made.connection_kwargs()
        )
        async with contextlib.AsyncExitStack() as stack:
            for link in client.sentinels:
                stack.push_async_callback(link.aclose)
            master = await stack.enter_async_context(client.master_for(made.sentinel_master))
            return await master.client_info()

    client = redis.sentinel.Sentinel(
        made.host, sentinel_kwargs=made.sentinel_kwargs(), **made.connection_kwargs()
    )
    with client.master_for(made.sentinel_master) as master:
        assert int(master.client_info()["db"]) == 3
    for link in client.sentinels:
        link.close()
    assert int(asyncio.run(ask())["db"]) == 3


async def _close(pool):
    """Close a pool of arq's with its links to sentinels, which arq itself leaves open."""
    manager = getattr(pool.connection_pool, "sentinel_manager", None)
    for link in manager.sentinels if manager else ():
        await link.aclose()
    await pool.aclose(close_connection_pool=True)


async def _run_a_job(made):
    """Enqueue with arq and run a stock arq worker, both with the same settings."""
    import arq  # noqa: PLC0415 - it is not installed everywhere

    async def double(ctx, number):
        return number * 2

    async with contextlib.AsyncExitStack() as stack:
        pool = await arq.create_pool(made)
        stack.push_async_callback(_close, pool)
        job = await pool.enqueue_job("double", 21)
        worker = arq.Worker(
            [arq.func(double, name="double")],
            redis_settings=made,
            burst=True,
            poll_delay=0.01,
            handle_signals=False,
        )
        await worker.async_run()
        stack.push_async_callback(_close, worker.pool)
        return await job.result(timeout=5, poll_delay=0.01)


@pytest.mark.parametrize("give", [lambda made: made, RedisSettings.to_arq], ids=["ours", "to_arq"])
@pytest.mark.parametrize("way", ["tcp", "retrying", "unix", "sentinel"])
def test_stock_arq_takes_the_settings(request, server, way, give):
    """A stock arq pool and worker run a job, on our settings as they are and on to_arq's."""
    pytest.importorskip("arq", reason="arq is not installed here")
    if way == "sentinel":
        made = RedisSettings.from_url(request.getfixturevalue("sentinel_url"))
    elif way == "unix":
        made = RedisSettings.from_url(f"unix://:{server.running.password}@{server.path}")
    elif way == "retrying":
        made = RedisSettings.from_url(
            server.url, retry=RETRY, retry_on_timeout=True, retry_on_error=[redis.ReadOnlyError]
        )
    else:
        made = RedisSettings.from_url(server.url, conn_timeout=0.75, max_connections=9)
    assert asyncio.run(_run_a_job(give(made))) == 42
