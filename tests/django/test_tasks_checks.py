"""System checks of the backends of tasks; they need no server."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core import checks
from django.core.management import call_command
from django.test import override_settings

from arqade import PickleCodec, RedisSettings
from tests.harness.canary import CANARY

URL = "redis://127.0.0.1:1"
OPTIONS = "TASKS['mail']['OPTIONS']"
QUEUES = "TASKS['mail']['QUEUES']"


def found(queues=("default",), **options):
    """Give what the checks say of a backend, by their numbers."""
    entry = {"BACKEND": "arqade.django.ArqBackend", "QUEUES": queues, "OPTIONS": options}
    with override_settings(TASKS={"mail": entry}):
        messages = [each for each in checks.run_checks() if each.id.startswith("arqade.")]
    return [(each.id.removeprefix("arqade."), each.msg) for each in messages]


def test_nothing_is_wrong():
    """All options are allowed; no server is asked."""
    assert found(URL=URL) == []
    assert found((), URL=URL) == []
    settings = RedisSettings.from_url(URL)
    assert found(URL=settings, CODEC="msgpack", RESULT_TTL=None, EXPIRES=60, PREFIX="shop:") == []
    worker = {"max_jobs": 3, "job_timeout": timedelta(hours=1), "retry_jobs": False}
    assert found(URL=URL, RESULT_TTL=0, EXPIRES=timedelta(days=1), WORKER=worker) == []


@pytest.mark.parametrize(
    ("options", "number", "message"),
    [
        ({"RESULT_TTTL": 3}, "E051", f"{OPTIONS} has an unknown key 'RESULT_TTTL'"),
        ({"URL": f"https://u:{CANARY}@h"}, "E052", f"{OPTIONS}['URL']: "),
        ({"URL": 3}, "E052", f"{OPTIONS}['URL']: "),
        ({"CODEC": "yaml"}, "E053", f"{OPTIONS}['CODEC']: there is no codec 'yaml'"),
        ({"CODEC": PickleCodec}, "E053", f"{OPTIONS}['CODEC']: a codec is needed"),
        ({"PREFIX": 3}, "E054", f"{OPTIONS}['PREFIX']: queue_name must be a str, not int"),
        ({"PREFIX": "arq:job:"}, "E054", f"{OPTIONS}['PREFIX']: queue_name must not lie under"),
        ({"RESULT_TTL": "1"}, "E055", f"{OPTIONS}['RESULT_TTL']: it must be seconds or a timed"),
        ({"RESULT_TTL": -1}, "E055", f"{OPTIONS}['RESULT_TTL']: it must be from 0 to "),
        ({"EXPIRES": 0}, "E055", f"{OPTIONS}['EXPIRES']: it must be at least a millisecond"),
        ({"EXPIRES": None}, "E055", f"{OPTIONS}['EXPIRES']: it must be seconds or a timedelta"),
        ({"WORKER": 3}, "E056", f"{OPTIONS}['WORKER']: it must be a dictionary, not int"),
        (
            {"WORKER": {"max_job": 3}},
            "E056",
            f"{OPTIONS}['WORKER']: unknown 'max_job'; did you mean 'max_jobs'?",
        ),
        (
            {"WORKER": {"max_jobs": 0}},
            "E056",
            f"{OPTIONS}['WORKER']: max_jobs must be positive, not 0",
        ),
        ({"CODEC": "pickle"}, "W051", "TASKS['mail'] reads pickles: who can write to Redis"),
    ],
)
def test_wrong_option(options, number, message):
    """Each is told by itself, with the place where it is."""
    [(its_number, its_message)] = found(**{"URL": URL, **options})
    assert its_number == number
    assert its_message.startswith(message)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (3, f"{QUEUES} has 3: a queue's name must be a str, not int"),
        ("", f"{QUEUES} has '': a queue's name must have 1 to 40 characters"),
        ("q" * 41, f"{QUEUES} has '{'q' * 41}': a queue's name must have 1 to 40 characters"),
        ("my\nqueue", f"{QUEUES} has 'my\\nqueue': queue_name must not have control characters"),
        ("x:health-check", f"{QUEUES} has 'x:health-check': queue_name must not lie under a"),
    ],
)
def test_wrong_queue(name, message):
    """A name that arq, or an id, could not have is told."""
    [(number, said)] = found(("default", name), URL=URL)
    assert number == "E057"
    assert said.startswith(message)


def test_no_url(monkeypatch):
    """Where tasks are not enqueued there may be none: that is a warning."""
    monkeypatch.delenv("ARQADE_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)
    for options in ({}, {"URL": None}):
        [(number, said)] = found(**options)
        assert number == "W050"
        assert said.startswith(f"{OPTIONS} has no 'URL', and neither ARQADE_URL nor REDIS_URL")
    monkeypatch.setenv("REDIS_URL", URL)
    assert found() == []


def test_all_at_once():
    """What is wrong in one place hides nothing in another; the hint names what is known."""
    numbers = [number for number, _ in found(("",), URL=3, CODEC=3, X=1, RESULT_TTL="")]
    assert sorted(numbers) == ["E051", "E052", "E053", "E055", "E057"]
    entry = {
        "BACKEND": "arqade.django.ArqBackend",
        "OPTIONS": {"URL": URL, "result_ttl": 3, "X": 1},
    }
    with override_settings(TASKS={"default": entry}):
        hints = [each.hint for each in checks.run_checks() if each.id == "arqade.E051"]
    assert hints == [
        "did you mean 'RESULT_TTL'?",
        "known are URL, CODEC, PREFIX, RESULT_TTL, EXPIRES, WORKER",
    ]


def test_same_queues():
    """Two backends may share a server, but no queue of it."""

    def numbers(**other):
        arq = {"BACKEND": "arqade.django.ArqBackend", "OPTIONS": {"URL": URL, "PREFIX": "shop:"}}
        tasks = {"default": arq, "mail": {**arq, "OPTIONS": arq["OPTIONS"] | other}}
        with override_settings(TASKS=tasks):
            return [each.id for each in checks.run_checks() if each.id.startswith("arqade.")]

    assert numbers() == ["arqade.E058"]
    assert numbers(PREFIX="mail:") == []
    assert numbers(URL=f"{URL}/1") == []


@pytest.mark.parametrize("options", [[], "redis://h", None])
def test_options_of_a_wrong_type(options):
    """They must be a dictionary."""
    entry = {"BACKEND": "arqade.django.ArqBackend", "OPTIONS": options}
    with override_settings(TASKS={"mail": entry}):
        [error] = [each for each in checks.run_checks() if each.id == "arqade.E050"]
    assert error.msg == f"{OPTIONS} must be a dictionary, not {type(options).__name__}"


def test_command():
    """``manage.py check`` tells it."""
    entry = {"BACKEND": "arqade.django.ArqBackend", "OPTIONS": {"URL": URL}}
    said = StringIO()
    with override_settings(TASKS={"default": entry}):
        call_command("check", stdout=said)
    assert "no issues" in said.getvalue()
