"""The page about settings: it names what there is, with true defaults, and shows what is so."""

from __future__ import annotations

import inspect
import re
from urllib.parse import parse_qsl

import attrs
import pytest
from arq import connections

from arqade import MockArqQueue, PickleCodec, RedisArqQueue, RedisSettings
from arqade._urls import _OPTIONS
from tests.docs.pages import DOCS, rows

PAGE = DOCS / "reference" / "settings.md"
FIELDS = {field.alias: field for field in attrs.fields(RedisSettings)}

TABLE = {row[0].strip("`"): row for row in rows(PAGE, "field", "default", "meaning", "in a URL")}
"""The rows of the tables of fields."""

EXAMPLES = [
    (name, example)
    for name, (*_, url) in TABLE.items()
    for example in re.findall(r"`(\w+=[^`]*)`", url)
]
"""What the tables show of a URL's options, and the field that each of them sets."""

WORKERS = rows(PAGE, "server found", "fields that count")

BORROWED = {"durability": "primary"}
"""Defaults that are others for a queue without settings."""


def test_fields():
    """Every field is in a table, and no other, with its default."""
    shown = {name: row[1] for name, row in TABLE.items()}
    assert shown == {
        name: f'`"{field.default}"`' if isinstance(field.default, str) else f"`{field.default}`"
        for name, field in FIELDS.items()
    }
    assert len(rows(PAGE, "field", "default", "meaning", "in a URL")) == len(FIELDS)


def test_options():
    """Every option of a URL is in the row of its field, and no other."""
    shown = {name for _, example in EXAMPLES for name, _ in parse_qsl(example)}
    assert shown == _OPTIONS.keys()


@pytest.mark.parametrize(("field", "example"), EXAMPLES)
def test_option(field, example):
    """A URL with this option is read, and another value than the default is in the field."""
    scheme = "rediss+sentinel://h/m" if field.startswith("sentinel_") else "rediss://h"
    url = f"{scheme.removesuffix('/m') if field == 'sentinel_master' else scheme}?{example}"
    settings = RedisSettings.from_url(url)
    assert getattr(settings, field) not in {FIELDS[field].default, None}


def test_what_can_not_be_given():
    """What the page says that no URL gives has no option."""
    unsaid = [name for name, row in TABLE.items() if row[-1] == "can't be given"]
    assert unsaid == [name for name in ("retry_on_error", "retry") if name not in _OPTIONS]


SCHEMES = [
    (scheme, example.strip("`"))
    for names, _, example in rows(PAGE, "scheme", "meaning", "example")
    for scheme in re.findall(r"[\w+]+", names)
]


@pytest.mark.parametrize(("scheme", "example"), SCHEMES)
def test_scheme(scheme, example):
    """The example is read under each scheme of its row, with TLS and sentinels as the name says."""
    settings = RedisSettings.from_url(re.sub(r"^[\w+]+", scheme, example))
    assert settings.ssl is (scheme.partition("+")[0] in {"rediss", "valkeys"})
    assert settings.sentinel is scheme.endswith("+sentinel")
    assert (settings.unix_socket_path is not None) is (scheme == "unix")


def test_all_schemes():
    """All schemes are there."""
    names = ["redis", "rediss", "valkey", "valkeys"]
    expected = {*names, *(f"{name}+sentinel" for name in names), "unix"}
    assert {scheme for scheme, _ in SCHEMES} == expected


def test_grammar():
    """The lines of the grammar are URLs, once their words are replaced."""
    [_, text, *_] = re.split(r"```text\n|```\n", PAGE.read_text("utf-8").partition("## URLs")[2])
    words = {"HOST": "h", "PORT": "1", "DATABASE": "2", "OPTION": "client_name", "VALUE": "v"}
    lines = text.splitlines()
    assert len(lines) == 4
    for line in lines:
        url = re.sub("|".join(words), lambda found: words[found[0]], line)
        settings = RedisSettings.from_url(
            url.replace("client_name=v&client_name=v", "client_name=v")
        )
        assert (settings.username, settings.password) == ("USER", "PASSWORD")
        assert (settings.database, settings.client_name) == (2, "v")


def test_options_of_a_queue():
    """The options are those of `initialize` and of the constructor, and the mocks have four."""
    shown = {name: default for name, default, _ in rows(PAGE, "option", "default", "meaning")}
    opened = inspect.signature(RedisArqQueue.initialize).parameters
    made = inspect.signature(RedisArqQueue).parameters
    assert shown.keys() == {f"`{name}`" for name in {*opened, *made} - {"settings", "pool"}}
    for name, default in shown.items():
        for parameters in (opened, made):
            if (parameter := parameters.get(name.strip("`"))) is None:
                continue
            value = parameter.default
            text = f'"{value}"' if isinstance(value, str) else str(value)
            text = "PickleCodec()" if type(value) is PickleCodec else text
            if parameters is opened or BORROWED.get(parameter.name, text) != value:
                assert default == f"`{text}`"
    assert list(opened)[1:] == list(inspect.signature(RedisArqQueue.from_url).parameters)[1:]
    assert [name.strip("`") for name in list(shown)[:4]] == [
        name for name in inspect.signature(MockArqQueue).parameters if f"`{name}`" in shown
    ]


class Noted:
    """Settings, and which of their fields were read."""

    def __init__(self, settings):
        self.settings = settings
        self.names = set()

    def __getattr__(self, name):
        self.names.add(name)
        return getattr(self.settings, name)


async def fields_read(monkeypatch, settings):
    """Let arq make a pool, at the second attempt, and give the fields that it reads."""
    noted = Noted(settings)
    before_log = set()
    failures = [ConnectionError()]

    async def ping(_):
        if failures:
            before_log.update(noted.names)
            raise failures.pop()

    monkeypatch.setattr(connections.ArqRedis, "ping", ping)
    pool = await connections.create_pool(noted)
    await pool.aclose()
    # A failure is logged with host and port, whether they count or not.
    return before_log | {name for name in noted.names if name.startswith("conn_retr")}


@pytest.mark.parametrize(
    ("way", "settings"),
    [
        ("by host or socket", RedisSettings(conn_retry_delay=0)),
        (
            "by sentinels",
            RedisSettings([("s1", 26379)], sentinel=True, conn_retry_delay=0),
        ),
    ],
)
async def test_what_arq_honours(monkeypatch, way, settings):
    """A stock pool reads the fields that the page names."""
    [shown] = [set(re.findall(r"\w+", fields)) for found, fields in WORKERS if found == way]
    assert await fields_read(monkeypatch, settings) - {"sentinel"} == shown - {"sentinel"}
